"""What values from JSON must look like, and where one does not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def misfits(value: Any, form: Any, key: str = "") -> Iterator[str]:
    """Yield the dotted keys that are missing from a value of JSON or have another type than `form` says.

    A form is a type or several, `{"key": form}` for a mapping that has these keys at least, `[form]` for a list of any
    length.
    """
    if isinstance(form, dict):
        if not isinstance(value, dict):
            yield key or "it"
            return
        for name, inner in form.items():
            yield from misfits(value.get(name), inner, f"{key}.{name}" if key else name)
    elif isinstance(form, list):
        if not isinstance(value, list) or any(True for item in value for _ in misfits(item, form[0])):
            yield key
    elif not isinstance(value, form):
        yield key
