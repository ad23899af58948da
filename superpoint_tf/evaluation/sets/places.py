"""Pictures of places among distractors: warped views of photographs, or a folder that holds several of each place."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from superpoint_tf.config import Config
from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.photograph_sets import list_photographs
from superpoint_tf.data.photographs.reading import PhotographError, cover_and_crop, read_photograph
from superpoint_tf.data.random_streams import RETRIEVAL_VIEWS, Purpose, Stream, first_word, stream_generator
from superpoint_tf.evaluation.pairs import View
from superpoint_tf.evaluation.sets.photographs import photograph_paths
from superpoint_tf.runtime import storage

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
    stretch: str = NO_STRETCH

    def read(self) -> View:
        """Return the picture; raises PhotographError."""
        return View(self.name, self.make(read_photograph(self.path, self.stretch)))


def open_places(root: str, config: Config, image_shape: tuple[int, int], num: int | None) -> list[Picture]:
    """Return the pictures of a folder with a sub-folder `places`, or warped views of the photographs of any other.

    Raises ValueError or OSError naming the folder if there is nothing to find, or nothing to mistake it for.
    """
    own = (storage.as_path(root) / PLACES).is_dir()
    if own and num is not None:
        raise ValueError(f"--num {num}: {root} has {PLACES}/, all of which are asked for; leave it out")
    pictures = _own_places(root, image_shape) if own else _warped_places(root, config, image_shape, num)
    if not any(picture.asks for picture in pictures):
        raise ValueError(f"{root}: no place has two pictures; expected {_LAYOUT}")
    if len({picture.place or picture.name for picture in pictures}) < 2:
        raise ValueError(f"{root}: one place alone, and nothing to mistake it for; add places or {DISTRACTORS}/")
    return [replace(picture, stretch=config.photographs.stretch) for picture in pictures]


def _own_places(root: str, image_shape: tuple[int, int]) -> list[Picture]:
    """Every picture of a place that has several asks for the others."""

    def make(image: np.ndarray) -> np.ndarray:
        return shrink_to(image, max(image_shape))

    pictures = []
    folder = storage.join(root, PLACES)
    for path in list_photographs(folder, remedy=f"expected {_LAYOUT}"):
        place = path.rpartition("/")[0]
        if not place:
            raise ValueError(f"{folder}/{path}: lies in no place's own folder; expected {_LAYOUT}")
        pictures.append(Picture(f"{PLACES}/{path}", place, True, True, f"{folder}/{path}", make))
    counts = {place: sum(p.place == place for p in pictures) for place in {p.place for p in pictures}}
    pictures = [p if counts[p.place] > 1 else Picture(p.name, p.place, False, True, p.path, make) for p in pictures]
    distractors = storage.as_path(root) / DISTRACTORS
    others = list_photographs(distractors) if distractors.is_dir() else []
    names = [f"{DISTRACTORS}/{path}" for path in others]
    return pictures + [Picture(name, "", False, True, storage.join(root, name), make) for name in names]


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
    views = [(place, view) for place in range(len(paths)) for view in range(VIEWS if place < num else 1)]
    numbers = [RETRIEVAL_VIEWS.first + VIEWS * place + view for place, view in views]
    homographies = _homographies(config, image_shape, numbers)
    pictures = []
    for (place, view), number, homography in zip(views, numbers, homographies, strict=True):
        make = functools.partial(warped_view, image_shape=image_shape, config=config, number=number, warp=homography)
        name, asks = f"{place:05d}/{view}", place < num and view == 0
        path = paths[order[place]]
        pictures.append(Picture(name, f"{place:05d}" if place < num else "", asks, not asks, path, make))
    return pictures


def _homographies(config: Config, image_shape: tuple[int, int], numbers: Sequence[int]) -> np.ndarray:
    from superpoint_tf.geometry.homography import sample_homographies  # TensorFlow: only where something is warped

    seeds = np.array([[first_word(config.seed, Purpose.EVALUATION), number] for number in numbers], np.int64)
    homographies: np.ndarray = sample_homographies(seeds, image_shape, config.evaluation.homography).numpy()
    return homographies


def warped_view(
    image: np.ndarray, image_shape: tuple[int, int], config: Config, number: int, warp: np.ndarray
) -> np.ndarray:
    """Return one view of a picture uint8 (H, W): cut to a frame, photometrically changed, then warped, black beyond.

    `number` decides the photometric change, by the ranges of `photographs.photometric`.
    """
    from superpoint_tf.data.photometric import photometric_change  # imgaug takes a second to import

    frame = cover_and_crop(image, image_shape)[0]
    changed = photometric_change(frame, config.photographs.photometric, config.seed, number)
    return np.asarray(cv2.warpPerspective(changed, warp.astype(np.float64), image_shape[::-1], flags=cv2.INTER_LINEAR))


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
