"""Keypoints to cell labels and back by depth_to_space; cells that count; cell centres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.geometry.cells import (
    cell_centres,
    cells_valid,
    keypoints_to_cell_labels,
    keypoints_to_cell_targets,
)

NAN = float("nan")


def _labels(keypoints: Sequence[tuple[float, float]], shape: tuple[int, int] = (16, 24), seed: int = 0) -> np.ndarray:
    batch = tf.reshape(tf.constant(keypoints, tf.float32), (1, -1, 2))
    return keypoints_to_cell_labels(batch, shape, tf.constant([(5, seed)])).numpy()[0]


def test_a_label_is_the_pixels_place_in_its_cell_row_by_row() -> None:
    labels = _labels([(0, 0), (8 + 7, 0), (16 + 2, 8 + 3)])
    assert labels.tolist() == [[0, 7, 64], [64, 64, 3 * 8 + 2]]
    assert labels.dtype == np.int32


def test_labels_follow_the_channel_order_of_depth_to_space() -> None:
    keypoints = [(3, 5), (13, 2), (23, 15), (6, 12)]
    hot = tf.one_hot(_labels(keypoints), 65)[None, ..., :64]  # without the dustbin
    heatmap = tf.nn.depth_to_space(hot, 8).numpy()[0, ..., 0]
    assert {(x, y) for y, x in np.argwhere(heatmap).tolist()} == set(keypoints)


def test_a_keypoint_goes_to_its_nearest_pixel_even_across_a_cells_edge() -> None:
    assert _labels([(7.4, 0.4)])[0].tolist() == [7, 64, 64]
    assert _labels([(7.5, 0)])[0].tolist() == [64, 0, 64]
    assert _labels([(-0.4, 15.4)])[:, 0].tolist() == [64, 56]


def test_absent_and_outside_keypoints_are_left_out() -> None:
    lost = [(NAN, NAN), (NAN, 3), (-0.6, 3), (23.5, 3), (3, 15.5), (3, -100), (1e30, 3), (-1e30, NAN), (np.inf, 0)]
    assert (_labels(lost) == 64).all()
    assert _labels([*lost, (9, 9)]).tolist() == [[64, 64, 64], [64, 9, 64]]


def test_no_keypoint_at_all_gives_empty_cells() -> None:
    assert (_labels([]) == 64).all()


def test_one_of_several_in_a_cell_is_chosen_anew_with_each_seed() -> None:
    chosen = [int(_labels([(1, 0), (2, 0), (NAN, NAN), (63, 63)], seed=seed)[0, 0]) for seed in range(60)]
    assert set(chosen) == {1, 2}
    assert 15 < chosen.count(1) < 45
    assert chosen[3] == int(_labels([(1, 0), (2, 0)], seed=3)[0, 0])


def test_a_row_depends_on_its_own_seed_and_not_on_batch_mates_or_padding() -> None:
    rng = np.random.default_rng(0)
    keypoints = np.full((3, 200, 2), NAN, np.float32)
    keypoints[:, :150] = rng.uniform(0, (24, 16), (3, 150, 2))
    seeds = tf.constant([(1, 2), (3, 4), (-5, 6)])
    batch = keypoints_to_cell_labels(keypoints, (16, 24), seeds).numpy()
    for row in range(3):
        alone = keypoints_to_cell_labels(keypoints[row : row + 1, :150], (16, 24), seeds[row : row + 1])
        np.testing.assert_array_equal(batch[row], alone[0])


def test_labels_are_the_same_eagerly_and_inside_a_dataset_with_a_known_grid() -> None:
    keypoints = np.random.default_rng(0).uniform(0, (24, 16), (2, 50, 2)).astype(np.float32)
    seeds = tf.constant([(1, 2), (3, 4)])
    dataset = tf.data.Dataset.from_tensors((keypoints, seeds))
    dataset = dataset.map(lambda points, seeds: keypoints_to_cell_labels(points, (16, 24), seeds))
    np.testing.assert_array_equal(next(iter(dataset)), keypoints_to_cell_labels(keypoints, (16, 24), seeds))
    assert dataset.element_spec == tf.TensorSpec((2, 2, 3), tf.int32)


def test_a_frame_that_is_no_multiple_of_eight_has_a_last_cell_that_does_not_count() -> None:
    assert _labels([(17, 9)], (10, 18)).tolist() == [[64, 64, 64], [64, 64, 9]]
    valid = cells_valid(tf.ones((1, 10, 18), tf.bool)).numpy()[0]
    assert valid.tolist() == [[True, True, False], [False, False, False]]


def test_a_cell_counts_only_if_all_its_64_pixels_are_valid() -> None:
    mask = np.ones((1, 16, 24), bool)
    mask[0, 7, 8] = False  # the lower left pixel of cell (0, 1)
    assert cells_valid(tf.constant(mask)).numpy()[0].tolist() == [[True, False, True], [True, True, True]]


def test_a_cells_centre_is_at_8_i_plus_3_5_and_on_the_coarse_map_at_a_whole_number() -> None:
    centres = cell_centres((16, 24)).numpy()
    assert centres[:4].tolist() == [[3.5, 3.5], [11.5, 3.5], [19.5, 3.5], [3.5, 11.5]]
    coarse = (centres + 0.5) / 8 - 0.5  # where a map of stride 8 is sampled
    assert coarse.tolist() == [[x, y] for y in range(2) for x in range(3)]


def test_a_cells_centre_is_the_mean_of_its_64_pixels() -> None:
    ys, xs = np.mgrid[:16, :24]
    pixels = np.stack([xs, ys], axis=-1).reshape(2, 8, 3, 8, 2)
    np.testing.assert_allclose(cell_centres((16, 24)), pixels.mean(axis=(1, 3)).reshape(-1, 2))


# ------------------------------------------------------------------------------------------------ between pixels


def _targets(keypoints: Sequence[tuple[float, float]], shape: tuple[int, int] = (16, 24)) -> np.ndarray:
    return keypoints_to_cell_targets(tf.reshape(tf.constant(keypoints, tf.float32), (1, -1, 2)), shape).numpy()[0]


def _weights(cell: np.ndarray) -> dict[int, float]:
    return {int(label): float(cell[label]) for label in np.nonzero(cell)[0]}


def test_a_keypoint_on_a_pixel_is_exactly_the_one_hot_of_its_label() -> None:
    keypoints = [(3, 5), (13, 2), (23, 15), (0, 8)]
    np.testing.assert_array_equal(_targets(keypoints), tf.one_hot(_labels(keypoints), 65))


def test_a_keypoint_between_pixels_gives_each_of_its_four_what_is_near() -> None:
    targets = _targets([(2.25, 1.5)])
    assert _weights(targets[0, 0]) == {8 + 2: 0.375, 8 + 3: 0.125, 16 + 2: 0.375, 16 + 3: 0.125}
    assert _weights(targets[0, 1]) == {64: 1.0}


def test_a_keypoint_between_cells_leaves_each_the_rest_as_no_keypoint() -> None:
    targets = _targets([(7.25, 0)])
    assert _weights(targets[0, 0]) == {7: 0.75, 64: 0.25}
    assert _weights(targets[0, 1]) == {0: 0.25, 64: 0.75}
    corners = _targets([(7.5, 7.5)])[:, :2].reshape(4, 65)
    assert [_weights(cell) for cell in corners] == [{label: 0.25, 64: 0.75} for label in (63, 56, 7, 0)]


def test_keypoints_that_compete_for_a_cell_share_it_by_their_weights() -> None:
    assert _weights(_targets([(1, 0), (6, 6)])[0, 0]) == {1: 0.5, 54: 0.5}
    shared = _weights(_targets([(1, 0), (7.5, 3)])[0, 0])  # 1 and 1/2, divided by 3/2
    assert shared == pytest.approx({1: 2 / 3, 31: 1 / 3})
    assert _weights(_targets([(7.75, 0), (7.75, 3)])[0, 0]) == {7: 0.25, 31: 0.25, 64: 0.5}  # room for both


def test_every_cells_targets_sum_to_one() -> None:
    keypoints = np.random.default_rng(0).uniform(-1, 25, (2, 90, 2)).astype(np.float32)
    np.testing.assert_allclose(keypoints_to_cell_targets(keypoints, (16, 24)).numpy().sum(axis=-1), 1.0, atol=1e-6)


def test_half_a_pixel_beyond_the_outer_pixels_counts_as_on_them_and_what_is_farther_is_left_out() -> None:
    assert _weights(_targets([(-0.4, 15.4)])[1, 0]) == {56: 1.0}
    lost = [(NAN, NAN), (NAN, 3), (-0.6, 3), (23.5, 3), (3, 15.5), (3, -100), (1e30, 3), (np.inf, 0)]
    assert (_targets(lost)[..., 64] == 1).all() and (_targets([])[..., 64] == 1).all()
    np.testing.assert_array_equal(_targets([*lost, (9.5, 9)]), _targets([(9.5, 9)]))


def test_targets_in_the_order_of_depth_to_space_have_their_centre_of_gravity_on_the_keypoint() -> None:
    heatmap = tf.nn.depth_to_space(_targets([(13.3, 6.8)])[None, ..., :64], 8).numpy()[0, ..., 0]
    ys, xs = np.mgrid[:16, :24]
    np.testing.assert_allclose([(heatmap * xs).sum(), (heatmap * ys).sum()], (13.3, 6.8), atol=1e-5)


def test_targets_inside_a_dataset_know_their_grid_and_are_the_same() -> None:
    keypoints = np.random.default_rng(0).uniform(0, (24, 16), (2, 50, 2)).astype(np.float32)
    dataset = tf.data.Dataset.from_tensors(keypoints).map(lambda points: keypoints_to_cell_targets(points, (16, 24)))
    np.testing.assert_array_equal(next(iter(dataset)), keypoints_to_cell_targets(keypoints, (16, 24)))
    assert dataset.element_spec == tf.TensorSpec((2, 2, 3, 65), tf.float32)
