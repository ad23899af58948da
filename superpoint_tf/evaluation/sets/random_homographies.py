"""Pairs made of photographs: both views photometrically changed, the second warped by a random homography."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from superpoint_tf.config import Config, HomographyConfig, PhotometricConfig
from superpoint_tf.config.config_files import config_to_dict
from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.reading import PhotographError, cover_and_crop, read_photograph
from superpoint_tf.data.random_streams import EVALUATION_PAIRS, Purpose, Stream, first_word, stream_generator
from superpoint_tf.evaluation.pairs import Group, ImagePair, MakePairs, View
from superpoint_tf.evaluation.sets.photographs import photograph_paths

GROUPS = {"random": Group("random: photographs and their warps by random homographies")}


def open_random_homographies(root: str, config: Config, num_pairs: int, left_out: list[str]) -> tuple[MakePairs, int]:
    """Return a function that yields pairs at any (height, width), and their number.

    `num_pairs` of the photographs below `root` (`bundled`: of scikit-image's) are warped by the config's sampler and
    photometric ranges.
    """
    paths = photograph_paths(root)

    def make_pairs(image_shape: tuple[int, int]) -> Iterable[ImagePair]:
        homography, photometric = config.evaluation.homography, config.photographs.photometric
        settings = (homography, photometric, config.seed, num_pairs, left_out, config.photographs.stretch)
        return random_homography_pairs(paths, image_shape, *settings)

    return make_pairs, num_pairs


def sampling(config: Config) -> dict[str, Any]:
    """Return the settings by which pairs are made."""
    return {
        "homography": config_to_dict(config.evaluation.homography),
        "photometric": config_to_dict(config.photographs.photometric),
        **stretched(config),
    }


def stretched(config: Config) -> dict[str, Any]:
    """Return the window of grey levels that pictures are read through, where it is not all of them."""
    return {} if config.photographs.stretch == NO_STRETCH else {"stretch": config.photographs.stretch}


def random_homography_pairs(
    photographs: Sequence[str | Path],
    image_shape: tuple[int, int],
    homography: HomographyConfig,
    photometric: PhotometricConfig,
    seed: int,
    num_pairs: int,
    left_out: list[str] | None = None,
    stretch: str = NO_STRETCH,
) -> Iterator[ImagePair]:
    """Yield pairs made of one photograph each: both views photometrically changed, the second warped.

    Pair number n is a pure function of (photographs, settings, seed, n). Photographs come in an order shuffled by the
    seed and again, with other homographies, once all have been used. What cannot be read is named in `left_out`, or
    logged without it; `stretch` is that of `read_photograph`. Raises ValueError if there are no photographs.
    """
    from superpoint_tf.geometry.homography import sample_homographies  # TensorFlow: only where something is warped

    if not photographs:
        raise ValueError("no photographs to make pairs of; name a folder with at least one image")
    order = stream_generator(Stream.EVALUATION_ORDER, seed, 0).permutation(len(photographs))
    readable = endless_photographs([photographs[index] for index in order], image_shape, left_out, stretch)
    for number, (path, image) in zip(range(num_pairs), readable, strict=False):
        seeds = np.array([[first_word(seed, Purpose.EVALUATION), number]], np.int64)
        homography_0to1 = sample_homographies(seeds, image_shape, homography).numpy()[0]
        view0, view1 = photometric_views(image, photometric, seed, number)
        views = (View(f"{number:04d}/0", view0), View(f"{number:04d}/1", warp_grey(view1, homography_0to1)))
        name = f"{number:04d} {Path(path).name}"
        yield ImagePair(name, "random", *views, homography_0to1.astype(np.float64))


def endless_photographs(
    paths: Sequence[str | Path],
    image_shape: tuple[int, int],
    left_out: list[str] | None,
    stretch: str = NO_STRETCH,
) -> Iterator[tuple[str | Path, np.ndarray]]:
    """Go round the photographs for ever; those that cannot be read are left out and named once."""
    usable = list(paths)
    while usable:
        for path in tuple(usable):
            try:
                yield path, cover_and_crop(read_photograph(path, stretch), image_shape)[0]
            except PhotographError as error:
                usable.remove(path)
                if left_out is None:
                    logging.getLogger(__name__).warning("left out: %s", error)
                elif str(error) not in left_out:  # met once for each setting
                    left_out.append(str(error))
    raise ValueError(f"none of {len(paths)} photographs can be read, the first: {paths[0]}")


def photometric_views(
    image: np.ndarray, config: PhotometricConfig, seed: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return both photometric views of a grey uint8 image (H, W), as evaluation pair `number` has them."""
    from superpoint_tf.data.photometric import photometric_change  # imgaug takes a second to import

    return (
        photometric_change(image, config, seed, EVALUATION_PAIRS.first + number, view=0),
        photometric_change(image, config, seed, EVALUATION_PAIRS.first + number, view=1),
    )


def warp_grey(image: np.ndarray, homography: np.ndarray) -> np.ndarray:
    """Return a grey uint8 image (H, W) warped by a homography; black where nothing is."""
    from superpoint_tf.geometry.warp import warp_images

    warped = warp_images(image[None, :, :, None].astype(np.float32), homography[None]).numpy()[0, :, :, 0]
    rounded: np.ndarray = np.clip(np.rint(warped), 0, 255).astype(np.uint8)
    return rounded
