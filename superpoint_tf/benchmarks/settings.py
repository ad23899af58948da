"""What a run of the benchmarks is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from superpoint_tf.config import Config
from superpoint_tf.runtime.workers import resolve_workers

ImageShape = tuple[int, int]
_PIXELS_ON_CPU, _PIXELS_ON_GPU = 8 * 240 * 320, 64 * 240 * 320  # a batch: enough work for every core, little memory


@dataclass(frozen=True)
class Settings:
    """Size of a run; `quick` measures fewer cases, smaller ones, to see that everything works."""

    config: Config
    repeats: int = 5
    quick: bool = False
    images: str = "bundled"  # photographs root
    batch_size: int | None = None  # overrides the choice by number of pixels
    weights: str = ""  # for `extract`, and labels of `adaptation` in half precision; "" = an untrained network
    on_gpu: bool = False

    def batch(self, image_shape: ImageShape) -> int:
        """Return the batch size for pictures of a shape."""
        pixels = _PIXELS_ON_GPU if self.on_gpu else _PIXELS_ON_CPU
        return self.batch_size or max(1, pixels // (image_shape[0] * image_shape[1]) // (8 if self.quick else 1))

    def shapes(self, *shapes: ImageShape) -> Sequence[ImageShape]:
        """Return the shapes to measure: of a quick run the first alone."""
        return shapes[:1] if self.quick else shapes


def worker_counts() -> list[int]:
    """Return 1, 2, 4, 8, 16 as far as there are cores, and the number of cores up to 16."""
    cores = min(resolve_workers(-1), 16)
    return sorted({count for count in (1, 2, 4, 8, 16) if count <= cores} | {cores})


def shape_name(image_shape: Sequence[int]) -> str:
    """Return a shape as 240x320."""
    return "x".join(map(str, image_shape))
