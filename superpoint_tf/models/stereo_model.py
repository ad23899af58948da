"""A stereo network as people use it: a rectified pair of pictures in, disparities out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.models.images import prepare_image
from superpoint_tf.models.stereo_costs import PairCosts
from superpoint_tf.networks.stereo_network import standardise_pictures
from superpoint_tf.networks.weights import load_network, title_of
from superpoint_tf.stereo.costs import DEFAULT_DISPARITIES, least_cost
from superpoint_tf.stereo.postprocessing import Disparities, PostProcessing, postprocess
from superpoint_tf.stereo.semiglobal import Penalties
from superpoint_tf.systems import COSTS, SYSTEMS, StereoSpec

_MOST_DISPARITIES = 2**12
_MOST_ROWS, _CHECKED_SIDE = 4, 16  # by which a pair may be off and it shows; rows and columns of the points that tell
# Chosen on pairs drawn from held-out photographs, costs in [0, 1]: (1 - dot product) / 2, and a probability.
_BY_DOT = PostProcessing(Penalties(small=0.15, large=2.5))
_BY_HEAD = PostProcessing(Penalties(small=0.4, large=3.0))


class StereoModel:
    """A trained stereo network (MC-CNN): `disparity` is what most need, `volume` are the costs themselves."""

    def __init__(self, network: tf.keras.Model, system: str, name: str = "") -> None:
        """Wrap a network of a system; `name` is that of its weights, for `repr`. Raises ValueError for another kind."""
        spec = SYSTEMS[system].network
        if not isinstance(spec, StereoSpec):
            raise ValueError(f"{system} matches no stereo pairs; use a system that gives {COSTS}, such as mc-cnn-fast")
        self.network, self.system, self._name = network, system, name
        self.settings = _BY_HEAD if spec.head else _BY_DOT
        self._costs = PairCosts(network, spec)

    @classmethod
    def from_pretrained(cls, path: str | Path) -> StereoModel:
        """Load a weights file, a run folder, a checkpoint, or weights that come with the package by their name.

        Raises WeightsError naming the path if nothing is there, or if it is of another kind of network.
        """
        network, weights = load_network(path, gives=COSTS)
        return cls(network, weights.network.system, str(path))

    def __repr__(self) -> str:
        return f"StereoModel({title_of(self._name, self.system)}, {self.network.count_params():,} weights)"

    def disparity(
        self, left: Any, right: Any, num_disparities: int = DEFAULT_DISPARITIES, post_processing: bool = True
    ) -> np.ndarray:
        """Return the disparity of each pixel of the left picture, float32 (H, W): it lies at x - d in the right one.

        Pictures are what `SuperPoint.extract` takes, of one size and rectified: corresponding points share their row.
        Disparities 0 to `num_disparities` - 1 are looked at. Without `post_processing` that of the least cost is
        returned, a whole number. Raises ValueError for other pictures, differing sizes or an odd range.
        """
        if not post_processing:
            return least_cost(self.volume(left, right, num_disparities))
        return self.match(left, right, num_disparities).disparity

    def match(self, left: Any, right: Any, num_disparities: int = DEFAULT_DISPARITIES) -> Disparities:
        """Do `disparity`, and return what the left-right check said of each pixel too."""
        volume = self.volume(left, right, num_disparities)
        return self.postprocess(volume, left, right)

    def postprocess(self, volume: np.ndarray, left: Any, right: Any) -> Disparities:
        """Return the disparities of costs (D, H, W) that `volume` gave for these pictures."""
        standard = (standardise_pictures(prepare_image(picture)[tf.newaxis]).numpy() for picture in (left, right))
        first, second = (picture[0, ..., 0] for picture in standard)
        return postprocess(volume, first, second, self.settings)

    def rows_apart(self, left: Any, right: Any, num_disparities: int = DEFAULT_DISPARITIES) -> int:
        """Return how many rows lower than the left picture the right one fits best, -4 to 4: 0 of a rectified pair."""
        described = self._costs.describe(*self._pair(left, right))
        height, width = described[0].shape[:2]
        sides = (np.linspace(0, side - 1, min(side, _CHECKED_SIDE)).round().astype(int) for side in (width, height))
        points = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
        offsets = sorted(range(-_MOST_ROWS, _MOST_ROWS + 1), key=abs)
        costs = [self._costs.of_described(*described, points, num_disparities, down=rows) for rows in offsets]
        return offsets[int(np.argmin([each.min(axis=1).mean() for each in costs]))]

    def volume(self, left: Any, right: Any, num_disparities: int = DEFAULT_DISPARITIES) -> np.ndarray:
        """Return the costs of all disparities in [0, 1], float32 (D, H, W); see `disparity` for what it takes."""
        if not 1 <= num_disparities <= _MOST_DISPARITIES:
            raise ValueError(f"{num_disparities} disparities; give 1 to {_MOST_DISPARITIES}")
        return self._costs.volume(*self._pair(left, right), num_disparities)

    def _pair(self, left: Any, right: Any) -> tuple[np.ndarray, np.ndarray]:
        first, second = (prepare_image(picture).numpy()[..., 0] for picture in (left, right))
        if first.shape != second.shape:
            sizes = ", right ".join(f"{shape[1]}x{shape[0]}" for shape in (first.shape, second.shape))
            raise ValueError(f"left has {sizes} pixels: give the two pictures of one rectified pair, of one size")
        return first, second
