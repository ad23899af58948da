"""Losses on the matrix of distances: closed forms, loops in float64, collapse, and what may not be a negative."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.distance_matrix import (
    TERMS,
    allowed,
    collapsed_matrix_loss,
    count_points,
    distances,
    far_apart,
    matrix_loss,
    mine,
)

ROOT2 = math.sqrt(2.0)
MATRIX = tf.constant([[0.1, 0.9, 0.5], [0.3, 0.2, 0.8], [0.7, 0.6, 0.3]])


def everything_else(count: int) -> tf.Tensor:
    return allowed(tf.range(count), tf.range(count))


def apart(count: int, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a and b: a_i and b_i are so many degrees apart, everything else is orthogonal."""
    angle = math.radians(degrees)
    axes = np.eye(2 * count)
    return axes[:count], math.cos(angle) * axes[:count] + math.sin(angle) * axes[count:]


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
    a, b = (tf.cast(vectors, tf.float16) for vectors in apart(3, 30.0))
    assert distances(a, b).dtype == matrix_loss(a, b, everything_else(3), "softmax").dtype == tf.float32


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
    np.testing.assert_allclose(mine(MATRIX, everything_else(3), "hardest"), [0.3, 0.3, 0.5])
    without = everything_else(3) & (MATRIX > 0.4)
    np.testing.assert_allclose(mine(MATRIX, without, "hardest"), [0.5, 0.6, 0.5])


def test_all_negatives_are_the_row_and_the_column_without_what_is_not_allowed() -> None:
    every = mine(MATRIX, everything_else(3), "all").numpy()
    np.testing.assert_allclose(every[1], [[0.3, 1e4, 0.8], [0.9, 1e4, 0.6]])


def test_mining_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="'softest' is not known; use 'all' or 'hardest'"):
        mine(MATRIX, everything_else(3), "softest")


# ------------------------------------------------------------------------------------------------ closed forms


def test_thirty_degrees_to_the_true_and_right_angles_to_the_rest_cost_0_103425_a_point() -> None:
    a, b = apart(4, 30.0)
    loss = float(matrix_loss(tf.constant(a), tf.constant(b), everything_else(4), "hardest_triplet"))
    assert loss == pytest.approx(4 * (1 + 2 * math.sin(math.radians(15)) - ROOT2), abs=1e-5)
    assert loss / 4 == pytest.approx(0.103425, abs=2e-6)


@pytest.mark.parametrize(("count", "expected"), [(4, 2.1909829), (8, 7.9513965)])
def test_softmax_of_orthogonal_points_is_l2_nets_closed_form(count: int, expected: float) -> None:
    assert count * math.log(1 + (count - 1) * math.exp(-ROOT2)) == pytest.approx(expected, abs=1e-7)
    a = tf.eye(count)
    assert float(matrix_loss(a, a, everything_else(count), "softmax")) == pytest.approx(
        expected, rel=1e-3
    )  # the true distance is .001, not 0


def test_contrastive_adds_the_true_distance_and_what_the_hardest_lacks_of_the_margin() -> None:
    a, b = apart(3, 30.0)
    for margin, lacking in ((1.0, 0.0), (2.0, 2 - ROOT2)):
        loss = float(matrix_loss(tf.constant(a), tf.constant(b), everything_else(3), "contrastive", margin))
        assert loss / 3 == pytest.approx(2 * math.sin(math.radians(15)) + lacking, abs=1e-5)


@pytest.mark.parametrize("margin", [0.5, 1.0])
def test_collapsed_descriptors_cost_exactly_the_margin(margin: float) -> None:
    equal = tf.tile(tf.constant([[0.6, 0.8]]), (5, 1))
    assert float(matrix_loss(equal, equal, everything_else(5), "hardest_triplet", margin)) == 5 * margin
    assert float(collapsed_matrix_loss(everything_else(5), "hardest_triplet", margin)) == margin
    contrastive = float(collapsed_matrix_loss(everything_else(5), "contrastive", margin))
    assert contrastive == pytest.approx(margin, abs=1e-6)
    assert float(collapsed_matrix_loss(everything_else(5), "softmax", margin)) == pytest.approx(math.log(5), abs=1e-6)


@pytest.mark.parametrize("loss", TERMS)
def test_only_points_with_a_negative_count(loss: str) -> None:
    a, b = (tf.constant(vectors, tf.float32) for vectors in apart(4, 30.0))
    ids = tf.constant([0, 1, -1, -1])
    some = allowed(ids, ids)
    assert float(count_points(some)) == 2
    np.testing.assert_allclose(
        matrix_loss(a, b, some, loss), matrix_loss(a[:2], b[:2], everything_else(2), loss), atol=1e-6
    )
    alone = allowed(ids[:1], ids[:1])
    assert float(matrix_loss(a[:1], b[:1], alone, loss)) == float(count_points(alone)) == 0
    assert float(collapsed_matrix_loss(alone, loss)) == 0


# ------------------------------------------------------------------------------------------------ loops


def _by_loops(a: np.ndarray, b: np.ndarray, negatives: np.ndarray, loss: str, margin: float) -> float:
    count, total = len(a), 0.0
    distance = [[math.dist(a[i], b[j]) for j in range(count)] for i in range(count)]
    for i in range(count):
        rows = [distance[i][j] for j in range(count) if negatives[i, j]]
        columns = [distance[j][i] for j in range(count) if negatives[j, i]]
        if not rows + columns:
            continue
        true = distance[i][i]
        if loss == "hardest_triplet":
            total += max(0.0, margin + true - min(rows + columns))
        elif loss == "contrastive":
            total += true + max(0.0, margin - min(rows + columns))
        else:
            for others in (rows, columns):
                share = math.exp(2 - true) / (math.exp(2 - true) + sum(math.exp(2 - d) for d in others))
                total -= 0.5 * math.log(share)
    return total


@pytest.mark.parametrize("loss", TERMS)
@pytest.mark.parametrize("margin", [0.4, 1.0])
def test_random_descriptors_cost_what_loops_over_the_points_find(loss: str, margin: float) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 7, 4))
    negatives = rng.random((7, 7)) < 0.5
    np.fill_diagonal(negatives, False)
    negatives[:, 2] = negatives[2] = False
    ours = matrix_loss(tf.constant(a), tf.constant(b), tf.constant(negatives), loss, margin)
    assert float(ours) == pytest.approx(_by_loops(a, b, negatives, loss, margin), abs=2e-5)


@pytest.mark.parametrize("loss", TERMS)
def test_gradients_equal_finite_differences(loss: str) -> None:
    rng = np.random.default_rng(4)
    a, b = (tf.constant(vectors) for vectors in rng.normal(size=(2, 5, 3)))
    negatives = everything_else(5)
    with tf.GradientTape() as tape:
        tape.watch(a)
        total = matrix_loss(a, b, negatives, loss)
    gradient, direction, step = tape.gradient(total, a), tf.constant(rng.normal(size=(5, 3))), 1e-6
    ahead, behind = (float(matrix_loss(a + s * direction, b, negatives, loss)) for s in (step, -step))
    assert (ahead - behind) / (2 * step) == pytest.approx(float(tf.reduce_sum(gradient * direction)), abs=1e-5)


@pytest.mark.parametrize("loss", TERMS)
def test_gradients_of_collapsed_descriptors_are_finite(loss: str) -> None:
    equal = tf.tile(tf.constant([[0.6, 0.8]]), (4, 1))
    with tf.GradientTape() as tape:
        tape.watch(equal)
        total = matrix_loss(equal, equal, everything_else(4), loss)
    assert np.isfinite(tape.gradient(total, equal)).all()
