"""Pictures of places among distractors: warped views of photographs, or a folder that holds several of each place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from superpoint_tf.config import Config
from superpoint_tf.data.photographs.photograph_sets import list_photographs
from superpoint_tf.data.photographs.reading import PhotographError, cover_and_crop, read_photograph
from superpoint_tf.data.random_streams import RETRIEVAL_VIEWS, Purpose, Stream, first_word, stream_generator
from superpoint_tf.evaluation.pairs import View
from superpoint_tf.evaluation.sets.photographs import photograph_paths

PLACES, DISTRACTORS = "places", "distractors"  # sub-folders of a folder of own pictures
DEFAULT_NUM_PLACES = 60
VIEWS = 4  # of a place: one asks, the others are to be found
_LAYOUT = f"{PLACES}/<place>/*.jpg, two or more of each place, and perhaps {DISTRACTORS}/*.jpg"


@dataclass(frozen=True)
class Picture:
    """One picture of the set."""

    name: str
    place: str  # "": a distractor
    asks: bool  # it is a query
    stored: bool  # it is in the database
    path: str
    make: Callable[[np.ndarray], np.ndarray]  # from the file's picture, grey uint8, to what is searched

    def read(self) -> View:
        """Return the picture; raises PhotographError."""
        return View(self.name, self.make(read_photograph(self.path)))


def open_places(root: str, config: Config, image_shape: tuple[int, int], num: int | None) -> list[Picture]:
    """Return the pictures of a folder with a sub-folder `places`, or warped views of the photographs of any other.

    Raises ValueError or OSError naming the folder if there is nothing to find, or nothing to mistake it for.
    """
    own = (Path(root) / PLACES).is_dir()
    if own and num is not None:
        raise ValueError(f"--num {num}: {root} has {PLACES}/, all of which are asked for; leave it out")
    pictures = _own_places(root, image_shape) if own else _warped_places(root, config, image_shape, num)
    if not any(picture.asks for picture in pictures):
        raise ValueError(f"{root}: no place has two pictures; expected {_LAYOUT}")
    if len({picture.place or picture.name for picture in pictures}) < 2:
        raise ValueError(f"{root}: one place alone, and nothing to mistake it for; add places or {DISTRACTORS}/")
    return pictures


def _own_places(root: str, image_shape: tuple[int, int]) -> list[Picture]:
    """Every picture of a place that has several asks for the others."""

    def make(image: np.ndarray) -> np.ndarray:
        return shrink_to(image, max(image_shape))

    pictures = []
    for path in list_photographs(f"{root}/{PLACES}", remedy=f"expected {_LAYOUT}"):
        place = path.rpartition("/")[0]
        if not place:
            raise ValueError(f"{root}/{PLACES}/{path}: lies in no place's own folder; expected {_LAYOUT}")
        pictures.append(Picture(f"{PLACES}/{path}", place, True, True, f"{root}/{PLACES}/{path}", make))
    counts = {place: sum(p.place == place for p in pictures) for place in {p.place for p in pictures}}
    pictures = [p if counts[p.place] > 1 else Picture(p.name, p.place, False, True, p.path, make) for p in pictures]
    others = list_photographs(f"{root}/{DISTRACTORS}") if (Path(root) / DISTRACTORS).is_dir() else []
    names = [f"{DISTRACTORS}/{path}" for path in others]
    return pictures + [Picture(name, "", False, True, f"{root}/{name}", make) for name in names]


def _warped_places(root: str, config: Config, image_shape: tuple[int, int], num: int | None) -> list[Picture]:
    """Views 0 of `num` photographs ask for their views 1 to 3 among those and one view of each other photograph."""
    paths = photograph_paths(root)
    num = min(DEFAULT_NUM_PLACES, len(paths) // 2) if num is None else num
    if num >= len(paths) or num == 0:
        raise ValueError(
            f"{root}: {len(paths)} photographs give {num} places and {len(paths) - num} distractors; retrieval needs "
            "both: --num less, or more photographs"
        )
    order = stream_generator(Stream.RETRIEVAL_ORDER, config.seed, 0).permutation(len(paths))
    pictures = []
    for place, path in enumerate(paths[index] for index in order):
        views = VIEWS if place < num else 1
        for view in range(views):
            make = _warp(config, image_shape, VIEWS * place + view)
            name, asks = f"{place:05d}/{view}", views > 1 and view == 0
            pictures.append(Picture(name, f"{place:05d}" if views > 1 else "", asks, not asks, path, make))
    return pictures


def _warp(config: Config, image_shape: tuple[int, int], number: int) -> Callable[[np.ndarray], np.ndarray]:
    def make(image: np.ndarray) -> np.ndarray:
        return warped_view(cover_and_crop(image, image_shape)[0], config, number)

    return make


def warped_view(image: np.ndarray, config: Config, number: int) -> np.ndarray:
    """Return view `number` of a picture uint8 (H, W): photometrically changed, then warped by a random homography.

    A pure function of picture, seed and number, and of the config's `evaluation.homography` and
    `photographs.photometric`.
    """
    from superpoint_tf.data.photometric import photometric_change  # imgaug takes a second to import
    from superpoint_tf.geometry.homography import sample_homographies  # TensorFlow: only where something is warped
    from superpoint_tf.geometry.warp import warp_images

    number = RETRIEVAL_VIEWS.first + number
    changed = photometric_change(image, config.photographs.photometric, config.seed, number)
    seeds = np.array([[first_word(config.seed, Purpose.EVALUATION), number]], np.int64)
    homography = sample_homographies(seeds, (image.shape[0], image.shape[1]), config.evaluation.homography)
    warped = warp_images(changed[None, :, :, None].astype(np.float32), homography).numpy()[0, :, :, 0]
    rounded: np.ndarray = np.clip(np.rint(warped), 0, 255).astype(np.uint8)
    return rounded


def shrink_to(image: np.ndarray, longest_px: int) -> np.ndarray:
    """Return a picture whose longer side has at most so many pixels; smaller ones stay as they are."""
    longest = max(image.shape)
    if longest <= longest_px:
        return image
    height, width = (max(1, round(side * longest_px / longest)) for side in image.shape)
    return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))


def readable(pictures: Sequence[Picture], left_out: list[str]) -> Iterator[tuple[Picture, View]]:
    """Yield the pictures that can be read, with their pixels; name the others once each."""
    for picture in pictures:
        try:
            yield picture, picture.read()
        except PhotographError as error:
            if str(error) not in left_out:
                left_out.append(str(error))
