"""Which other point is a negative, which patch comes first, how patches lie: random, and a function of the seeds."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from superpoint_tf.losses.distance_matrix import allowed
from superpoint_tf.losses.patch_samples import draw_partners, swap_patches, symmetry, turn_patches

SEEDS = tf.constant([[3, 0], [3, 1], [3, 2], [3, 3]], tf.int64)  # of four pictures


def patches(count: int) -> tf.Tensor:
    return tf.constant(np.random.default_rng(0).random((count, 4, 4, 1), np.float32))


def everything_else(count: int) -> tf.Tensor:
    return allowed(tf.range(count), tf.range(count))


def test_a_partner_is_a_negative_and_any_of_them_is_drawn_as_often() -> None:
    negatives = everything_else(8).numpy()
    negatives[0, 5] = False
    count, draw = np.zeros((8, 8)), tf.function(draw_partners)
    for seed in range(400):
        partners = draw(tf.constant(negatives), SEEDS + 10 * seed).numpy()
        count[np.arange(8), partners] += 1
    assert not count[~negatives].any()
    expected = 400 / negatives.sum(axis=1, keepdims=True)
    assert np.all(np.abs(count - expected)[negatives] < 5 * np.sqrt(expected.max()))


def test_a_point_without_a_negative_gets_some_row() -> None:
    nothing = tf.zeros((4, 4), tf.bool)
    np.testing.assert_array_equal(draw_partners(nothing, SEEDS), [0, 0, 0, 0])


def test_the_one_negative_of_a_point_is_drawn_whatever_the_number() -> None:
    ids = tf.constant([0, 0, 0, 0, 0, 0, 0, 1])
    for seed in range(20):
        assert draw_partners(allowed(ids, ids), SEEDS + seed).numpy()[:7].tolist() == [7] * 7


def test_what_is_drawn_is_the_same_for_the_same_seeds_and_in_a_compiled_graph() -> None:
    compiled = tf.function(draw_partners, jit_compile=True)
    for seed in range(3):
        first, second = (draw_partners(everything_else(8), SEEDS + seed) for _ in range(2))
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(compiled(everything_else(8), SEEDS + seed), first)


def test_a_picture_draws_the_same_in_whatever_part_of_a_batch_it_is() -> None:
    some = patches(8)
    turned = turn_patches(some, some, SEEDS)[0]
    np.testing.assert_array_equal(turn_patches(some[4:], some[4:], SEEDS[2:])[0], turned[4:])


def test_half_of_the_points_exchange_their_patches() -> None:
    first, second, swapped = tf.zeros((400, 1, 1, 1)), tf.ones((400, 1, 1, 1)), []
    for seed in range(5):
        one, other = swap_patches(first, second, SEEDS + 10 * seed)
        np.testing.assert_array_equal(one + other, np.ones((400, 1, 1, 1)))
        swapped.append(float(tf.reduce_mean(one)))
    assert abs(np.mean(swapped) - 0.5) < 5 * 0.5 / np.sqrt(2000)


def test_the_eight_symmetries_are_all_different_and_no_others() -> None:
    square = np.arange(16.0, dtype=np.float32).reshape(4, 4)
    ours = symmetry(tf.constant(np.tile(square[None, ..., None], (8, 1, 1, 1))), tf.range(8)).numpy()[..., 0]
    turned = [np.rot90(square, quarter) for quarter in range(4)]
    expected = {each.tobytes() for each in (*turned, *(np.fliplr(each) for each in turned))}
    assert {each.tobytes() for each in ours} == expected and len(expected) == 8
    np.testing.assert_array_equal(ours[0], square)


def test_both_patches_of_a_point_lie_alike_and_every_symmetry_is_used() -> None:
    square = tf.tile(tf.reshape(tf.range(16.0), (1, 4, 4, 1)), (400, 1, 1, 1))
    first, second = turn_patches(square, 2.0 * square, SEEDS)
    np.testing.assert_array_equal(second, 2.0 * first)
    count = np.unique(first.numpy().reshape(400, -1), axis=0, return_counts=True)[1]
    assert len(count) == 8 and count.min() > 20
