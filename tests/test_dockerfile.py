"""The Dockerfile, as far as it can be checked without building it."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")


def instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} +(.*)$", TEXT, re.MULTILINE)


def requirements() -> list[Requirement]:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    return [Requirement(line) for line in setup["options"]["install_requires"].splitlines() if line.strip()]


def test_the_linter_has_nothing_to_say():
    linter = shutil.which("hadolint", path=Path(sys.executable).parent) or shutil.which("hadolint")
    if linter is None:
        pytest.skip("needs hadolint, which is part of `dev` on Linux: pip install -e '.[dev]'")
    done = subprocess.run([linter, "Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_image_it_builds_on_has_a_tensorflow_that_the_package_takes():
    (image,) = instructions("FROM")
    name, version, kind = re.fullmatch(r"(.+):([\d.]+)-(\w+)", image).groups()  # type: ignore[union-attr]
    assert (name, kind) == ("tensorflow/tensorflow", "gpu")
    wanted = [each for each in requirements() if each.name == "tensorflow"]
    assert [each for each in wanted if each.marker and each.marker.evaluate({"python_version": "3.11"})]
    for each in wanted:
        if each.marker and each.marker.evaluate({"python_version": "3.11"}):  # of the image's Ubuntu
            assert version in each.specifier


def test_every_copied_path_is_there_and_reaches_the_build():
    copied = [path for line in instructions("COPY") for path in line.split()[:-1]]
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert all((ROOT / path).exists() for path in copied)
    assert sorted(copied) == sorted(line[1:] for line in ignored if line.startswith("!"))


def test_every_folder_that_setup_takes_is_copied():
    copied = {path for line in instructions("COPY") for path in line.split()[:-1]}
    folders = re.findall(r'"superpoint_tf\.\w+": "(\w+)"', (ROOT / "setup.py").read_text(encoding="utf-8"))
    assert set(folders) == {"synthetic", "configs"} and {*folders, "superpoint_tf", "setup.py", "setup.cfg"} <= copied


def test_its_commands_run_as_a_user_who_owns_the_working_folder():
    assert int(instructions("USER")[-1]) > 0
    assert TEXT.index("USER ") < TEXT.index("ENTRYPOINT ")
    assert f"chown {instructions('USER')[-1]} {instructions('WORKDIR')[-1]}" in TEXT
    assert instructions("ENTRYPOINT") == ['["superpoint-tf"]']
