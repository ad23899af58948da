"""The definition of `superpoint_tf.detection.keypoints` as a graph of operations that every exported format has."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.config import DetectionConfig
from superpoint_tf.config.scales_and_phases import ONE_PHASE, ONE_SCALE
from superpoint_tf.detection.suppression_in_graph import suppress_heatmap


def detect_in_graph(heatmap: tf.Tensor, config: DetectionConfig) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Find the keypoints of heatmaps (B, H, W) of probabilities, exactly those of `detect_keypoints`.

    Returns keypoints float32 (B, K, 2) xy pixels and scores (B, K), strongest first, ties by row, then column, and
    their number int32 (B,); K is `max_keypoints`, and the rows from the number on hold -1 and score 0. Raises
    ValueError for keypoints between pixels, and several looks at a picture, which no exported graph has.
    """
    if config.subpixel:
        raise ValueError("subpixel: an exported graph finds keypoints on whole pixels; leave detection.subpixel off")
    if (config.scales, config.phases) != (ONE_SCALE, ONE_PHASE):
        raise ValueError("scales, phases: an exported graph sees a picture once; leave them at their defaults")
    candidates = tf.where(heatmap >= config.threshold, heatmap, 0.0)
    # the border last: what it drops has suppressed its neighbours
    remaining = _cut_border(suppress_heatmap(candidates, config.nms_radius_px), config.border_px)
    shape = tf.shape(remaining)
    count = config.max_keypoints
    flat = tf.reshape(remaining, (shape[0], shape[1] * shape[2]))
    flat = tf.pad(flat, ((0, 0), (0, count)))  # a picture may have fewer pixels than keypoints are asked for
    scores, index = tf.math.top_k(flat, count)  # of equal scores the lower index comes first: row, then column
    xy = tf.stack([index % shape[2], index // shape[2]], axis=-1)
    found = scores > 0.0
    keypoints = tf.where(found[..., tf.newaxis], tf.cast(xy, tf.float32), -1.0)
    return keypoints, scores, tf.reduce_sum(tf.cast(found, tf.int32), axis=1)


def _cut_border(heatmap: tf.Tensor, border: int) -> tf.Tensor:
    """Return the heatmap (B, H, W) with zeros nearer than `border` to the frame."""
    shape = tf.shape(heatmap)
    rows, columns = tf.range(shape[1])[:, tf.newaxis], tf.range(shape[2])
    inside = (rows >= border) & (rows < shape[1] - border) & (columns >= border) & (columns < shape[2] - border)
    return tf.where(inside, heatmap, 0.0)
