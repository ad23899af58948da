"""README's lines of use run as they are printed, on what `samples` writes."""

from __future__ import annotations

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECTION = re.search(
    r"^## Using it\n(.*?)^## ", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
)
assert SECTION
BLOCKS = dict(re.findall(r"^```(\w+)\n(.*?)^```", SECTION.group(1), re.MULTILINE | re.DOTALL))
NEEDS = {"--format onnx": "tf2onnx"}


def run(*command: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stderr[-2000:]}"


@pytest.mark.slow
def test_the_lines_of_use_run_one_after_the_other(tmp_path: Path):
    ran = 0
    for line in BLOCKS["sh"].splitlines():
        if all(importlib.util.find_spec(package) for words, package in NEEDS.items() if words in line):
            python, tool, *arguments = shlex.split(line, comments=True)
            assert python == "python"
            run(sys.executable, str(ROOT / tool), *arguments, folder=tmp_path)
            ran += 1
    assert ran >= 5
    run(sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{BLOCKS['python']}", folder=tmp_path)
    written = {path.name for path in tmp_path.iterdir()}
    assert written >= {"features.h5", "matches.png", "panorama.png"}
