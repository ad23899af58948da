"""Points of view 0 and where they are in view 1: some of the labelled keypoints, and points off the labels."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.config import CELL, JointSection
from superpoint_tf.geometry.warp import warp_points
from superpoint_tf.losses.loss_randomness import CHOICE, POINTS, sample_uniforms


class Correspondences(NamedTuple):
    """Row i of a picture's points0 and row i of its points1 show the same place; xy pixels."""

    points0: tf.Tensor  # float32 (B, M, 2), NaN where a row is none
    points1: tf.Tensor  # float32 (B, M, 2)
    present: tf.Tensor  # bool (B, M)


def choose_correspondences(
    points0: tf.Tensor,
    points1: tf.Tensor,
    homography_0to1: tf.Tensor,
    cells_valid0: tf.Tensor,
    cells_valid1: tf.Tensor,
    seeds: tf.Tensor,
    config: JointSection,
) -> Correspondences:
    """Choose at most `max_keypoints` of the labelled pairs of a picture at random, and add `random_points` others.

    points0/1 float32 (B, K, 2), NaN where a row is none; homography_0to1 (B, 3, 3); cells_valid bool (B, Hc, Wc); seeds
    (B, 2). Each labelled pair has the same chance. The other points are uniform over view 0; those stay that lie in
    valid cells of both views. Every row of the batch is a function of itself alone, whatever part of a batch it is in.
    """
    chosen0, chosen1 = _choose(points0, points1, seeds, config.max_keypoints)
    if config.random_points:
        drawn0 = _draw_points(seeds, config.random_points, cells_valid0)
        drawn1 = warp_points(drawn0, homography_0to1)
        seen = (_in_valid_cell(drawn0, cells_valid0) & _in_valid_cell(drawn1, cells_valid1))[..., tf.newaxis]
        nowhere = tf.constant(float("nan"))
        chosen0 = tf.concat([chosen0, tf.where(seen, drawn0, nowhere)], axis=1)
        chosen1 = tf.concat([chosen1, tf.where(seen, drawn1, nowhere)], axis=1)
    return Correspondences(chosen0, chosen1, _present(chosen0, chosen1))


def count_correspondences(correspondences: Correspondences) -> tf.Tensor:
    """Return the number by which `keypoint_loss` is divided, float32: each correspondence counts in both directions."""
    return 2.0 * tf.reduce_sum(tf.cast(correspondences.present, tf.float32))


def _present(points0: tf.Tensor, points1: tf.Tensor) -> tf.Tensor:
    return tf.reduce_all(tf.math.is_finite(points0) & tf.math.is_finite(points1), axis=-1)


def _choose(
    points0: tf.Tensor, points1: tf.Tensor, seeds: tf.Tensor, max_keypoints: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Keep the present rows with the greatest random numbers, (B, min(K, max_keypoints), 2) where K is known."""
    pairs = tf.concat([tf.cast(points0, tf.float32), tf.cast(points1, tf.float32)], axis=-1)
    count: int | tf.Tensor = tf.shape(pairs)[1] if pairs.shape[1] is None else pairs.shape[1]
    number = max_keypoints if pairs.shape[1] is None else min(max_keypoints, pairs.shape[1])
    if pairs.shape[1] is None:  # the result keeps a shape that is known, as XLA and the memory plan want it
        missing = tf.maximum(max_keypoints - count, 0)
        pairs = tf.pad(pairs, [[0, 0], [0, missing], [0, 0]], constant_values=float("nan"))
        count = count + missing
    present = _present(pairs[..., :2], pairs[..., 2:])
    priority = tf.where(present, sample_uniforms(seeds, CHOICE, count), -1.0)
    chosen = tf.gather(pairs, tf.math.top_k(priority, number).indices, axis=1, batch_dims=1)
    return chosen[..., :2], chosen[..., 2:]


def _draw_points(seeds: tf.Tensor, count: int, cells: tf.Tensor) -> tf.Tensor:
    """Draw points uniformly over the whole pixels of the frame, xy (B, count, 2)."""
    sides = tf.cast(tf.shape(cells)[2:0:-1] * CELL, tf.float32)
    return tf.reshape(sample_uniforms(seeds, POINTS, 2 * count), (-1, count, 2)) * sides - 0.5


def _in_valid_cell(points: tf.Tensor, cells_valid: tf.Tensor) -> tf.Tensor:
    """Tell which points xy (B, N, 2) lie in valid cells, bool (B, N); NaN and points outside the frame do not."""
    shape = tf.shape(cells_valid)
    cell = tf.floor((points + 0.5) / CELL)
    inside = tf.reduce_all((cell >= 0) & (cell < tf.cast(shape[2:0:-1], tf.float32)), axis=-1)
    index = tf.cast(tf.where(inside[..., tf.newaxis], cell, 0.0), tf.int32)
    flat = tf.reshape(cells_valid, (shape[0], shape[1] * shape[2]))
    return inside & tf.gather(flat, index[..., 1] * shape[2] + index[..., 0], axis=1, batch_dims=1)
