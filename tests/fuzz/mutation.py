"""Bytes made from other bytes: the mutations of the short fuzzing that the tests do; the same seed, the same bytes."""

from __future__ import annotations

import random
from collections.abc import Sequence

# What parsers of text and of lengths stumble over.
TOKENS = (
    *(b"null", b"true", b"[]", b"{}", b'""', b"-1", b"0", b"1e999", b".nan", b"NaN", b"Infinity", b"9" * 30),
    *(b"\0", b"\n", b"\r", b"\t", b"\xff", b"\xc3\xa9", b"\xed\xa0\x80", b"&a ", b"*a", b"!!int ", b"<<: ", b"? "),
    *(b"[" * 3000, b"{a: " * 300, b"9" * 5000, b"0x" + b"f" * 5000, b"\xff" * 8, b"\x7f" + b"\xff" * 7),
)


def mutate(generator: random.Random, seeds: Sequence[bytes]) -> bytes:
    """Return one of `seeds` after one to eight changes: bits, bytes, tokens, and pieces cut, doubled or swapped in."""
    content = bytearray(generator.choice(seeds))
    for _ in range(generator.randint(1, 8)):
        start = generator.randrange(len(content) + 1)
        end = min(len(content), start + generator.choice((1, 1, 2, 4, 8, 32, 256)))
        kind = generator.randrange(6)
        if kind == 0 and start < len(content):
            content[start] ^= 1 << generator.randrange(8)
        elif kind == 1:
            content[start:end] = generator.randbytes(end - start)
        elif kind == 2:
            content[start : generator.choice((start, end))] = generator.choice(TOKENS)
        elif kind == 3:
            del content[start:end]
        elif kind == 4:
            content[start:start] = content[start:end]
        elif kind == 5:
            other = generator.choice(seeds)
            at = generator.randrange(len(other) + 1)
            content[start:end] = other[at : at + end - start]
    return bytes(content)
