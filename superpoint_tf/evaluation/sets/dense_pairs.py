"""Pairs with points whose partners are known: by a homography, by planes of a scene, and in another appearance."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np

from superpoint_tf.config import Config
from superpoint_tf.data.appearance import change_appearance
from superpoint_tf.data.planes import corresponding_points, planes_pair
from superpoint_tf.data.random_streams import EVALUATION_PAIRS, Purpose, Stream, first_word, stream_generator
from superpoint_tf.evaluation.pairs import ImagePair
from superpoint_tf.evaluation.sets.hpatches import open_hpatches
from superpoint_tf.evaluation.sets.photographs import photograph_paths
from superpoint_tf.evaluation.sets.random_homographies import endless_photographs, photometric_views, warp_grey
from superpoint_tf.geometry.numpy_reference import warp_points_numpy
from superpoint_tf.runtime import storage

DEFAULT_NUM = 40  # photographs
NUM_POINTS = 1000  # a pair (Choy et al. 2016, section 5.1)
_ATTEMPTS = 8  # points drawn for each that is wanted: less may be seen in both views


class DensePair(NamedTuple):
    """Two grey pictures uint8 (H, W), and points xy float64 (N, 2) of the first with their places in the second."""

    name: str
    group: str
    image0: np.ndarray
    image1: np.ndarray
    points0: np.ndarray
    points1: np.ndarray


def open_dense_pairs(
    root: str, config: Config, image_shape: tuple[int, int], num: int, left_out: list[str]
) -> tuple[Iterator[DensePair], int]:
    """Return the pairs of a folder in HPatches' layout, or of photographs `num` of each of GROUPS, and their number.

    Raises ValueError or OSError naming the folder.
    """
    if not is_hpatches(root):
        paths = photograph_paths(root)
        return photograph_pairs(paths, config, image_shape, num, left_out), num * len(GROUPS)
    make_pairs, count = open_hpatches(root, config, num, left_out)
    return _with_points(make_pairs(image_shape), config, image_shape), count


def is_hpatches(root: str) -> bool:
    """Tell whether a folder holds sequences with homographies."""
    return any(storage.as_path(root).glob("*/H_1_2"))


def _with_points(pairs: Iterable[ImagePair], config: Config, image_shape: tuple[int, int]) -> Iterator[DensePair]:
    for number, pair in enumerate(pairs):
        points = homography_points(pair.homography_0to1, image_shape, config.seed, number)
        yield DensePair(pair.name, pair.group, pair.image0, pair.image1, *points)


def photograph_pairs(
    paths: list[str], config: Config, image_shape: tuple[int, int], num: int, left_out: list[str]
) -> Iterator[DensePair]:
    """Yield `num` photographs three times: under a homography, as planes, and as the first in another appearance."""
    order = stream_generator(Stream.EVALUATION_ORDER, config.seed, 0).permutation(len(paths))
    readable = endless_photographs([paths[index] for index in order], image_shape, left_out, config.photographs.stretch)
    for number, (path, image) in zip(range(num), readable, strict=False):
        for group, make in GROUPS.items():
            yield DensePair(f"{number:04d} {path}", group, *make(image, config, number))


Views = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def _under_homography(image: np.ndarray, config: Config, number: int) -> Views:
    view0, view1 = photometric_views(image, config.photographs.photometric, config.seed, number)
    return _warped(view0, view1, config, number)


def _in_other_appearance(image: np.ndarray, config: Config, number: int) -> Views:
    return _warped(image, change_appearance(image, config.seed, EVALUATION_PAIRS.first + number), config, number)


def _warped(view0: np.ndarray, view1: np.ndarray, config: Config, number: int) -> Views:
    from superpoint_tf.geometry.homography import sample_homographies  # TensorFlow: only where something is warped

    shape = (view0.shape[0], view0.shape[1])
    seeds = np.array([[first_word(config.seed, Purpose.EVALUATION), number]], np.int64)
    homography = sample_homographies(seeds, shape, config.evaluation.homography).numpy()[0].astype(np.float64)
    return view0, warp_grey(view1, homography), *homography_points(homography, shape, config.seed, number)


def _of_planes(image: np.ndarray, config: Config, number: int) -> Views:
    view0, view1 = photometric_views(image, config.photographs.photometric, config.seed, number)
    own = EVALUATION_PAIRS.first + number
    pair = planes_pair(image, config.evaluation.planes, config.seed, own, view1)
    points = corresponding_points(pair, NUM_POINTS, config.seed, own)
    shown = np.isfinite(points[0][:, 0])
    return view0, pair.image1, points[0][shown].astype(np.float64), points[1][shown].astype(np.float64)


GROUPS: dict[str, Callable[[np.ndarray, Config, int], Views]] = {
    "homographies": _under_homography,
    "planes": _of_planes,
    "cross-appearance": _in_other_appearance,
}


def homography_points(
    homography_0to1: np.ndarray, image_shape: tuple[int, int], key: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return up to NUM_POINTS points of view 0 that view 1 shows, at random between pixels, and their places there."""
    height, width = image_shape
    last = np.array([width - 1, height - 1], np.float64)
    rng = stream_generator(Stream.DENSE_POINTS, key, EVALUATION_PAIRS.first + number)
    points0 = rng.uniform(0.0, 1.0, (_ATTEMPTS * NUM_POINTS, 2)) * last
    points1 = warp_points_numpy(points0, homography_0to1)
    with np.errstate(invalid="ignore"):
        shown = np.flatnonzero(((points1 >= 0) & (points1 <= last)).all(axis=1))[:NUM_POINTS]
    return points0[shown], points1[shown]
