"""A random permutation that is computed, item by item, and held nowhere: for more items than are shuffled in memory."""

from __future__ import annotations

from collections.abc import Sequence

NUM_ROUNDS = 6
_WORD = 2**64 - 1


def permuted(position: int, count: int, keys: Sequence[int]) -> int:
    """Return which of `count` items stands at a position; every position gives another.

    A Feistel network over the next larger even number of bits, walked on until it meets an item (Black and Rogaway
    2002, "cycle walking"): four times on average at most. `keys`, NUM_ROUNDS of 64 bits, make the permutation.
    """
    half = ((count - 1).bit_length() + 1) // 2
    mask = (1 << half) - 1
    while True:
        left, right = position >> half, position & mask
        for key in keys:
            left, right = right, left ^ (_mix(right ^ key) & mask)
        position = left << half | right
        if position < count:
            return position


def _mix(word: int) -> int:
    """Return 64 bits that all depend on all of a word: the last step of SplitMix64 (Steele et al. 2014)."""
    word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    word = (word ^ word >> 27) * 0x94D049BB133111EB & _WORD
    return word ^ word >> 31
