"""Losses on the matrix of distances between the descriptors of N points seen twice, with negatives from the batch.

Row i of `a` and row i of `b` are one point; the matrix has the distance of every a to every b. Its diagonal holds the
positives; of the rest, what `allowed` says are negatives. A point's negatives are those of a_i among b and those of b_i
among a.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

_ROUNDING = 1e-6  # keeps the slope of a distance finite where two descriptors are equal, as in HardNet's code
_NONE = 1e4  # the distance of a negative that does not exist: farther than any


def distances(a: tf.Tensor, b: tf.Tensor, squared: bool = False) -> tf.Tensor:
    """Return the Euclidean distances (N, M) of vectors (N, D) and (M, D), or their squares; float32 (float64 stays).

    The root is of the square + 1e-6; its gradient at equal vectors is zero.
    """
    a, b = (_wide(tf.convert_to_tensor(vectors)) for vectors in (a, b))
    lengths_a, lengths_b = (tf.reduce_sum(tf.square(vectors), axis=-1) for vectors in (a, b))
    products = tf.matmul(a, b, transpose_b=True)
    squares = tf.nn.relu(lengths_a[:, tf.newaxis] + lengths_b - 2.0 * products)
    return squares if squared else tf.sqrt(squares + _ROUNDING)


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


def mine(matrix: tf.Tensor, allowed: tf.Tensor, how: str) -> tf.Tensor:
    """Return the distances of points to negatives, both directions: `all` of them (N, 2, N) or the `hardest` (N,).

    [i, 0, j] is that of a_i and b_j, [i, 1, j] that of b_i and a_j; 1e4 where it is not allowed. The hardest is the
    nearest of both directions (HardNet: Mishchuk et al. 2017, section 3.1).
    """
    if how not in ("all", "hardest"):
        raise ValueError(f"mining {how!r} is not known; use 'all' or 'hardest'")
    negatives = tf.where(allowed, matrix, tf.cast(_NONE, matrix.dtype))
    both = tf.stack([negatives, tf.transpose(negatives)], axis=1)
    return both if how == "all" else tf.reduce_min(both, axis=(1, 2))


def _hardest_triplet(positive: tf.Tensor, matrix: tf.Tensor, allowed: tf.Tensor, margin: float) -> tf.Tensor:
    """max(0, m + d+ - d-), d- the hardest (HardNet: Mishchuk et al. 2017, equation 2)."""
    return tf.nn.relu(margin + positive - mine(matrix, allowed, "hardest"))


def _softmax(positive: tf.Tensor, matrix: tf.Tensor, allowed: tf.Tensor, margin: float) -> tf.Tensor:
    """-log(exp(-d+) / sum of exp(-d)) over the point and all negatives, mean of both directions (L2-Net, E1)."""
    gains = positive[:, tf.newaxis, tf.newaxis] - mine(matrix, allowed, "all")
    return tf.reduce_mean(tf.nn.softplus(tf.reduce_logsumexp(gains, axis=-1)), axis=-1)


def _contrastive(positive: tf.Tensor, matrix: tf.Tensor, allowed: tf.Tensor, margin: float) -> tf.Tensor:
    """d+ + max(0, m - d-), d- the hardest (HardNet's code)."""
    return positive + tf.nn.relu(margin - mine(matrix, allowed, "hardest"))


TERMS: dict[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor, float], tf.Tensor]] = {
    "hardest_triplet": _hardest_triplet,
    "softmax": _softmax,
    "contrastive": _contrastive,
}


def matrix_loss(a: tf.Tensor, b: tf.Tensor, allowed: tf.Tensor, loss: str, margin: float = 1.0) -> tf.Tensor:
    """Return a loss of `TERMS` added up over the points that have a negative: a scalar, float32 (float64 stays).

    a and b are descriptors (N, D), `allowed` bool (N, N); divide by `count_points`. `softmax` takes no margin.
    """
    matrix = distances(a, b)
    losses = TERMS[loss](tf.linalg.diag_part(matrix), matrix, allowed, margin)
    return tf.reduce_sum(tf.where(_have_negatives(allowed), losses, tf.zeros_like(losses)))


def count_points(allowed: tf.Tensor) -> tf.Tensor:
    """Return the number of points that have a negative, float32: by which `matrix_loss` is divided."""
    return tf.reduce_sum(tf.cast(_have_negatives(allowed), tf.float32))


def collapsed_matrix_loss(allowed: tf.Tensor, loss: str, margin: float = 1.0) -> tf.Tensor:
    """Return the mean loss of equal descriptors: the margin, or for `softmax` the mean log of candidates."""
    equal = tf.ones((tf.shape(allowed)[0], 1))
    return tf.math.divide_no_nan(matrix_loss(equal, equal, allowed, loss, margin), count_points(allowed))


def _have_negatives(allowed: tf.Tensor) -> tf.Tensor:
    return tf.reduce_any(allowed, axis=0) | tf.reduce_any(allowed, axis=1)


def _wide(vectors: tf.Tensor) -> tf.Tensor:
    return vectors if vectors.dtype == tf.float64 else tf.cast(vectors, tf.float32)
