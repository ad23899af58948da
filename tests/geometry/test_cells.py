"""Keypoints to cell labels and back by depth_to_space; cells that count; cell centres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from superpoint_tf.geometry.cells import cell_centres, cells_valid, keypoints_to_cell_labels

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
