"""The matrix of distances between the descriptors of N points seen twice, and which of its pairs are negatives.

Row i of `a` and row i of `b` are one point; the matrix has the distance of every a to every b. Its diagonal holds the
positives; of the rest, what `allowed` says are negatives. A point's negatives are those of a_i among b and those of b_i
among a.
"""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf

_ROUNDING = 1e-6  # keeps the slope of a distance finite where two descriptors are equal, as in HardNet's code
_NONE = 1e4  # the distance of a negative that does not exist: farther than any


def distances(a: tf.Tensor, b: tf.Tensor, squared: bool = False) -> tf.Tensor:
    """Return the Euclidean distances (N, M) of vectors (N, D) and (M, D), or their squares; float32 (float64 stays).

    The root is of the square + 1e-6; its gradient at equal vectors is zero.
    """
    a, b = wide(a), wide(b)
    lengths_a, lengths_b = (tf.reduce_sum(tf.square(vectors), axis=-1) for vectors in (a, b))
    products = tf.matmul(a, b, transpose_b=True)
    squares = tf.nn.relu(lengths_a[:, tf.newaxis] + lengths_b - 2.0 * products)
    return squares if squared else tf.sqrt(squares + _ROUNDING)


def row_distances(a: tf.Tensor, b: tf.Tensor, squared: bool = False) -> tf.Tensor:
    """Return the distances (N,) of vectors (N, D) row by row, as `distances` does."""
    squares = tf.reduce_sum(tf.square(wide(a) - wide(b)), axis=-1)
    return squares if squared else tf.sqrt(squares + _ROUNDING)


def wide(vectors: tf.Tensor) -> tf.Tensor:
    """Return vectors as float32; float64 stays."""
    vectors = tf.convert_to_tensor(vectors)
    return vectors if vectors.dtype == tf.float64 else tf.cast(vectors, tf.float32)


def allowed(ids0: tf.Tensor, ids1: tf.Tensor) -> tf.Tensor:
    """Tell which pairs are negatives, bool (N, M): points of other numbers int64 (N,), (M,), neither below 0."""
    rows, columns = ids0[:, tf.newaxis], ids1[tf.newaxis]
    return (rows != columns) & (rows >= 0) & (columns >= 0)


def far_apart(pictures: tf.Tensor, positions: tf.Tensor, radius_px: float) -> tf.Tensor:
    """Tell which pairs of points are in other pictures (N,), or farther apart than the radius, xy (N, 2): bool (N, N).

    Patches of one place in a picture look alike; as negatives they would be pushed from what they show.
    """
    other = pictures[:, tf.newaxis] != pictures
    steps = positions[:, tf.newaxis] - positions
    return other | (tf.reduce_sum(tf.square(steps), axis=-1) > radius_px**2)


def negatives_in(batch: Mapping[str, tf.Tensor], radius_px: float) -> tf.Tensor:
    """Tell which pairs of a batch of patches are negatives, bool (P, P): other points, not near each other."""
    points = batch["point"]
    return allowed(points, points) & far_apart(batch["picture"], batch["position"], radius_px)


def have_negatives(allowed: tf.Tensor) -> tf.Tensor:
    """Tell which points have a negative, bool (N,), from `allowed` (N, N): the others cost nothing."""
    return tf.reduce_any(allowed, axis=0) | tf.reduce_any(allowed, axis=1)


def count_points(allowed: tf.Tensor) -> tf.Tensor:
    """Return the number of points that have a negative, float32: by which losses of points are divided."""
    return tf.reduce_sum(tf.cast(have_negatives(allowed), tf.float32))


def hardest(matrix: tf.Tensor, allowed: tf.Tensor) -> tf.Tensor:
    """Return the distance (N,) of each point to its nearest negative in both directions; 1e4 where it has none.

    (HardNet: Mishchuk et al. 2017, section 3.1.)
    """
    negatives = tf.where(allowed, matrix, tf.cast(_NONE, matrix.dtype))
    return tf.reduce_min(tf.stack([negatives, tf.transpose(negatives)], axis=1), axis=(1, 2))
