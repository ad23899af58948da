"""Validation of stereo networks in the training loop: the least cost of points of pairs that are held out."""

from __future__ import annotations

import cv2
import numpy as np
import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.batch import Batch
from superpoint_tf.data.photometric_graph import change_pending
from superpoint_tf.data.random_streams import EVALUATION_PAIRS, Stream, stream_generator
from superpoint_tf.data.stereo.stereo_source import StereoSource
from superpoint_tf.drawing.layout import side_by_side, stack
from superpoint_tf.models.stereo_costs import PairCosts
from superpoint_tf.stereo.coloured import colour_disparity
from superpoint_tf.systems import SYSTEMS, StereoSpec
from superpoint_tf.training.validation import Figures, Metrics

_NUM_PAIRS, _POINTS_A_PAIR = 16, 256


class StereoValidator:
    """How often the least of all costs is at the right disparity, without any post-processing."""

    key = "within_1px"

    def __init__(self, config: Config, source: StereoSource) -> None:
        spec = SYSTEMS[config.network.system].network
        assert isinstance(spec, StereoSpec)  # the config's rules say so
        self._config, self._spec, self._source = config, spec, source
        self._num_disparities = int(np.ceil(config.stereo.max_disparity_px)) + 1
        self._pairs: Batch = {}

    def validate(self, model: tf.keras.Model) -> tuple[Metrics, Figures]:
        """Return the shares of the points that both pictures show: within 1 px (`within_1px`), beyond 1 and 3 px."""
        if not self._pairs:
            first, source = EVALUATION_PAIRS.first, self._source
            drawn = source.render(source.payloads(range(first, first + _NUM_PAIRS)))
            tensors = {name: tf.constant(value) for name, value in drawn.items()}
            changed = change_pending(tensors, source.pending, source.key)
            self._pairs = {name: value.numpy() for name, value in changed.items()}
        costs = PairCosts(model, self._spec)
        errors = np.concatenate([self._errors(costs, row) for row in range(_NUM_PAIRS)])
        beyond = {f"bad_{limit}": float((errors > limit).mean()) if len(errors) else float("nan") for limit in (1, 3)}
        return {"within_1px": 1.0 - beyond["bad_1"], **beyond}, self._figures()

    def _errors(self, costs: PairCosts, row: int) -> np.ndarray:
        truth = self._pairs["disparity"][row]
        y, x = np.nonzero(np.isfinite(truth))
        generator = stream_generator(Stream.STEREO_CROP, self._config.seed, int(self._pairs["numbers"][row]), part=1)
        chosen = generator.permutation(len(x))[:_POINTS_A_PAIR]
        points = np.stack([x[chosen], y[chosen]], axis=1)
        left, right = (self._pairs[name][row].astype(np.float32) / 255.0 for name in ("images0", "images1"))
        found = costs.at_points(left, right, points, self._num_disparities).argmin(axis=1)
        return np.abs(found - truth[y[chosen], x[chosen]])

    def _figures(self) -> Figures:
        """Draw the first pairs with their disparities, in `num_figures` rows."""
        rows = []
        for row in range(min(self._config.stereo.num_figures, _NUM_PAIRS)):
            pictures = [cv2.cvtColor(self._pairs[name][row], cv2.COLOR_GRAY2BGR) for name in ("images0", "images1")]
            truth = colour_disparity(self._pairs["disparity"][row], self._config.stereo.max_disparity_px)
            rows.append(side_by_side([*pictures, truth]))
        return {"validation_pairs": stack(rows)} if rows else {}
