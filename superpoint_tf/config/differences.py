"""What differs between the settings that something was made with and those of today."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

_SHA256 = re.compile("[0-9a-f]{64}")
_SHOWN_DIGITS = 12


def differences(before: Mapping[str, Any], now: Mapping[str, Any], ignore: Collection[str] = ()) -> list[str]:
    """Return `key: before -> now` of each setting that differs; keys inside mappings are dotted.

    Values are plain ones, as of JSON: a tuple equals the list of its items, what is missing equals None. `ignore`
    names keys that may differ, with all that is in them. Hashes are shown by their first digits.
    """
    old, new = (dict(_flatten(values)) for values in (before, now))
    changed = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    decisive = [key for key in changed if not any(key == name or key.startswith(f"{name}.") for name in ignore)]
    return [f"{key}: {_shown(old.get(key))} -> {_shown(new.get(key))}" for key in decisive]


def _flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", list(value) if isinstance(value, tuple) else value


def _shown(value: Any) -> str:
    return value[:_SHOWN_DIGITS] if isinstance(value, str) and _SHA256.fullmatch(value) else repr(value)
