"""Write the API's pages from the docstrings, as HTML: python docs/api_pages.py [folder], by default outputs/docs"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy
import pdoc
import tensorflow

PACKAGES = ("superpoint_tf",)
COMMENT = re.compile(r"^ +(\w+): .*?  # (.*)$", re.MULTILINE)  # a field and what is said of it


def show_package(module: ModuleType) -> None:
    """Let pdoc see a package's lazy names, which it looks up without asking `__getattr__`, and list its modules too."""
    names = [*getattr(module, "__all__", ())]
    for name in names:
        vars(module).setdefault(name, getattr(module, name))
    modules = (found.name for found in pkgutil.iter_modules(module.__path__))
    vars(module)["__all__"] = [*names, *(name for name in modules if name not in names)]


def describe_named_tuples(module: ModuleType) -> None:
    """Say where their constructors come from, as pdoc looks there for types, and of a field what its comment says."""
    for value in vars(module).values():
        if inspect.isclass(value) and issubclass(value, tuple) and hasattr(value, "_fields"):
            value.__new__.__module__ = value.__module__
            comments = dict(COMMENT.findall(inspect.getsource(value)))
            for field in value._fields:
                getattr(value, field).__doc__ = comments.get(field, "")


def modules_below(package: str) -> Iterator[ModuleType]:
    yield (module := importlib.import_module(package))
    for found in pkgutil.walk_packages(module.__path__, f"{package}."):
        yield importlib.import_module(found.name)


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "outputs" / "docs"
    # pdoc imports by its name what an annotation names and a module lacks
    sys.modules.update(np=numpy, tf=tensorflow, Any=Any)
    for package in PACKAGES:
        for module in modules_below(package):
            describe_named_tuples(module)
            if hasattr(module, "__path__"):
                show_package(module)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pdoc.pdoc(*PACKAGES, output_directory=folder)
    for warning in caught:
        print(f"{warning.filename}:{warning.lineno}: {warning.message}", file=sys.stderr)
    if caught:
        sys.exit(f"error: {len(caught)} warnings")
    print(folder / "index.html")


if __name__ == "__main__":
    main()
