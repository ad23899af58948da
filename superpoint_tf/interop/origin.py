"""Where weights of others come from, and on which terms."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Origin:
    """A published file, and the terms it was published under."""

    name: str
    licence: str
    restricted: bool  # the licence forbids what a user of this package may want to do
