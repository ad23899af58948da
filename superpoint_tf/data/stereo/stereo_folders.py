"""Rectified pairs with ground truth in a folder: the layouts of Middlebury (2001, 2003, 2014) and of KITTI."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.reading import PhotographError, read_photograph
from superpoint_tf.data.stereo.disparity_files import PNG_SCALE, read_disparity_png, read_pfm
from superpoint_tf.data.stereo.stereo_pair import StereoPair
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath

LAYOUTS = """\
<name>/im2.png, im6.png, disp2.png (Middlebury 2001 and 2003), <name>/im0.png, im1.png, disp0.pfm (2014), or
image_2/*_10.png, image_3/, disp_noc_0/, disp_occ_0/ (KITTI; image_0, image_1, disp_noc, disp_occ too)"""
# The scale of `disp2.png` by the name of the scene, or beside it in `scale.txt`; Middlebury 2001 has 8, 2003 has 4.
_SCALES = {"teddy": 4.0, "cones": 4.0, "tsukuba": 16.0}
_OTHER_SCALE = 8.0
_SCALE_FILE = "scale.txt"
_LONGEST_TEXT = 4096
_MOST_DISPARITIES = 2**12
_SLACK_PX = 1.0  # left and right disparities of a point that both pictures show differ by no more
_KITTI = (("image_2", "image_3", "_0"), ("image_0", "image_1", ""), ("colored_0", "colored_1", ""))


class PairFiles(NamedTuple):
    """Where a pair lies, and how its disparities are read."""

    name: str
    left: AnyPath
    right: AnyPath
    truth: AnyPath
    scale: float  # of grey levels; 0: a PFM
    other: AnyPath | None = (
        None  # what tells hidden points: the right picture's disparities, or those of visible points
    )
    kitti: bool = False
    stretch: str = NO_STRETCH  # of the grey levels of both pictures

    def read(self) -> StereoPair:
        """Read the pair; raises PhotographError naming the file, also if sizes differ."""
        left, right = (read_photograph(path, self.stretch) for path in (self.left, self.right))
        disparity = self._disparity(self.truth)
        for path, picture in ((self.right, right), (self.truth, disparity)):
            _check_shape(path, picture, left)
        return StereoPair(left, right, disparity, self._occluded(disparity))

    def stated_disparities(self) -> int:
        """Return how many disparities the calibration of Middlebury 2014 says there are, 0 where none says so."""
        path = self.left.parent / "calib.txt"
        if self.kitti or not path.is_file():
            return 0
        lines = dict(
            line.partition("=")[::2]
            for line in storage.read_beginning(path, _LONGEST_TEXT, errors="replace").splitlines()
        )
        if "ndisp" not in lines:
            return 0
        stated = lines["ndisp"].strip()
        if not (stated.isascii() and stated.isdigit() and 0 < int(stated[:6]) <= _MOST_DISPARITIES):
            raise ValueError(f"{path}: `ndisp` is {stated[:20]!r}; expected a whole number up to {_MOST_DISPARITIES}")
        return int(stated[:6])

    def _disparity(self, path: AnyPath) -> np.ndarray:
        return read_disparity_png(path, self.scale) if self.scale else read_pfm(path)

    def _occluded(self, disparity: np.ndarray) -> np.ndarray | None:
        if self.other is None:
            return None
        other = self._disparity(self.other)
        _check_shape(self.other, other, disparity)
        if self.kitti:  # it holds the points that both pictures show
            return np.isfinite(disparity) & ~np.isfinite(other)
        return hidden_by(disparity, other)


def hidden_by(disparity: np.ndarray, right_disparity: np.ndarray) -> np.ndarray:
    """Tell which left points (H, W) are not shown by the right picture, of its disparities: bool.

    Hidden is what lies beyond its frame, or where it says something else by more than a pixel.
    """
    rows = np.arange(len(disparity))[:, np.newaxis]
    column = np.arange(disparity.shape[1]) - np.nan_to_num(disparity, nan=0.0)
    column = np.floor(column + 0.5).astype(int)
    inside = (column >= 0) & (column < disparity.shape[1])
    there = right_disparity[rows, np.clip(column, 0, disparity.shape[1] - 1)]
    with np.errstate(invalid="ignore"):
        differs = ~(np.abs(there - disparity) <= _SLACK_PX)
    return np.isfinite(disparity) & (~inside | differs)


def find_pairs(folder: str | AnyPath, stretch: str = NO_STRETCH) -> list[PairFiles]:
    """Return the pairs at or below a folder, sorted by name, whichever layout it has; raises ValueError for none.

    `stretch` is that of `read_photograph`.
    """
    folder = storage.as_path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; name one with stereo pairs: {LAYOUTS}")
    scenes = [folder, *(path for path in storage.matching(folder) if path.is_dir())]
    finders: Sequence[Callable[[AnyPath], list[PairFiles]]] = (_middlebury, _kitti)
    found = [pair for scene in scenes for find in finders for pair in find(scene)]
    if not found:
        raise ValueError(f"{folder}: no stereo pair with its disparities there; expected {LAYOUTS}")
    return [pair._replace(stretch=stretch) for pair in found]


def _middlebury(scene: AnyPath) -> list[PairFiles]:
    left, right, truth = (scene / name for name in ("im2.png", "im6.png", "disp2.png"))
    if truth.is_file():
        _check_there(left, right)
        other = scene / "disp6.png"
        return [PairFiles(scene.name, left, right, truth, _scale(scene), other if other.is_file() else None)]
    left, right, truth = (scene / name for name in ("im0.png", "im1.png", "disp0.pfm"))
    if truth.is_file():
        _check_there(left, right)
        other = scene / "disp1.pfm"
        return [PairFiles(scene.name, left, right, truth, 0.0, other if other.is_file() else None)]
    return []


def _scale(scene: AnyPath) -> float:
    path = scene / _SCALE_FILE
    if not path.is_file():
        return _SCALES.get(scene.name.lower(), _OTHER_SCALE)
    try:
        scale = float(storage.read_beginning(path, 64))
        if not 0 < scale < 1e6:
            raise ValueError
    except ValueError:
        raise ValueError(f"{path}: expected one number, grey levels a pixel of disparity, such as 4") from None
    return scale


def _kitti(scene: AnyPath) -> list[PairFiles]:
    pairs = []
    for first, second, suffix in _KITTI:
        everywhere, visible = scene / f"disp_occ{suffix}", scene / f"disp_noc{suffix}"
        if not (scene / first).is_dir() or not (everywhere.is_dir() or visible.is_dir()):
            continue
        folder = everywhere if everywhere.is_dir() else visible
        for truth in storage.matching(folder, "*.png"):
            left, right = scene / first / truth.name, scene / second / truth.name
            _check_there(left, right)
            noc = visible / truth.name
            other = noc if noc.is_file() and folder != visible else None
            pairs.append(PairFiles(truth.stem, left, right, truth, PNG_SCALE, other, kitti=True))
        break
    return pairs


def _check_there(*paths: AnyPath) -> None:
    for path in paths:
        if not path.is_file():
            raise ValueError(f"{path}: missing, though its disparities are there; expected {LAYOUTS}")


def _check_shape(path: AnyPath, picture: np.ndarray, left: np.ndarray) -> None:
    if picture.shape != left.shape:
        sizes = " and ".join(f"{shape[1]}x{shape[0]}" for shape in (picture.shape, left.shape))
        raise PhotographError(path, f"{sizes} pixels; both pictures of a pair and its disparities have one size")
