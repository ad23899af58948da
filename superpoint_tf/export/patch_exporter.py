"""Exports of a network that describes patches: any number of them in, a vector of each out."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from superpoint_tf.data.photographs.dog_keypoints import dog_keypoints
from superpoint_tf.export.calibration import Photographs
from superpoint_tf.export.comparison import VectorDifference, compare_vectors
from superpoint_tf.export.exporter import AnyExporter, Exported
from superpoint_tf.export.form import Form
from superpoint_tf.export.graph import PatchGraph, Run
from superpoint_tf.export.repeatability import Row
from superpoint_tf.export.request import TABLE_SHAPE, Request
from superpoint_tf.export.usage import usage
from superpoint_tf.features import Features
from superpoint_tf.models.patch_model import load_patch_model
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.runtime.progress import Console, watched
from superpoint_tf.systems import MAPS, SCORES, SYSTEMS

_PATCHES_A_PHOTOGRAPH = 64  # about the strongest keypoints of differences of Gaussians


def sees_patches(weights: str) -> bool:
    """Tell whether weights are of a patch system; raises WeightsError naming the path."""
    return SYSTEMS[load_weights(weights).network.system].gives != MAPS


class PatchExporter(AnyExporter):
    """Weights of a patch system, and the patches of photographs that its exports are compared on."""

    def __init__(self, weights: str, photographs: Photographs, console: Console) -> None:
        """Load weights; raises WeightsError naming the path, ValueError for a system that gives scores of pairs."""
        self.model, loaded = load_patch_model(weights)
        if self.model.gives == SCORES:
            raise ValueError(f"{weights}: {self.model.system} scores pairs of patches; only vectors are exported")
        super().__init__(weights, loaded, photographs, console)
        self.form = Form((self.model.side_px, self.model.side_px), patches=True)

    def graph(self, form: Form) -> PatchGraph:
        """Return the network with its vectors alone."""
        return PatchGraph(self.model.network, form)

    def first_input(self, form: Form) -> np.ndarray:
        """Return the patches of the first photograph, float32 (N, S, S, 1); raises ValueError if there are none."""
        for patches in self._patches(self.photographs):
            return patches
        reasons = "; ".join(self.photographs.left_out[:3])
        raise ValueError(f"no photograph has a keypoint to cut a patch about{reasons and ': '}{reasons}; pass --images")

    def tensorflow_call(self, form: Form, given: np.ndarray) -> Callable[[], object]:
        """Return the network's call in TensorFlow."""
        graph, patches = self.graph(form), tf.constant(given)
        return lambda: graph.run(patches)["vectors"].numpy()

    def report(self, exported: Exported) -> None:
        """Say how large and fast the file is, and how it is loaded."""
        count = len(self.first_input(exported.request.form))
        what = "{} patches of {}x{}".format(count, *self.form.image_shape or ())
        self._report(exported, what, usage(str(exported.path), exported.request, True))

    def _calibration(self, request: Request) -> list[np.ndarray]:
        return list(self._patches(self.photographs.for_calibration)) or [self.first_input(request.form)]

    def _compare(self, request: Request, run: Run) -> VectorDifference:
        judged = self.photographs.for_judging if request.precision == "int8" else self.photographs
        found = watched(self._patches(judged), len(judged.paths), "check", "photographs", self._console)
        batches = list(found) or [self.first_input(request.form)]
        expected = np.concatenate([self.model.describe_patches(patches) for patches in batches])
        theirs = np.concatenate([np.asarray(run(patches)["vectors"]) for patches in batches])
        return compare_vectors(expected, theirs, self.model.binary)

    def _measure(self, request: Request, run: Run, measured: bool) -> list[Row]:
        return []  # repeatability is of detectors

    def _patches(self, photographs: Photographs) -> Iterator[np.ndarray]:
        """Yield the patches of each photograph that has any."""
        for frame in photographs.frames(TABLE_SHAPE):
            found = dog_keypoints(frame, _PATCHES_A_PHOTOGRAPH)
            sizes, angles = found.diameters, np.rad2deg(found.angles)
            if len(sizes):
                yield self.model.cut(frame, Features(found.points, sizes, None, sizes, angles))[..., np.newaxis]
