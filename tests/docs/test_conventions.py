"""Each snippet of docs/conventions.md holds, from top to bottom, and each section has one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "conventions.md"
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def run_page(text: str) -> int:
    """Run the snippets of a page in one namespace; return how many. A failure names the line of the page."""
    namespace: dict[str, Any] = {}
    snippets = list(SNIPPET.finditer(text))
    for snippet in snippets:
        above = "\n" * text.count("\n", 0, snippet.start(1))
        exec(compile(above + snippet.group(1), str(PAGE), "exec"), namespace)
    return len(snippets)


def test_every_convention_holds():
    assert run_page(PAGE.read_text(encoding="utf-8")) > 8


def test_every_section_asserts_what_it_says():
    _, *sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    silent = [s.partition("\n")[0] for s in sections if not any("assert" in code for code in SNIPPET.findall(s))]
    assert len(sections) > 6 and silent == []


def test_a_convention_that_does_not_hold_is_found():
    with pytest.raises(AssertionError):
        run_page("The centre:\n\n```python\nassert (0, 0) == (0.5, 0.5)\n```\n")
