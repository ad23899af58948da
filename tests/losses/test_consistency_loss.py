"""The loss on a picture and its moved copy: moves, what is compared, and where it pulls."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.consistency_loss import consistency_loss, count_consistency, move_images, sample_moves

ROWS, COLUMNS = 3, 4


def valid_cells(batch: int = 1) -> tf.Tensor:
    return tf.ones((batch, ROWS, COLUMNS), tf.bool)


def logits_of(heatmap: np.ndarray) -> tf.Tensor:
    """Logits (1, Hc, Wc, 65) whose heatmap is the given one (H, W), up to 1e-9 a pixel."""
    height, width = heatmap.shape
    cells = heatmap.reshape(height // 8, 8, width // 8, 8).transpose(0, 2, 1, 3).reshape(height // 8, width // 8, 64)
    cells = np.concatenate([cells, 1 - cells.sum(axis=-1, keepdims=True)], axis=-1)
    return tf.constant(np.log(np.maximum(cells, 1e-9))[None], tf.float32)


def point_at(x: int, y: int, probability: float = 0.6) -> np.ndarray:
    heatmap = np.full((8 * ROWS, 8 * COLUMNS), 1e-6)
    heatmap[y, x] = probability
    return heatmap


def loss(still: np.ndarray, moved: np.ndarray, move: tuple[int, int], valid: tf.Tensor | None = None) -> float:
    mask = valid_cells() if valid is None else valid
    return float(consistency_loss(logits_of(still), logits_of(moved), tf.constant([move]), mask))


def divergence(mean: float, other: float) -> float:
    return mean * math.log(mean / other) + (1 - mean) * math.log((1 - mean) / (1 - other))


def test_moves_are_whole_pixels_of_one_to_seven_in_all_directions_alike() -> None:
    seeds = tf.stack([tf.range(4500, dtype=tf.int64), tf.ones(4500, tf.int64)], axis=1)
    moves = tf.function(sample_moves)(seeds).numpy()
    assert moves.min() == -7 and moves.max() == 7
    assert (np.abs(moves).max(axis=1) >= 1).all()
    assert len(np.unique(moves, axis=0)) == 15 * 15 - 1
    np.testing.assert_allclose(moves.mean(axis=0), 0.0, atol=0.3)  # standard error .065


def test_a_move_is_a_function_of_the_samples_own_seeds() -> None:
    seeds = tf.constant([[1, 2], [3, 4], [5, 6]], tf.int64)
    np.testing.assert_array_equal(sample_moves(seeds)[1:2], sample_moves(seeds[1:2]))
    np.testing.assert_array_equal(sample_moves(seeds), tf.function(sample_moves)(seeds))


def test_pictures_are_moved_right_and_down_and_the_edge_is_repeated() -> None:
    picture = tf.reshape(tf.range(1, 7), (1, 2, 3))
    np.testing.assert_array_equal(move_images(picture, tf.constant([[1, 0]]))[0], [[1, 1, 2], [4, 4, 5]])
    np.testing.assert_array_equal(move_images(picture, tf.constant([[-2, 1]]))[0], [[3, 3, 3], [3, 3, 3]])
    two = tf.tile(picture, (2, 1, 1))
    np.testing.assert_array_equal(move_images(two, tf.constant([[0, 0], [0, -1]]))[1], [[4, 5, 6], [4, 5, 6]])


def test_a_keypoint_that_moves_with_the_picture_costs_nothing_even_into_another_cell() -> None:
    assert loss(point_at(14, 11), point_at(14 + 3, 11 - 5), (3, -5)) == pytest.approx(0.0, abs=1e-4)


def test_a_keypoint_that_stays_costs_the_divergence_from_the_mean_at_two_pixels() -> None:
    expected = divergence(0.3, 0.6) / 2 + divergence(0.3, 1e-6) / 2  # at either pixel
    assert loss(point_at(14, 11), point_at(14, 11), (3, -5)) == pytest.approx(2 * expected, rel=1e-3)


def test_a_pixel_counts_in_a_valid_cell_before_and_after_the_move() -> None:
    # Moved by (8 - 1) right: of 4 columns of cells in the moved picture 3 show nothing but it; they are columns 1..24.
    count = float(count_consistency(tf.constant([[7, 0]]), valid_cells()))
    assert count == pytest.approx(24 * 24 / 64)
    mask = np.ones((1, ROWS, COLUMNS), bool)
    mask[0, 1, 2] = False
    assert float(count_consistency(tf.constant([[0, 1]]), tf.constant(mask))) < 12 - 1 - 4 * 8 / 64
    assert loss(point_at(18, 11), point_at(18, 11), (0, 1), tf.constant(mask)) == pytest.approx(0.0, abs=1e-4)


def test_loss_and_count_of_no_valid_cell_are_zero() -> None:
    moves, seeds = sample_moves(tf.constant([[1, 2], [3, 4]])), (0, 1)
    logits = tf.random.stateless_normal((4, ROWS, COLUMNS, 65), seeds)
    mask = tf.random.stateless_uniform((2, ROWS, COLUMNS), seeds) > 0.2
    nothing = tf.zeros_like(mask)
    assert float(count_consistency(moves, mask)) > 0 == float(count_consistency(moves, nothing))
    losses = [float(consistency_loss(logits[:2], logits[2:], moves, valid)) for valid in (mask, nothing)]
    assert losses[0] > 0 == losses[1]


def test_each_is_drawn_to_the_other_by_a_quarter_of_the_difference_and_neither_to_fewer_keypoints() -> None:
    still, moved = logits_of(point_at(12, 12, 0.5)), logits_of(point_at(13, 12, 0.1))
    with tf.GradientTape() as tape:
        tape.watch([still, moved])
        total = consistency_loss(still, moved, tf.constant([[1, 0]]), valid_cells())
    of_still, of_moved = tape.gradient(total, [still, moved])
    channel = 8 * 4 + 4  # y 12, x 12: row 4, column 4 of cell (1, 1)
    # d log odds / d logit of a pixel is 1 where the others of its cell stay in proportion
    assert float(of_still[0, 1, 1, channel]) == pytest.approx((0.5 - 0.1) / 4, rel=1e-2)
    assert float(of_moved[0, 1, 1, channel + 1]) == pytest.approx((0.1 - 0.5) / 4, rel=1e-2)


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e4])
@pytest.mark.parametrize("xla", [False, True])
def test_certain_detectors_have_finite_losses_and_gradients(scale: float, xla: bool) -> None:
    logits = scale * tf.random.stateless_normal((2, ROWS, COLUMNS, 65), (0, 1))

    @tf.function(jit_compile=xla)
    def compute(logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(logits)
            total = consistency_loss(logits[:1], logits[1:], sample_moves(tf.constant([[1, 2]])), valid_cells())
        return total, tape.gradient(total, logits)

    total, gradient = compute(logits)
    assert math.isfinite(float(total)) and np.isfinite(gradient).all()
    assert float(total) >= -1e-4


def test_half_precision_logits_are_compared_in_float32() -> None:
    logits = tf.cast(tf.random.stateless_normal((2, ROWS, COLUMNS, 65), (0, 1)), tf.bfloat16)
    assert consistency_loss(logits[:1], logits[1:], tf.constant([[1, 0]]), valid_cells()).dtype == tf.float32
