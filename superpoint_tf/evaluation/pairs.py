"""Pairs of images with a known homography: from folders in HPatches layout, or made from photographs."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from superpoint_tf.config import HomographyConfig, PhotometricConfig
from superpoint_tf.data.photographs.photographs import (
    PhotographError,
    cover_and_crop,
    decode_photograph,
    read_photograph,
    read_photograph_bytes,
)
from superpoint_tf.data.random_streams import EVALUATION_PAIRS, Purpose, Stream, first_word, stream_generator

IMAGE_NAME = re.compile(r"(\d+)\.(png|ppm|pgm|jpg|jpeg)", re.IGNORECASE)
_LONGEST_HOMOGRAPHY = 4096  # characters; nine numbers are some hundred
SHIFT_MARGIN_PX = 16  # the frame of a shifted second image is this much larger in height and width ...
SHIFT_XY_PX = (3, -5)  # ... and the crop lies this far right and down of its centre


@dataclass(frozen=True)
class Origin:
    """The file that a frame was cut from, and where its pixels went."""

    path: str  # below the data folder, with slashes
    image_shape: tuple[int, int]  # (height, width) of the whole picture
    to_frame: np.ndarray  # float64 (3, 3), from xy of the picture to xy of the frame


@dataclass(frozen=True)
class View:
    """One frame that extractors see: a grey uint8 image (H, W) under a name that no other frame of the set has."""

    name: str
    image: np.ndarray
    origin: Origin | None = None  # None: the frame was made, no file holds it


@dataclass(frozen=True)
class ImagePair:
    """Two views and the homography (3, 3) from pixels of view 0 to pixels of view 1."""

    name: str
    group: str  # rows of one group are averaged: v, i, i shifted, ...
    view0: View
    view1: View
    homography_0to1: np.ndarray
    sequence: str = ""

    @property
    def image0(self) -> np.ndarray:
        """Return the first image, grey uint8 (H, W)."""
        return self.view0.image

    @property
    def image1(self) -> np.ndarray:
        """Return the second image, grey uint8 (H, W)."""
        return self.view1.image


@dataclass(frozen=True)
class HPatchesSequence:
    """One folder of an HPatches-like set: image 1 and the homographies from it to each other image, at full size."""

    name: str
    reference: Path
    others: tuple[tuple[int, Path, np.ndarray], ...]  # (number, image, homography_1tok)

    @property
    def group(self) -> str:
        """Return `v` or `i` by the folder's prefix; `other` for any other name."""
        return self.name[0] if self.name[:2] in ("v_", "i_") else "other"


def find_hpatches(root: str | Path, left_out: list[str] | None = None) -> list[HPatchesSequence]:
    """List the sequences below `root`, by name: folders that hold 1.png (or .ppm, .jpg), 2.png ..., H_1_2 ...

    Other folders are named in `left_out`. Raises ValueError naming the folder or file for a missing root, no sequence,
    or a missing or unreadable homography.
    """
    root = Path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; expected sequences in HPatches layout (v_name/1.png, 2.png, H_1_2)")
    folders = [folder for folder in sorted(root.iterdir()) if folder.is_dir()]
    sequences = {folder.name: _read_sequence(folder) for folder in folders}
    found = [sequence for sequence in sequences.values() if sequence is not None]
    if left_out is not None:
        left_out += [f"{root / name}: no image 1 with another" for name, s in sequences.items() if s is None]
    if not found:
        raise ValueError(f"{root}: no sequences (looked for folders with 1.png, 1.ppm or 1.jpg, 2.png ..., H_1_2 ...)")
    return found


def hpatches_pairs(
    sequences: Sequence[HPatchesSequence], image_shape: tuple[int, int], shifted: bool = True
) -> Iterator[ImagePair]:
    """Yield image 1 with each other image of each sequence, covered and cropped to `image_shape`.

    With `shifted`, i_ pairs come a second time in the group `i shifted`, where standing still is little advantage: the
    second frame is a zoom by some 3 % off its centre, which leaves 8 % of the pixels within 3 px of where they were.
    """
    for sequence in sequences:
        reference = _read_benchmark_image(sequence.reference)
        image0, to_frame0 = cover_and_crop(reference, image_shape)
        view0 = _view(f"{sequence.name}/1", image0, sequence.reference, reference, to_frame0)
        for number, path, homography in sequence.others:
            original, name = _read_benchmark_image(path), f"{sequence.name}/{number}"
            frames = [(sequence.group, name, *cover_and_crop(original, image_shape))]
            if shifted and sequence.group == "i":
                frames.append(("i shifted", f"shifted/{name}", *_cover_and_crop_shifted(original, image_shape)))
            for group, frame_name, image1, to_frame1 in frames:
                homography_0to1 = _normalize(to_frame1 @ homography @ np.linalg.inv(to_frame0))
                view1 = _view(frame_name, image1, path, original, to_frame1)
                yield ImagePair(f"{sequence.name}/1-{number}", group, view0, view1, homography_0to1, sequence.name)


def _view(name: str, image: np.ndarray, path: Path, original: np.ndarray, to_frame: np.ndarray) -> View:
    shape = (original.shape[0], original.shape[1])
    return View(name, image, Origin(f"{path.parent.name}/{path.name}", shape, to_frame))


