"""Small sets of patches in the layouts of HPatches and of Brown, as their users have them on disk."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np

NOISES = ("e1", "e2", "h1", "h2")


def write_strips(root: Path, sequences: Iterable[str] = ("v_one", "v_two", "i_three"), count: int = 6) -> Path:
    """Write random patches with a little noise in e and much in h; row i of every strip shows one point."""
    for number, name in enumerate(sequences):
        generator = np.random.default_rng(number)
        patches = cv2.resize(generator.integers(0, 256, (8, 8 * count), np.uint8), (65 * count, 65))
        reference = np.concatenate(np.split(patches, count, axis=1))
        (root / name).mkdir(parents=True)
        cv2.imwrite(str(root / name / "ref.png"), reference)
        for strip in NOISES:
            changed = reference + generator.normal(0, {"e": 5, "h": 60}[strip[0]], reference.shape)
            cv2.imwrite(str(root / name / f"{strip}.png"), np.clip(changed, 0, 255).astype(np.uint8))
    return root


def write_brown(folder: Path, count: int = 300) -> np.ndarray:
    """Write a set of `count` patches, three a point, the last picture not full, and pairs; return the patches."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(0)
    points = np.arange(count) // 3
    base = generator.integers(0, 256, (count // 3 + 1, 64, 64))
    patches = np.clip(base[points] + generator.normal(0, 30, (count, 64, 64)), 0, 255).astype(np.uint8)
    for number in range(-(-count // 256)):
        picture = np.zeros((1024, 1024), np.uint8)
        for place, patch in enumerate(patches[256 * number : 256 * (number + 1)]):
            row, column = divmod(place, 16)
            picture[64 * row : 64 * row + 64, 64 * column : 64 * column + 64] = patch
        cv2.imwrite(str(folder / f"patches{number:04d}.bmp"), picture)
    (folder / "info.txt").write_text("".join(f"{point} 0\n" for point in points))
    pairs = [(i, i + 1) for i in range(0, count, 3)] + [(i, (i + 31) % count) for i in range(0, count, 3)]
    lines = [f"{i} {points[i]} 0 {j} {points[j]} 0\n" for i, j in pairs]
    (folder / f"m50_{len(pairs)}_{len(pairs)}_0.txt").write_text("".join(lines))
    return patches
