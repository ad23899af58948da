"""Pairs from folders in HPatches layout: image 1 with each other image, and i_ pairs a second time, shifted."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from superpoint_tf.config import Config
from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.orientation import read_orientation, stored_shape, stored_to_upright
from superpoint_tf.data.photographs.reading import cover_and_crop, decode_photograph, read_photograph_bytes
from superpoint_tf.evaluation.pairs import Group, ImagePair, MakePairs, Origin, View
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath

IMAGE_NAME = re.compile(r"(\d+)\.(png|ppm|pgm|jpg|jpeg)", re.IGNORECASE)
_LONGEST_HOMOGRAPHY = 4096  # characters; nine numbers are some hundred
SHIFT_MARGIN_PX = 16  # the frame of a shifted second image is this much larger in height and width ...
SHIFT_XY_PX = (3, -5)  # ... and the crop lies this far right and down of its centre
GROUPS = {  # in the order to read them
    "v": Group("v: the viewpoint changes"),
    "i shifted": Group("i shifted: the light changes, and the second image is cut a few pixels aside"),
    "i": Group(
        "i: the light changes, as the benchmark has it",
        warning="Most standard i_ pairs have the identity as homography, so a fixed grid, whose points never move, "
        "wins here. Judge on v and i shifted.",
    ),
}


@dataclass(frozen=True)
class HPatchesSequence:
    """One folder of an HPatches-like set: image 1 and the homographies from it to each other image, at full size."""

    name: str
    reference: AnyPath
    others: tuple[tuple[int, AnyPath, np.ndarray], ...]  # (number, image, homography_1tok)

    @property
    def group(self) -> str:
        """Return `v` or `i` by the folder's prefix; `other` for any other name."""
        return self.name[0] if self.name[:2] in ("v_", "i_") else "other"


def open_hpatches(root: str, config: Config, num_pairs: int, left_out: list[str]) -> tuple[MakePairs, int]:
    """Return a function that yields all pairs below `root` at any (height, width), and their number."""
    sequences = find_hpatches(root, left_out)
    count = sum(len(s.others) * (2 if s.group == "i" else 1) for s in sequences)
    return functools.partial(hpatches_pairs, sequences, stretch=config.photographs.stretch), count


def find_hpatches(root: str | AnyPath, left_out: list[str] | None = None) -> list[HPatchesSequence]:
    """List the sequences below `root`, by name: folders that hold 1.png (or .ppm, .jpg), 2.png ..., H_1_2 ...

    Other folders are named in `left_out`. Raises ValueError naming the folder or file for a missing root, no sequence,
    or a missing or unreadable homography.
    """
    root = storage.as_path(root)
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; expected sequences in HPatches layout (v_name/1.png, 2.png, H_1_2)")
    folders = [folder for folder in storage.matching(root) if folder.is_dir()]
    sequences = {folder.name: _read_sequence(folder) for folder in folders}
    found = [sequence for sequence in sequences.values() if sequence is not None]
    if left_out is not None:
        left_out += [f"{root / name}: no image 1 with another" for name, s in sequences.items() if s is None]
    if not found:
        raise ValueError(f"{root}: no sequences (looked for folders with 1.png, 1.ppm or 1.jpg, 2.png ..., H_1_2 ...)")
    return found


def hpatches_pairs(
    sequences: Sequence[HPatchesSequence],
    image_shape: tuple[int, int],
    shifted: bool = True,
    stretch: str = NO_STRETCH,
) -> Iterator[ImagePair]:
    """Yield image 1 with each other image of each sequence, covered and cropped to `image_shape`.

    With `shifted`, i_ pairs come a second time in the group `i shifted`, where standing still is little advantage: the
    second frame is a zoom by some 3 % off its centre, which leaves 8 % of the pixels within 3 px of where they were.
    """
    for sequence in sequences:
        reference = _read_benchmark_image(sequence.reference, stretch)
        image0, to_frame0 = cover_and_crop(reference, image_shape)
        view0 = _view(f"{sequence.name}/1", image0, sequence.reference, reference, to_frame0)
        for number, path, homography in sequence.others:
            original, name = _read_benchmark_image(path, stretch), f"{sequence.name}/{number}"
            frames = [(sequence.group, name, *cover_and_crop(original, image_shape))]
            if shifted and sequence.group == "i":
                frames.append(("i shifted", f"shifted/{name}", *_cover_and_crop_shifted(original, image_shape)))
            for group, frame_name, image1, to_frame1 in frames:
                homography_0to1 = _normalize(to_frame1 @ homography @ np.linalg.inv(to_frame0))
                view1 = _view(frame_name, image1, path, original, to_frame1)
                yield ImagePair(f"{sequence.name}/1-{number}", group, view0, view1, homography_0to1, sequence.name)


def _view(name: str, image: np.ndarray, path: AnyPath, original: np.ndarray, to_frame: np.ndarray) -> View:
    """Return a frame whose origin is in the pixels that the file stores, as features on disk are."""
    orientation = read_orientation(path.read_bytes())
    shape, upright = stored_shape(original.shape, orientation), stored_to_upright(original.shape, orientation)
    return View(name, image, Origin(f"{path.parent.name}/{path.name}", shape, to_frame @ upright))


def _cover_and_crop_shifted(image: np.ndarray, image_shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Cover a frame 16 px larger and crop off its centre; identity homographies become a small zoom and shift."""
    height, width = image_shape
    larger, matrix = cover_and_crop(image, (height + SHIFT_MARGIN_PX, width + SHIFT_MARGIN_PX))
    left, top = (SHIFT_MARGIN_PX // 2 + shift for shift in SHIFT_XY_PX)
    shift = np.array([[1, 0, -left], [0, 1, -top], [0, 0, 1]], np.float64)
    return np.ascontiguousarray(larger[top : top + height, left : left + width]), shift @ matrix


def _read_benchmark_image(path: AnyPath, stretch: str) -> np.ndarray:
    """Return an image as grey uint8 (H, W) with the very grey levels that published evaluations had.

    They read with OpenCV, whose grey of a PNG is up to one level darker than Pillow's; RANSAC turns that one level into
    four pairs of homography accuracy in 26. The photograph reader still judges whether the file is whole.
    """
    content = read_photograph_bytes(path)
    checked = decode_photograph(content, path, stretch)
    if stretch != NO_STRETCH:  # no published evaluation did
        return checked
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_GRAYSCALE)
    return checked if image is None or image.shape != checked.shape else image


def _read_sequence(folder: AnyPath) -> HPatchesSequence | None:
    images: dict[int, AnyPath] = {}
    for path in storage.matching(folder):
        match = IMAGE_NAME.fullmatch(path.name)
        if match:
            images.setdefault(int(match[1]), path)
    if 1 not in images or len(images) < 2:
        return None
    others = tuple(
        (number, images[number], _read_homography(folder / f"H_1_{number}")) for number in sorted(images) if number != 1
    )
    return HPatchesSequence(folder.name, images[1], others)


def _read_homography(path: AnyPath) -> np.ndarray:
    try:
        matrix = np.array(storage.read_beginning(path, _LONGEST_HOMOGRAPHY).split(), np.float64).reshape(3, 3)
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
