"""Features on disk are those of the present code: what they depend on is all in the list that is hashed."""

from __future__ import annotations

import ast
from pathlib import Path

from superpoint_tf.evaluation.methods import methods

PACKAGE = Path(methods.__file__).resolve().parents[2]
# What `SuperPoint` needs and what cannot change the features of given weights: settings, files, messages, matching, and
# the values that random weights begin with. Anything else that it comes to import belongs into _NETWORK_CODE.
WITHOUT_ARITHMETIC = {
    "config/__init__.py",
    "config/config_files.py",
    "config/config_rules.py",
    "config/sections.py",
    "config/strict_yaml.py",
    "features/__init__.py",
    "features/matching.py",
    "networks/initialization.py",
    "networks/pretrained.py",
    "networks/weights.py",
    "runtime/__init__.py",
    "runtime/memory.py",
    "runtime/npz_files.py",
    "runtime/progress.py",
    "runtime/storage.py",
}


def imported_files(name: str) -> set[str]:
    """Return the files of the package that one of its files imports, at its top or inside functions."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / name).read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    places = [module.split(".")[1:] for module in modules if module.split(".")[0] == "superpoint_tf"]
    paths = [Path(*place) for place in places if place]
    files = [candidate for path in paths for candidate in (path.with_suffix(".py"), path / "__init__.py")]
    return {file.as_posix() for file in files if (PACKAGE / file).is_file()}


def reached_from(name: str) -> set[str]:
    """Return the files that one file imports, and those that these import, and so on."""
    found, waiting = {name}, [name]
    while waiting:
        new = imported_files(waiting.pop()) - found
        found |= new
        waiting += new
    return found


def test_every_module_that_a_network_computes_with_is_in_the_hash_of_its_features():
    needed = reached_from("models/dense_model.py")
    assert needed - WITHOUT_ARITHMETIC <= set(methods._NETWORK_CODE)
    assert "networks/batch_norm.py" in needed  # the walk goes below the first imports


def test_the_hash_has_no_module_that_the_network_does_not_import():
    assert set(methods._NETWORK_CODE) <= reached_from("models/dense_model.py")
