"""What a misspelt word was meant to be."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return the known word that is most alike, empty where none is by more than `cutoff`, from 0 to 1."""
    return next(iter(difflib.get_close_matches(word, list(known), 1, cutoff)), "")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `; did you mean NEAREST?`, nothing where no known word is near."""
    meant = nearest(word, known)
    return f"; did you mean {meant}?" if meant else ""
