"""The sets of pairs that a protocol's name and a folder stand for."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable

from superpoint_tf.config import Config, PhotographsSection
from superpoint_tf.data.photographs.photograph_sets import BUNDLED, find_photographs, list_photographs
from superpoint_tf.evaluation.pairs import ImagePair
from superpoint_tf.evaluation.sets.hpatches import find_hpatches, hpatches_pairs
from superpoint_tf.evaluation.sets.random_homographies import random_homography_pairs

MakePairs = Callable[[tuple[int, int]], Iterable[ImagePair]]


def open_pairs(
    protocol: str, root: str, config: Config, num_pairs: int, left_out: list[str] | None = None
) -> tuple[MakePairs, int]:
    """Return a function that yields the pairs at any (height, width), and their number.

    `hpatches` takes all pairs below `root`, i_ pairs twice (once shifted); `random-homography` warps `num_pairs` of the
    photographs below it (`bundled`: of scikit-image's) by the config's sampler and photometric ranges. Raises
    ValueError or OSError naming the folder. Folders and files that cannot be used are named in `left_out`.
    """
    if protocol == "hpatches":
        sequences = find_hpatches(root, left_out)
        count = sum(len(s.others) * (2 if s.group == "i" else 1) for s in sequences)
        return functools.partial(hpatches_pairs, sequences), count
    return functools.partial(_random_pairs, photograph_paths(root), config, num_pairs, left_out), num_pairs


def photograph_paths(root: str) -> list[str]:
    """Return the photographs below a folder, of `bundled` those of scikit-image; raises ValueError or OSError."""
    if root != BUNDLED:
        return [f"{root}/{name}" for name in list_photographs(root, remedy="pass another --data")]
    found = find_photographs(PhotographsSection(), BUNDLED)
    return [f"{found.root}/{name}" for name in sorted(found.train + found.validation)]


def _random_pairs(
    paths: list[str], config: Config, num_pairs: int, left_out: list[str] | None, image_shape: tuple[int, int]
) -> Iterable[ImagePair]:
    homography, photometric = config.evaluation.homography, config.photographs.photometric
    return random_homography_pairs(paths, image_shape, homography, photometric, config.seed, num_pairs, left_out)
