"""Keypoints of position and size: LF-Net's soft suppression in space and scale, and what LIFT's scores at sizes say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.networks.lfnet_detector import SCALES
from superpoint_tf.networks.lift_detector import FACTORS, SIGMA_PX

SUPPRESSION_PX, SUPPRESSION_STRENGTH = 15, 3.0  # side of the window, and how sharp its soft maximum is
SCALE_STRENGTH = 100.0  # of the soft-max over scales
CROP_PX = 32.0  # side of what the descriptor sees at scale 1
SUPPORT = 6.0  # diameters of a keypoint are a crop's side


class ScaleSpace(NamedTuple):
    """What LF-Net's detector says of pictures."""

    heatmap: tf.Tensor  # (B, H, W)
    log_scales: tf.Tensor  # (B, H, W), natural logarithms


def soft_suppression(scores: tf.Tensor) -> tf.Tensor:
    """Return exp(3 s) by its sum over the 15 x 15 pixels about each pixel and all scales: (B, H, W, S), in (0, 1].

    (Ono et al., LF-Net, NIPS 2018, section 3.1.) Beyond the picture there is nothing to suppress by.
    """
    scores = tf.cast(scores, tf.float32)
    exponentials = tf.exp(SUPPRESSION_STRENGTH * (scores - tf.reduce_max(scores, (1, 2, 3), keepdims=True)))
    around = [SUPPRESSION_PX // 2] * 2
    summed = tf.pad(tf.reduce_sum(exponentials, -1, keepdims=True), [[0, 0], around, around, [0, 0]])
    sums = SUPPRESSION_PX**2 * tf.nn.avg_pool2d(summed, SUPPRESSION_PX, 1, "VALID")
    return exponentials / tf.maximum(sums, 1e-30)


def scale_space(scores: tf.Tensor) -> ScaleSpace:
    """Return the heatmap and the scales of score maps (B, H, W, 5): soft-max of strength 100 over suppressed scores."""
    suppressed = soft_suppression(scores)
    weights = tf.nn.softmax(SCALE_STRENGTH * suppressed, axis=-1)
    log_scales = tf.constant([math.log(scale) for scale in SCALES], tf.float32)
    return ScaleSpace(tf.reduce_sum(weights * suppressed, -1), tf.reduce_sum(weights * log_scales, -1))


def lfnet_maps(outputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return LF-Net's heatmap, diameters in px and angles in radians, (B, H, W) each."""
    found = scale_space(outputs["scores"])
    angles = tf.atan2(outputs["directions"][..., 1], outputs["directions"][..., 0])
    return found.heatmap, CROP_PX / SUPPORT * tf.exp(found.log_scales), angles


def lift_maps(outputs: Mapping[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """Return LIFT's heatmap and diameters in px, (B, H, W) each: of the size whose score is the highest.

    The heatmap is the logistic function of that score: 1 and -1, the scores of a keypoint and of none, are .73 and .27.
    Where no filter lies within the picture it is 0.
    """
    scores = outputs["scores"]
    diameters = tf.constant([2.0 * SIGMA_PX / factor for factor in FACTORS], tf.float32)
    return tf.sigmoid(tf.reduce_max(scores, -1)), tf.gather(diameters, tf.argmax(scores, -1))
