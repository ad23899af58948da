"""LF-Net's losses against ones written from their definitions; nothing visible, nothing found."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.lfnet_losses import (
    hard_negatives,
    image_loss,
    keypoint_target,
    orientation_loss,
    pair_loss,
    scale_loss,
    strongest_pixels,
    triplet_loss,
)

EVERYWHERE = tf.ones((1, 12, 14), tf.bool)


def maxima(heatmap: np.ndarray, count: int) -> list[tuple[int, int]]:
    """Return the local maxima of 5 x 5 pixels, xy, the largest first, by loops."""
    found = []
    for y in range(heatmap.shape[0]):
        for x in range(heatmap.shape[1]):
            window = heatmap[max(y - 2, 0) : y + 3, max(x - 2, 0) : x + 3]
            if heatmap[y, x] > 0 and heatmap[y, x] == window.max():
                found.append((-heatmap[y, x], x, y))
    return [(x, y) for _, x, y in sorted(found)[:count]]


def target(heatmap: np.ndarray, count: int) -> np.ndarray:
    """Draw a Gaussian of deviation .5 at each of the strongest maxima, by loops, cut off at 1."""
    result = np.zeros(heatmap.shape)
    for x, y in maxima(heatmap, count):
        for row in range(heatmap.shape[0]):
            for column in range(heatmap.shape[1]):
                if max(abs(row - y), abs(column - x)) <= 7:
                    result[row, column] += np.exp(-((row - y) ** 2 + (column - x) ** 2) / (2 * 0.5**2))
    return np.minimum(result, 1.0)


def heatmaps(seed: int = 0) -> np.ndarray:
    values: np.ndarray = np.random.default_rng(seed).random((1, 12, 14)).astype(np.float32)
    return values


def test_keypoints_are_the_largest_local_maxima() -> None:
    heatmap = heatmaps()
    pixels, present = strongest_pixels(tf.constant(heatmap), 4, EVERYWHERE)
    assert [tuple(pixel) for pixel in pixels.numpy()[0]] == maxima(heatmap[0], 4) and present.numpy().all()


def test_more_keypoints_than_there_are_or_than_pixels_are_absent() -> None:
    heatmap = np.zeros((1, 12, 14), np.float32)
    heatmap[0, 3, 5] = 0.5
    pixels, present = strongest_pixels(tf.constant(heatmap), 500, EVERYWHERE)
    assert present.numpy().sum() == 1 and tuple(pixels.numpy()[0, 0]) == (5, 3)
    assert not strongest_pixels(tf.constant(heatmap), 5, ~EVERYWHERE)[1].numpy().any()


def test_the_target_is_a_gaussian_about_each_keypoint_cut_off_at_one() -> None:
    heatmap = heatmaps(1)
    assert np.allclose(keypoint_target(tf.constant(heatmap), 5, EVERYWHERE)[0], target(heatmap[0], 5), atol=1e-6)


def test_the_image_loss_is_the_squared_difference_to_the_target_where_both_see() -> None:
    heatmap, other = heatmaps(2), heatmaps(3)
    visible = np.zeros((1, 12, 14), bool)
    visible[0, 2:9, 3:11] = True
    found = image_loss(tf.constant(heatmap), tf.constant(other), tf.eye(3)[tf.newaxis], 3, tf.constant(visible))
    strongest = [place for place in maxima(other[0], 99) if visible[0, place[1], place[0]]][:3]
    alone = np.zeros_like(other[0])
    for x, y in strongest:
        alone[y, x] = other[0, y, x]
    expected = np.square(heatmap[0] - target(alone, 3))[visible[0]].sum()
    assert float(found) == pytest.approx(expected, rel=1e-4)


def test_the_other_view_is_warped_and_learns_nothing() -> None:
    right = tf.constant([[[1.0, 0.0, 3.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    other = np.zeros((1, 12, 14), np.float32)
    other[0, 4, 5] = 1.0
    with tf.GradientTape() as tape:
        own, seen = tf.zeros((1, 12, 14)), tf.constant(other)
        tape.watch([own, seen])
        cost = image_loss(own, seen, right, 5, EVERYWHERE)
    slope, nothing = tape.gradient(cost, [own, seen])
    assert nothing is None
    assert float(slope[0, 4, 8]) == pytest.approx(-2.0) and float(slope[0, 4, 5]) == pytest.approx(0.0, abs=1e-6)


def test_orientation_and_scale_are_compared_by_cosines_and_ratios() -> None:
    angles, true = np.array([0.3, 2.0, 1.0]), np.array([0.3, 1.0, -1.0])
    counted = np.array([True, True, False])
    pairs = [np.stack([np.cos(each), np.sin(each)], -1) for each in (angles, true)]
    expected = sum(2 - 2 * np.cos(a - b) for a, b, c in zip(angles, true, counted, strict=True) if c)
    assert float(orientation_loss(*(tf.constant(each) for each in pairs), tf.constant(counted))) == pytest.approx(
        expected
    )
    sizes, others = tf.constant([2.0, 3.0, 0.0]), tf.constant([1.0, 3.0, 5.0])
    assert float(scale_loss(sizes, others, tf.constant(counted))) == pytest.approx(np.log(2) ** 2, rel=1e-5)


def test_pairs_cost_their_squared_distances() -> None:
    first, second = tf.constant([[3.0, 0.0], [1.0, 1.0]]), tf.constant([[0.0, 4.0], [9.0, 9.0]])
    assert float(pair_loss(first, second, tf.constant([True, False]))) == pytest.approx(25.0)


def test_triplets_take_one_of_the_hardest_negatives() -> None:
    random = np.random.default_rng(4)
    first, second = random.normal(size=(2, 6, 3)).astype(np.float32)
    negatives = ~np.eye(6, dtype=bool)
    negatives[0, 3] = negatives[5] = False
    hardest, drawn = np.array([1, 2, 3, 4, 5, 1], np.int32), random.random(6).astype(np.float32)
    expected = 0.0
    for row in range(5):
        costs = {col: float(np.square(first[row] - second[col]).sum()) for col in range(6) if negatives[row, col]}
        order = sorted(costs, key=lambda col: costs[col])
        number = min(int(hardest[row]), len(order))
        chosen = order[int(drawn[row] * number)]
        expected += max(0.0, 1.0 + float(np.square(first[row] - second[row]).sum()) - costs[chosen])
    given = (first, second, negatives, hardest, drawn)
    assert float(triplet_loss(*(tf.constant(each) for each in given), 1.0)) == pytest.approx(expected, rel=1e-4)


def test_the_one_hardest_negative_is_the_nearest() -> None:
    matrix = tf.constant([[0.0, 3.0, 2.0], [1.0, 0.0, 5.0], [4.0, 4.5, 0.0]])
    ones = tf.ones(3, tf.int32)
    assert hard_negatives(
        ~tf.cast(tf.eye(3), tf.bool), ones, tf.constant([0.0, 0.5, 0.99]), matrix
    ).numpy().tolist() == [2, 0, 0]


def test_descriptors_that_are_all_equal_cost_the_margin() -> None:
    equal, negatives = tf.ones((4, 8)), ~tf.cast(tf.eye(4), tf.bool)
    cost = triplet_loss(equal, equal, negatives, tf.fill((4,), 5), tf.zeros(4), 1.0)
    assert float(cost) / 4 == pytest.approx(1.0)


def test_without_a_negative_or_a_keypoint_all_is_zero() -> None:
    nothing = tf.zeros((4,), tf.bool)
    vectors = tf.random.normal((4, 8), seed=1)
    cost = triplet_loss(vectors, vectors, tf.zeros((4, 4), tf.bool), tf.fill((4,), 5), tf.zeros(4), 1.0)
    assert float(cost) == 0.0 == float(pair_loss(vectors, -vectors, nothing))
    assert float(scale_loss(tf.zeros(4), tf.zeros(4), nothing)) == 0.0
    assert float(image_loss(tf.ones((1, 12, 14)), tf.ones((1, 12, 14)), tf.eye(3)[tf.newaxis], 5, ~EVERYWHERE)) == 0.0
