"""What can match a rectified pair, by name: classical costs, OpenCV's matchers, a blind control, weights of ours."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from superpoint_tf.evaluation.methods.controls import generator_of
from superpoint_tf.evaluation.methods.methods import NamedMethod, check_names, split_existing
from superpoint_tf.stereo.costs import CENSUS_SIDE, absolute_differences, box_mean, census, least_cost
from superpoint_tf.stereo.postprocessing import Disparities

if TYPE_CHECKING:
    from superpoint_tf.models.stereo_model import StereoModel

Match = Callable[[np.ndarray, np.ndarray, int], np.ndarray]
"""From two pictures uint8 (H, W) and a number of disparities to disparities float32 (H, W), NaN: no answer."""

BOX_SIDE = 9
LEAST_COST = ", least cost"  # ends the name of a network's row without post-processing
AGREED = ", agreed"  # and of that with answers where left and right agree alone, as OpenCV's matchers have them
_FIXED_POINT = 16.0  # OpenCV's disparities are sixteenths of a pixel
_OPENCV_STEP = 16  # its ranges are multiples of it


@dataclass(frozen=True)
class StereoMethod(NamedMethod):
    """One row of the tables."""

    match: Match


def absolute(left: np.ndarray, right: np.ndarray, num_disparities: int, side: int = 0) -> np.ndarray:
    """Match by the least absolute difference of grey levels, summed over boxes of `side` pixels or of single ones."""
    volume = absolute_differences(left, right, num_disparities)
    return least_cost(box_mean(volume, side) if side else volume)


def by_census(left: np.ndarray, right: np.ndarray, num_disparities: int, side: int = 0) -> np.ndarray:
    """Match by the census of 9x9 pixels, summed over boxes of `side` pixels or of single ones."""
    volume = census(left, right, num_disparities, CENSUS_SIDE)
    return least_cost(box_mean(volume, side) if side else volume)


def block_matching(left: np.ndarray, right: np.ndarray, num_disparities: int) -> np.ndarray:
    """Match by OpenCV's block matching, 15x15 pixels."""
    return _of_opencv(cv2.StereoBM.create(_rounded_up(num_disparities), 15), left, right)


def semiglobal_matching(left: np.ndarray, right: np.ndarray, num_disparities: int) -> np.ndarray:
    """Match by OpenCV's semi-global block matching: 5x5 pixels, penalties of its manual, uniqueness 10, speckles."""
    area = 5 * 5
    matcher = cv2.StereoSGBM.create(0, _rounded_up(num_disparities), 5, 8 * area, 32 * area, 1, 0, 10, 100, 2)
    return _of_opencv(matcher, left, right)


def random_disparities(left: np.ndarray, right: np.ndarray, num_disparities: int) -> np.ndarray:
    """Return random disparities, seeded by the left picture."""
    generator = generator_of(np.ascontiguousarray(left).tobytes())
    return generator.uniform(0.0, num_disparities, left.shape).astype(np.float32)


CLASSICAL: dict[str, Match] = {
    "AD": absolute,
    "AD, 9x9 means": functools.partial(absolute, side=BOX_SIDE),
    "census": by_census,
    "census, 9x9 means": functools.partial(by_census, side=BOX_SIDE),
    "BM": block_matching,
    "SGBM": semiglobal_matching,
}
CONTROLS: dict[str, Match] = {"random (control)": random_disparities}
GROUPS = {"classical": tuple(CLASSICAL), "controls": tuple(CONTROLS)}


def load_stereo_methods(names: Sequence[str]) -> list[StereoMethod]:
    """Return methods by what `--methods` names: `classical`, `controls`, one of either, WHAT or `ROW NAME=WHAT`.

    WHAT is weights of a stereo system (a file, run folder or checkpoint); they give three rows: with post-processing,
    its answers where left and right agree alone, and without it. Raises ValueError that names what cannot be used.
    """
    methods = [method for given in names for part in GROUPS.get(given, (given,)) for method in _load(part)]
    check_names(methods)
    return methods


def _load(given: str) -> list[StereoMethod]:
    built_in = CLASSICAL | CONTROLS
    if given in built_in:
        kind = "classical" if given in CLASSICAL else "control"
        return [StereoMethod(given, {"kind": kind, "opencv": cv2.__version__}, built_in[given])]
    return _network(*split_existing(given, [*GROUPS, *built_in], "weights of a stereo system"))


def _network(name: str, what: str) -> list[StereoMethod]:
    from superpoint_tf.models.stereo_model import StereoModel  # TensorFlow: only where asked for
    from superpoint_tf.networks.weights import load_weights

    model, weights = StereoModel.from_pretrained(what), load_weights(what)
    identity: dict[str, Any] = {
        "kind": "weights",
        "from": what,
        "system": model.system,
        "weights_sha256": weights.fingerprint(),
    }
    last = _LastPair(model)
    rows: dict[str, Match] = {
        "": lambda *pair: last.of(*pair)[1].disparity,
        AGREED: lambda *pair: last.of(*pair)[1].agreed,
        LEAST_COST: lambda *pair: last.of(*pair)[0],
    }
    return [StereoMethod(name + end, {**identity, "row": end.strip(", ")}, match) for end, match in rows.items()]


class _LastPair:
    """What a network said of the last pair, which its rows ask for one after the other."""

    def __init__(self, model: StereoModel) -> None:
        self._model = model
        self._asked: tuple[np.ndarray, np.ndarray, int] | None = None
        self._found: tuple[np.ndarray, Disparities] | None = None

    def of(self, left: np.ndarray, right: np.ndarray, num_disparities: int) -> tuple[np.ndarray, Disparities]:
        """Return the disparities of least cost, and those after post-processing."""
        asked, found = self._asked, self._found
        same = asked is not None and asked[0] is left and asked[1] is right and asked[2] == num_disparities
        if not same or found is None:
            volume = self._model.volume(left, right, num_disparities)
            found = least_cost(volume), self._model.postprocess(volume, left, right)
            self._asked, self._found = (left, right, num_disparities), found
        return found


def _of_opencv(matcher: Any, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    found = np.asarray(matcher.compute(left, right)).astype(np.float32) / _FIXED_POINT
    return np.where(found >= 0, found, np.float32(np.nan))


def _rounded_up(num_disparities: int) -> int:
    return -(-num_disparities // _OPENCV_STEP) * _OPENCV_STEP
