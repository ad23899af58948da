"""How a setting is declared beside its default, and checked; the error of those that cannot be used."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from superpoint_tf.runtime.suggestions import did_you_mean
from superpoint_tf.systems import SYSTEMS

CELL = 8  # side of a detector cell, pixels; the only 8 in the code
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


class ConfigError(ValueError):
    """A setting that cannot be used; the message names the file, the key and the remedy."""


def setting(default: Any, *, free: bool = False, **limits: Any) -> Any:
    """Declare a field: `minimum`, `maximum`, `choices`, `required` (no empty text) are checked by `check_limits`.

    So is a `rule`, a function that raises ValueError. `free` may change when a run is resumed.
    """
    metadata = {"free": free, **limits}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_SHORT.maxlevel = 2


def shown(value: Any) -> str:
    """Return a value as messages show it: on one line, and short however large it is."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python prints no whole number of thousands of digits
        return "a number of thousands of digits"


def check_limits(value: Any, limits: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError, beginning with `where`, for a value, or one in it, outside the limits of its field."""
    for item in _items(value):
        minimum, maximum, choices = (limits.get(key) for key in ("minimum", "maximum", "choices"))
        number = not isinstance(item, str)
        if choices is not None and not isinstance(item, float) and item not in choices:
            known = [str(choice) for choice in choices if choice != ""]
            meant = did_you_mean(item, known) if isinstance(item, str) else ""
            raise ConfigError(f"{where}: {shown(item)} is not one of {', '.join(known)}{meant}")
        if minimum is not None and number and not item >= minimum:  # NaN is not, either
            raise ConfigError(f"{where}: {shown(item)} is below the minimum {minimum:g}")
        if maximum is not None and number and not item <= maximum:
            raise ConfigError(f"{where}: {shown(item)} is above the maximum {maximum:g}")
        if limits.get("required") and not item:
            raise ConfigError(f"{where}: is empty; leave it out for the default")
    if rule := limits.get("rule"):
        try:
            rule(value)
        except ValueError as error:  # begins with the field's name
            raise ConfigError(f"{where}: {str(error).partition(': ')[2]}") from None


def _items(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return [value]


def losses_of(train: str) -> tuple[str, ...]:
    """Return the losses that may train the systems of a section."""
    losses = [loss for row in SYSTEMS.values() if row.train == train for loss in row.losses]
    return tuple(dict.fromkeys(losses))
