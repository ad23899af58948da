"""From what a network returns to a heatmap and what lies beside it: the rows of `SCORE_MAPS`.

A heatmap's scale is free, but `DetectionConfig.threshold` is .015 where nobody says otherwise: a row brings its scores
to where that means "hardly a keypoint", and 0 means none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from superpoint_tf.detection.maps import combine_heatmaps, logits_to_heatmap
from superpoint_tf.detection.peak_maps import draw_peaks, join_peaks
from superpoint_tf.detection.peaks import Peaks, channel_peaks, map_peaks
from superpoint_tf.detection.refinement import WINDOW_RADIUS_PX
from superpoint_tf.detection.scale_space import lfnet_maps, lift_maps
from superpoint_tf.detection.soft_scores import CONSTANT_PEAKINESS, peakiness_scores
from superpoint_tf.systems import SYSTEMS, CropSpec, DenseSpec, MapSpec

DECIDED_BY_ROUNDING = 1e-3  # share of the keypoints: scores that agree to the last bits change places
_DECIDED_OF_PEAKS = 1e-2  # of peaks that must be no edges and near, too
SUPERPOINT = DenseSpec("cells", descriptor=True)
Spec = DenseSpec | MapSpec | CropSpec
Outputs = Mapping[str, tf.Tensor]
Shape = Any  # (H, W) of the picture before the network padded it: numbers or tensors


class Maps(NamedTuple):
    """What a network says of pictures of one shape (H, W); float32."""

    heatmap: tf.Tensor  # (B, H, W)
    descriptors: tf.Tensor | None = None  # (B, h, w, D), not normalised; of the pixels `stride` i + `first_px`
    sizes: tf.Tensor | None = None  # (B, H, W), diameters of keypoints in px
    angles: tf.Tensor | None = None  # (B, H, W), radians from the picture's right towards its down


class ScoreMap(NamedTuple):
    """One way to find keypoints in a network's outputs."""

    maps: Callable[[Outputs, Shape, Spec], Maps]
    # several looks at a picture to one heatmap, of the size of the largest
    combine: Callable[[Sequence[tf.Tensor]], tf.Tensor] = combine_heatmaps
    window_px: int = WINDOW_RADIUS_PX  # of sub-pixel refinement, on every side of a peak
    decided: float = DECIDED_BY_ROUNDING  # share of the keypoints that rounding may decide, in another runtime
    scales_apart: bool = False  # each scale finds keypoints of its own, which it alone describes


def spec_of(network: tf.keras.Model) -> Spec:
    """Return the row of a network, which its name tells; of one that no row names, SuperPoint's."""
    row = SYSTEMS.get(network.name)
    return row.network if row and isinstance(row.network, Spec) else SUPERPOINT


def _cells(outputs: Outputs, image_shape: Shape, spec: Spec) -> Maps:
    return Maps(logits_to_heatmap(outputs["logits"], image_shape), outputs.get("descriptors"))


def _nothing(outputs: Outputs, image_shape: Shape, spec: Spec) -> Maps:
    """Find nothing: a network that describes every place, for `describe` at given keypoints."""
    batch = tf.shape(outputs["descriptors"])[0]
    return Maps(tf.zeros((batch, image_shape[0], image_shape[1])), outputs["descriptors"])


def _d2(outputs: Outputs, image_shape: Shape, spec: Spec) -> Maps:
    """Find what D2-Net's hard detection finds in the descriptors themselves; scores are shares of the largest value."""
    peaks = channel_peaks(outputs["descriptors"])
    return Maps(draw_peaks(peaks, spec.stride, spec.first_px, image_shape), outputs["descriptors"])


def _peaks(outputs: Outputs, image_shape: Shape, spec: Spec) -> Maps:
    """Find what ASLFeat finds: peaks of the peakiness of all levels, above that of a constant map."""
    scores = peakiness_scores(outputs)[:, : image_shape[0], : image_shape[1]] - CONSTANT_PEAKINESS
    return Maps(draw_peaks(map_peaks(tf.nn.relu(scores)), 1, 0.0, image_shape), outputs["descriptors"])


def _scale_space(outputs: Outputs, image_shape: Shape, spec: Spec) -> Maps:
    """Find what LF-Net finds; its descriptors are of crops."""
    heatmap, sizes, angles = lfnet_maps(outputs)
    return Maps(heatmap, None, sizes, angles)


def _lift(outputs: Outputs, image_shape: Shape, spec: Spec) -> Maps:
    """Find what LIFT's detector finds; its orientations and descriptors are of crops."""
    heatmap, sizes = lift_maps(outputs)
    return Maps(heatmap, None, sizes)


def _attention(outputs: Outputs, image_shape: Shape, spec: Spec) -> Maps:
    """Find the middle of every cell, as DELF does; an attention of 1 is a score of a half."""
    attention = outputs["attention"][..., 0]
    scores = attention / (1.0 + attention)
    peaks = Peaks(scores, tf.zeros_like(outputs["attention"]) * tf.zeros(2))
    return Maps(draw_peaks(peaks, spec.stride, spec.first_px, image_shape), outputs["descriptors"])


SCORE_MAPS: dict[str, ScoreMap] = {
    "cells": ScoreMap(_cells),
    "": ScoreMap(_nothing),
    "d2": ScoreMap(_d2, join_peaks, window_px=1, decided=_DECIDED_OF_PEAKS),
    "peaks": ScoreMap(_peaks, join_peaks, window_px=1, decided=_DECIDED_OF_PEAKS),
    "scale space": ScoreMap(_scale_space),
    "lift": ScoreMap(_lift),
    "attention": ScoreMap(_attention, join_peaks, window_px=1, scales_apart=True),
}
