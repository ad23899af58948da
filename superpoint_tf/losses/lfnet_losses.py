"""LF-Net's losses (Ono et al., NIPS 2018, section 3.2), added up over the pixels or keypoints that count."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.geometry.warp import warp_images
from superpoint_tf.losses.distance_matrix import distances, row_distances

TARGET_SIGMA_PX, _TARGET_RADIUS_PX = 0.5, 7  # of a keypoint in the target: 15 x 15 pixels
NEIGHBOURHOOD_PX = 5  # a keypoint is the largest of so many pixels a side
_SHORTEST = 1e-6  # scales and lengths are at least this, so that logarithms and roots have slopes


def strongest_pixels(heatmap: tf.Tensor, count: int, allowed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the pixels xy int32 (B, N, 2) of the `count` largest local maxima of heatmaps (B, H, W), in that order.

    A maximum is the largest of 5 x 5 pixels, above zero, and where `allowed` bool (B, H, W). Which of the N are maxima
    is the second value, bool (B, N); the other pixels mean nothing.
    """
    height, width = tf.shape(heatmap)[1], tf.shape(heatmap)[2]
    around = tf.nn.max_pool2d(heatmap[..., tf.newaxis], NEIGHBOURHOOD_PX, 1, "SAME")[..., 0]
    peaks = tf.where((heatmap >= around) & (heatmap > 0.0) & allowed, heatmap, tf.zeros_like(heatmap))
    flat = tf.reshape(peaks, (-1, height * width))
    missing = tf.maximum(count - height * width, 0)
    best, index = tf.math.top_k(tf.pad(flat, [[0, 0], [0, missing]]), count)
    index = tf.minimum(index, height * width - 1)
    return tf.stack([index % width, index // width], axis=-1), best > 0.0


def keypoint_target(heatmap: tf.Tensor, count: int, allowed: tf.Tensor) -> tf.Tensor:
    """Return clean heatmaps (B, H, W): a Gaussian of height 1 at each of the strongest local maxima, cut off at 1."""
    pixels, present = strongest_pixels(heatmap, count, allowed)
    batch = tf.broadcast_to(
        tf.range(tf.shape(pixels)[0])[:, tf.newaxis, tf.newaxis], tf.shape(present[..., tf.newaxis])
    )
    places = tf.concat([batch, pixels[..., ::-1]], axis=-1)
    points = tf.tensor_scatter_nd_max(tf.zeros_like(heatmap), places, tf.cast(present, heatmap.dtype))
    steps = tf.range(-_TARGET_RADIUS_PX, _TARGET_RADIUS_PX + 1, dtype=tf.float32)
    profile = tf.exp(-tf.square(steps) / (2.0 * TARGET_SIGMA_PX**2))
    kernel = (profile[:, tf.newaxis] * profile)[..., tf.newaxis, tf.newaxis]
    return tf.minimum(tf.nn.conv2d(points[..., tf.newaxis], kernel, 1, "SAME")[..., 0], 1.0)


def image_loss(
    heatmap: tf.Tensor, other: tf.Tensor, other_to_own: tf.Tensor, count: int, visible: tf.Tensor
) -> tf.Tensor:
    """Return squared differences of heatmaps (B, H, W) and the target that the other view's make, warped, summed.

    They count where `visible` bool (B, H, W); the other view learns nothing.
    """
    warped = warp_images(other[..., tf.newaxis], other_to_own)[..., 0]
    target = tf.stop_gradient(keypoint_target(warped, count, visible))
    return tf.reduce_sum(tf.where(visible, tf.square(heatmap - target), 0.0))


def orientation_loss(towards: tf.Tensor, true: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Return the squared distances of directions (..., 2) from the true ones, both of unit length, summed."""
    costs = tf.reduce_sum(tf.square(towards - true), axis=-1)
    return tf.reduce_sum(tf.where(counted, costs, 0.0))


def scale_loss(sizes: tf.Tensor, true: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Return the squared logarithms of the ratios of sizes (...) to the true ones, summed."""
    ratios = tf.maximum(sizes, _SHORTEST) / tf.maximum(true, _SHORTEST)
    return tf.reduce_sum(tf.where(counted, tf.square(tf.math.log(ratios)), 0.0))


def pair_loss(vectors0: tf.Tensor, vectors1: tf.Tensor, counted: tf.Tensor) -> tf.Tensor:
    """Return the squared distances of descriptors (N, D) row by row, summed."""
    return tf.reduce_sum(tf.where(counted, row_distances(vectors0, vectors1, squared=True), 0.0))


def hard_negatives(negatives: tf.Tensor, hardest: tf.Tensor, drawn: tf.Tensor, matrix: tf.Tensor) -> tf.Tensor:
    """Draw for each point one of its `hardest` negatives, those of the least distance: its column, int32 (N,).

    `negatives` bool (N, N) and `matrix` (N, N) have the points as rows, `hardest` int32 (N,) how many are drawn from,
    `drawn` (N,) uniform numbers in [0, 1). Where a point has fewer negatives it is one of them all; if none, any point.
    """
    order = tf.argsort(tf.where(negatives, matrix, tf.float32.max), axis=1)
    number = tf.minimum(tf.reduce_sum(tf.cast(negatives, tf.int32), axis=1), hardest)
    rank = tf.minimum(tf.cast(drawn * tf.cast(number, tf.float32), tf.int32), tf.maximum(number - 1, 0))
    return tf.gather(order, rank, axis=1, batch_dims=1)


def triplet_loss(
    vectors0: tf.Tensor, vectors1: tf.Tensor, negatives: tf.Tensor, hardest: tf.Tensor, drawn: tf.Tensor, margin: float
) -> tf.Tensor:
    """Return max(0, m + d+ - d-) of squared distances, d- a hard negative of `vectors1` (N, D), summed.

    A point without a negative costs nothing. See `hard_negatives`.
    """
    matrix = distances(vectors0, vectors1, squared=True)
    chosen = hard_negatives(negatives, hardest, drawn, tf.stop_gradient(matrix))
    costs = tf.nn.relu(margin + tf.linalg.diag_part(matrix) - tf.gather(matrix, chosen, axis=1, batch_dims=1))
    return tf.reduce_sum(tf.where(tf.reduce_any(negatives, axis=1), costs, 0.0))
