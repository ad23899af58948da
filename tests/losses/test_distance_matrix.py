"""The matrix of distances, and what may not be a negative."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from superpoint_tf.losses.distance_matrix import (
    allowed,
    count_points,
    distances,
    far_apart,
    hardest,
    have_negatives,
    row_distances,
)

MATRIX = tf.constant([[0.1, 0.9, 0.5], [0.3, 0.2, 0.8], [0.7, 0.6, 0.3]])


def everything_else(count: int) -> tf.Tensor:
    return allowed(tf.range(count), tf.range(count))


# ------------------------------------------------------------------------------------------------ the matrix


def test_distances_are_those_of_every_vector_to_every_other() -> None:
    matrix = distances(tf.constant([[0.0, 0.0], [3.0, 0.0]]), tf.constant([[0.0, 4.0], [3.0, 0.0], [0.0, 0.0]]))
    np.testing.assert_allclose(matrix, [[4, 3, 0], [5, 0, 3]], atol=1.1e-3)  # the root of 1e-6 where they are equal
    squares = distances(tf.constant([[0.0, 0.0]]), tf.constant([[3.0, 4.0]]), squared=True)
    assert squares.numpy().tolist() == [[25.0]]


def test_gradients_of_distances_are_finite_and_zero_where_vectors_are_equal() -> None:
    vectors = tf.constant([[0.6, 0.8], [0.6, 0.8], [1.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        total = tf.reduce_sum(distances(vectors, tf.stop_gradient(vectors))[:2, :2])
    np.testing.assert_array_equal(tape.gradient(total, vectors), np.zeros((3, 2)))


def test_half_precision_vectors_are_compared_in_float32() -> None:
    vectors = tf.ones((3, 2), tf.float16)
    assert distances(vectors, vectors).dtype == row_distances(vectors, vectors).dtype == tf.float32
    assert distances(tf.cast(vectors, tf.float64), tf.cast(vectors, tf.float64)).dtype == tf.float64


def test_distances_row_by_row_are_the_diagonal() -> None:
    a, b = tf.constant(np.random.default_rng(0).normal(size=(2, 6, 3)))
    for squared in (False, True):
        np.testing.assert_allclose(
            row_distances(a, b, squared), tf.linalg.diag_part(distances(a, b, squared)), atol=1e-12
        )


def test_a_point_is_no_negative_of_itself_nor_is_one_that_is_absent() -> None:
    ids = tf.constant([7, 8, -1, 8], tf.int64)
    expected = [[0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]
    np.testing.assert_array_equal(allowed(ids, ids), np.array(expected, bool))


def test_points_within_the_radius_are_near_only_in_the_same_picture() -> None:
    positions = tf.constant([[0.0, 0.0], [3.0, 4.0], [0.0, 5.1], [0.0, 0.0]])
    apart = far_apart(tf.constant([1, 1, 1, 2]), positions, 5.0)
    expected = [[0, 0, 1, 1], [0, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 0]]
    np.testing.assert_array_equal(apart, np.array(expected, bool))


def test_the_hardest_negative_is_the_nearest_of_row_and_column() -> None:
    np.testing.assert_allclose(hardest(MATRIX, everything_else(3)), [0.3, 0.3, 0.5])
    without = everything_else(3) & (MATRIX > 0.4)
    np.testing.assert_allclose(hardest(MATRIX, without), [0.5, 0.6, 0.5])


def test_points_with_a_negative_in_either_direction_count() -> None:
    one = np.zeros((4, 4), bool)
    one[0, 2] = True
    np.testing.assert_array_equal(have_negatives(tf.constant(one)), [True, False, True, False])
    assert float(count_points(tf.constant(one))) == 2
    assert float(count_points(everything_else(1))) == 0
