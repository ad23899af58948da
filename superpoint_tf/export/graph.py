"""What is exported: images in, maps or keypoints out; or patches in, vectors out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import tensorflow as tf

from superpoint_tf.detection.keypoints_in_graph import detect_in_graph
from superpoint_tf.detection.maps import sample_descriptors
from superpoint_tf.detection.score_maps import SCORE_MAPS, spec_of
from superpoint_tf.export.form import Form
from superpoint_tf.networks.superpoint import normalize_descriptors

SIGNATURE = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
Outputs = dict[str, np.ndarray]
Run = Callable[[np.ndarray], Outputs]
"""An exported file loaded by its runtime: from images or patches float32 (B, H, W, 1) to what its graph describes."""


class Graph(Protocol):
    """What is exported: a module whose `run` takes one tensor, named by its signature, and returns a dict."""

    network: tf.keras.Model
    run: tf.types.experimental.GenericFunction


def input_spec(graph: Graph) -> tf.TensorSpec:
    """Return shape, type and name of what a graph takes."""
    (spec,) = graph.run.input_signature
    return spec


class ExportGraph(tf.Module):
    """A network in the form that is exported.

    `run` takes images float32 (B, H, W, 1) in [0, 1] and returns a dict: `heatmap` (B, H, W) of probabilities and
    `descriptors` (B, Hc, Wc, D) of unit length, of SuperPoint Hc = ceil(H/8); with postprocessing `keypoints`
    (B, K, 2) xy pixels, `scores` (B, K), `num_keypoints` int32 (B,) and `descriptors` (B, K, D), see
    `detect_in_graph`. A detector alone has no descriptors. All float32 but the number.
    """

    def __init__(self, network: tf.keras.Model, form: Form) -> None:
        super().__init__(name="superpoint")
        self.network, self.form, self.spec = network, form, spec_of(network)
        self.with_descriptor = "descriptors" in network.output
        batch = 1 if form.one_image else None
        height, width = form.image_shape or (None, None)
        images = tf.TensorSpec((batch, height, width, 1), tf.float32, name="images")
        self.run = tf.function(self._run, input_signature=[images], autograph=False)

    def _run(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = self.network(images, training=False)
        shape = self.form.image_shape or tuple(tf.unstack(tf.shape(images)[1:3]))
        heatmap = SCORE_MAPS[self.spec.score_map].maps(outputs, shape, self.spec).heatmap
        if self.form.detection is None:
            maps = {"heatmap": heatmap}
            if self.with_descriptor:
                maps["descriptors"] = normalize_descriptors(outputs["descriptors"])
            return maps
        keypoints, scores, number = detect_in_graph(heatmap, self.form.detection)
        found = {"keypoints": keypoints, "scores": scores, "num_keypoints": number}
        if self.with_descriptor:
            sampled = sample_descriptors(outputs["descriptors"], keypoints, self.spec.stride, self.spec.first_px)
            found["descriptors"] = tf.where(scores[..., tf.newaxis] > 0.0, sampled, 0.0)
        return found


class PatchGraph(tf.Module):
    """A network of patches in the form that is exported.

    `run` takes patches float32 (N, S, S, 1) in [0, 1], any number of them, and returns a dict: `vectors` (N, D).
    """

    def __init__(self, network: tf.keras.Model, form: Form) -> None:
        super().__init__(name="patches")
        self.network = network
        patches = tf.TensorSpec((None, *(form.image_shape or (None, None)), 1), tf.float32, name="patches")
        self.run = tf.function(self._run, input_signature=[patches], autograph=False)

    def _run(self, patches: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"vectors": self.network(patches, training=False)["vector"]}
