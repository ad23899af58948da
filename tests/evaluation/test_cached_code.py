"""Features on disk are those of the present code: all that a network computes with lies in hashed folders."""

from __future__ import annotations

import ast
from pathlib import Path

from superpoint_tf.evaluation.methods import methods

PACKAGE = Path(methods.__file__).resolve().parents[2]
# settings, files, messages and pictures of what was found cannot change the features of given weights
WITHOUT_ARITHMETIC = {"config", "drawing", "runtime", "synthetic"}


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


def test_every_module_that_a_network_computes_with_lies_in_a_hashed_folder():
    needed = reached_from("models/dense_model.py")
    assert {name.split("/")[0] for name in needed} - WITHOUT_ARITHMETIC <= set(methods._NETWORK_CODE)
    assert "networks/batch_norm.py" in needed  # the walk goes below the first imports


def test_the_hash_follows_every_file_of_a_folder(monkeypatch):
    before, read = methods._code_sha256(methods._NETWORK_CODE), Path.read_bytes
    for name in ("batch_norm.py", "scales_and_phases.py", "sample.py", "keypoints.py"):
        monkeypatch.setattr(Path, "read_bytes", lambda path, n=name: read(path) + b"#" * (path.name == n))
        assert methods._code_sha256(methods._NETWORK_CODE) != before, name
    assert all((PACKAGE / name).exists() for name in methods._NETWORK_CODE)