def random_homography_pairs(
    photographs: Sequence[str | Path],
    image_shape: tuple[int, int],
    homography: HomographyConfig,
    photometric: PhotometricConfig,
    seed: int,
    num_pairs: int,
    left_out: list[str] | None = None,
) -> Iterator[ImagePair]:
    """Yield pairs made of one photograph each: both views photometrically changed, the second warped.

    Pair number n is a pure function of (photographs, settings, seed, n). Photographs come in an order shuffled by the
    seed and again, with other homographies, once all have been used. What cannot be read is named in `left_out`, or
    logged without it. Raises ValueError if there are no photographs.
    """
    from superpoint_tf.geometry.homography import sample_homographies  # TensorFlow: only where something is warped

    if not photographs:
        raise ValueError("no photographs to make pairs of; name a folder with at least one image")
    order = stream_generator(Stream.EVALUATION_ORDER, seed, 0).permutation(len(photographs))
    readable = _endless_photographs([photographs[index] for index in order], image_shape, left_out)
    for number, (path, image) in zip(range(num_pairs), readable, strict=False):
        seeds = np.array([[first_word(seed, Purpose.EVALUATION), number]], np.int64)
        homography_0to1 = sample_homographies(seeds, image_shape, homography).numpy()[0]
        view0, view1 = _photometric_views(image, photometric, seed, number)
        views = (View(f"{number:04d}/0", view0), View(f"{number:04d}/1", _warp(view1, homography_0to1)))
        name = f"{number:04d} {Path(path).name}"
        yield ImagePair(name, "random", *views, homography_0to1.astype(np.float64))


def _endless_photographs(
    paths: Sequence[str | Path], image_shape: tuple[int, int], left_out: list[str] | None
) -> Iterator[tuple[str | Path, np.ndarray]]:
    """Go round the photographs for ever; those that cannot be read are left out and named once."""
    usable = list(paths)
    while usable:
        for path in tuple(usable):
            try:
                yield path, cover_and_crop(read_photograph(path), image_shape)[0]
            except PhotographError as error:
                usable.remove(path)
                if left_out is None:
                    logging.getLogger(__name__).warning("left out: %s", error)
                elif str(error) not in left_out:  # met once for each setting
                    left_out.append(str(error))
    raise ValueError(f"none of {len(paths)} photographs can be read, the first: {paths[0]}")


def _photometric_views(
    image: np.ndarray, config: PhotometricConfig, seed: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    from superpoint_tf.data.photometric import photometric_change  # imgaug takes a second to import

    return (
        photometric_change(image, config, seed, EVALUATION_PAIRS.first + number, view=0),
        photometric_change(image, config, seed, EVALUATION_PAIRS.first + number, view=1),
    )


def _warp(image: np.ndarray, homography: np.ndarray) -> np.ndarray:
    from superpoint_tf.geometry.warp import warp_images

    warped = warp_images(image[None, :, :, None].astype(np.float32), homography[None]).numpy()[0, :, :, 0]
    rounded: np.ndarray = np.clip(np.rint(warped), 0, 255).astype(np.uint8)
    return rounded


def _cover_and_crop_shifted(image: np.ndarray, image_shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cover a frame 16 px larger and crop off its centre; identity homographies become a small zoom and shift."""
    height, width = image_shape
    larger, matrix = cover_and_crop(image, (height + SHIFT_MARGIN_PX, width + SHIFT_MARGIN_PX))
    left, top = (SHIFT_MARGIN_PX // 2 + shift for shift in SHIFT_XY_PX)
    shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float64)
    return np.ascontiguousarray(larger[top : top + height, left : left + width]), shift @ matrix


def _read_benchmark_image(path: Path) -> np.ndarray:
    """Return an image as grey uint8 (H, W) with the very grey levels that published evaluations had.

    They read with OpenCV, whose grey of a PNG is up to one level darker than Pillow's; RANSAC turns that one level into
    four pairs of homography accuracy in 26. The photograph reader still judges whether the file is whole.
    """
    content = read_photograph_bytes(path)
    checked = decode_photograph(content, path)
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    return checked if image is None or image.shape != checked.shape else image


def _read_sequence(folder: Path) -> HPatchesSequence | None:
    images: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        match = IMAGE_NAME.fullmatch(path.name)
        if match:
            images.setdefault(int(match[1]), path)
    if 1 not in images or len(images) < 2:
        return None
    others = tuple(
        (number, images[number], _read_homography(folder / f"H_1_{number}")) for number in sorted(images) if number != 1
    )
    return HPatchesSequence(folder.name, images[1], others)


def _read_homography(path: Path) -> np.ndarray:
    try:
        with path.open(encoding="utf-8") as file:
            matrix = np.array(file.read(_LONGEST_HOMOGRAPHY).split(), np.float64).reshape(3, 3)
    except FileNotFoundError as error:
        raise ValueError(f"{path}: missing; it must hold the 3x3 homography from image 1") from error
    except (OSError, ValueError) as error:
        raise ValueError(
            f"{path}: expected nine numbers, the 3x3 homography from image 1 ({str(error)[:100]})"
        ) from error
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        matrix = matrix / matrix[2, 2]  # the layout's convention: H[2, 2] is 1
        determinant = abs(np.linalg.det(matrix))
    if not (np.isfinite(matrix).all() and 1e-12 <= determinant < np.inf):  # NaN is in no range
        raise ValueError(f"{path}: the matrix cannot be inverted; expected the homography from image 1")
    return matrix


def _normalize(homography: np.ndarray) -> np.ndarray:
    return homography / abs(homography[2, 2])  # by a positive number: w keeps its sign, points stay behind the camera
