"""The photographs of an export: some calibrate int8, the others judge the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from superpoint_tf.config import PhotographsSection
from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.photograph_sets import find_photographs
from superpoint_tf.data.photographs.reading import PhotographError, cover_and_crop, read_photograph
from superpoint_tf.models.images import prepare_image
from superpoint_tf.runtime import storage

MOST = 64  # photographs that are read
# Where any shape is taken: that of the paper, one that is padded in both directions, and a larger one upright.
ANY_SHAPE = ((240, 320), (237, 317), (480, 360))


@dataclass
class Photographs:
    """Paths in a fixed order; those that cannot be read are named in `left_out` when they are met."""

    paths: Sequence[str]
    left_out: list[str] = field(default_factory=list)
    stretch: str = NO_STRETCH

    @property
    def for_calibration(self) -> Photographs:
        """Return every second one, from the first."""
        return Photographs(self.paths[::2], self.left_out, self.stretch)

    @property
    def for_judging(self) -> Photographs:
        """Return the others; of a single one that one."""
        return Photographs(self.paths[1::2] or self.paths, self.left_out, self.stretch)

    def frames(self, image_shape: tuple[int, int] | None) -> Iterator[np.ndarray]:
        """Yield grey uint8 pictures (H, W) of a shape, or of several in turn."""
        shapes = (image_shape,) if image_shape else ANY_SHAPE
        for number, path in enumerate(self.paths):
            try:
                picture = read_photograph(path, self.stretch)
            except PhotographError as error:
                if str(error) not in self.left_out:
                    self.left_out.append(str(error))
                continue
            yield cover_and_crop(picture, shapes[number % len(shapes)])[0]

    def batches(self, image_shape: tuple[int, int] | None) -> list[np.ndarray]:
        """Return the frames as images float32 (1, H, W, 1) in [0, 1]."""
        return [prepare_image(frame).numpy()[None] for frame in self.frames(image_shape)]


def open_photographs(images: str, stretch: str = NO_STRETCH) -> Photographs:
    """Return the photographs below a folder, `bundled` for those that scikit-image ships; at most 64 of them, evenly.

    `stretch` is that of `read_photograph`. Raises FileNotFoundError naming the folder if there is none.
    """
    found = find_photographs(PhotographsSection(stretch=stretch), images)
    names = sorted(found.train + found.validation)
    step = max(len(names) / MOST, 1.0)
    paths = [storage.join(found.root, names[int(i * step)]) for i in range(min(len(names), MOST))]
    return Photographs(paths, stretch=stretch)
