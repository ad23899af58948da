"""The files about the project agree with the package."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

import superpoint_tf

ROOT = Path(__file__).resolve().parent.parent
CITATION_KEYS = {"cff-version", "message", "title", "authors", "version", "license", "references"}


def test_the_citation_has_its_keys_and_the_packages_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation.keys() >= CITATION_KEYS
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == superpoint_tf.__version__


def test_the_changelog_names_the_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[(.*?)\]", text, re.MULTILINE)
    assert versions[0] == "Unreleased" and superpoint_tf.__version__ in versions


def test_the_makefile_builds_the_documentation():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^docs:", text, re.MULTILINE) and '"make docs ' in text
