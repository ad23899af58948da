"""Logits to heatmap, and descriptors read from the coarse map."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.detection.maps import logits_to_heatmap, sample_descriptors


def test_label_dy_8_dx_lands_on_pixel_dx_dy_of_its_cell() -> None:
    logits = np.zeros((1, 2, 3, 65), np.float32)
    logits[0, 1, 2, 5 * 8 + 3] = 50.0
    heatmap = logits_to_heatmap(tf.constant(logits), (16, 24)).numpy()[0]
    assert np.unravel_index(heatmap.argmax(), heatmap.shape) == (8 + 5, 16 + 3)
    assert heatmap.max() == pytest.approx(1.0)


def test_the_dustbin_takes_part_in_the_softmax_and_is_dropped_after_it() -> None:
    logits = np.full((1, 1, 1, 65), -100.0, np.float32)
    logits[..., 0] = logits[..., 64] = 0.0  # as likely as no keypoint at all
    heatmap = logits_to_heatmap(tf.constant(logits), (8, 8)).numpy()
    assert heatmap[0, 0, 0] == pytest.approx(0.5)
    assert heatmap.sum() == pytest.approx(0.5)


def test_the_heatmap_is_cropped_to_the_image() -> None:
    logits = tf.zeros((2, 2, 3, 65))
    assert logits_to_heatmap(logits, (10, 17)).shape == (2, 10, 17)
    shape = tf.constant([10, 17])
    assert logits_to_heatmap(logits, shape).shape == (2, 10, 17)


def test_half_precision_logits_give_a_float32_heatmap() -> None:
    assert logits_to_heatmap(tf.zeros((1, 1, 1, 65), tf.bfloat16), (8, 8)).dtype == tf.float32


def unit(*values: float) -> np.ndarray:
    return np.array(values) / np.linalg.norm(values)


def test_a_keypoint_at_a_cells_centre_reads_that_cell() -> None:
    cells = tf.random.stateless_normal((2, 3, 4), (0, 1))
    centres = [[8 * x + 3.5, 8 * y + 3.5] for y in range(2) for x in range(3)]
    expected = tf.reshape(tf.math.l2_normalize(cells, -1), (6, 4))
    np.testing.assert_allclose(sample_descriptors(cells, tf.constant(centres)), expected, atol=1e-6)


def test_between_centres_normalised_neighbours_are_mixed_and_normalised_again() -> None:
    cells = tf.constant([[[5.0, 0.0], [0.0, 0.1]]])  # lengths must not weigh
    sampled = sample_descriptors(cells, tf.constant([[7.5, 3.5], [5.5, 3.5]]))
    np.testing.assert_allclose(sampled, [unit(1, 1), unit(3, 1)], atol=1e-6)


def test_sampling_is_bilinear_in_both_directions() -> None:
    cells = tf.reshape(tf.eye(4), (2, 2, 4))
    sampled = sample_descriptors(cells, tf.constant([[5.5, 9.5]]))  # a quarter right, three quarters down
    np.testing.assert_allclose(sampled, [unit(3 / 16, 1 / 16, 9 / 16, 3 / 16)], atol=1e-6)


def test_beyond_the_outer_centres_the_map_is_clamped() -> None:
    cells = tf.constant([[[1.0, 0.0], [0.0, 1.0]]])
    sampled = sample_descriptors(cells, tf.constant([[0.0, 0.0], [15.0, 7.0], [-90.0, 90.0]]))
    np.testing.assert_allclose(sampled, [[1, 0], [0, 1], [1, 0]])


@pytest.mark.parametrize("shape", [(1, 3, 2), (3, 1, 2), (1, 1, 2)])
def test_a_map_of_one_row_or_column_is_sampled(shape: tuple[int, int, int]) -> None:
    sampled = sample_descriptors(tf.ones(shape), tf.constant([[3.0, 3.0], [20.0, 20.0]]))
    np.testing.assert_allclose(sampled, np.full((2, 2), 0.5**0.5), atol=1e-6)


def test_no_keypoints_give_an_empty_array_of_the_right_width() -> None:
    assert sample_descriptors(tf.ones((2, 2, 16)), tf.zeros((0, 2))).shape == (0, 16)


def test_a_batch_equals_its_images_one_by_one_and_nan_rows_are_zero() -> None:
    cells = tf.random.stateless_normal((2, 3, 4, 8), (0, 1))
    keypoints = tf.random.stateless_uniform((2, 5, 2), (0, 2), 0.0, 24.0).numpy()
    keypoints[1, 3] = np.nan
    sampled = tf.function(sample_descriptors)(cells, keypoints).numpy()
    np.testing.assert_array_equal(sampled[1, 3], np.zeros(8))
    np.testing.assert_allclose(sampled[0], sample_descriptors(cells[0], keypoints[0]), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(np.delete(sampled[1], 3, axis=0), axis=1), 1.0, atol=1e-6)
