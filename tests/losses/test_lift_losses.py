"""LIFT's losses against ones written from their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.lift_losses import class_loss, pair_loss, soft_maximum, squared_hinge


def test_the_soft_maximum_is_the_logarithm_of_the_mean_exponential() -> None:
    maps = np.random.default_rng(0).normal(size=(3, 4, 5))
    expected = [np.log(np.mean([np.exp(value) for value in each.ravel()])) for each in maps]
    assert np.allclose(soft_maximum(tf.constant(maps)), expected)


def test_of_a_constant_map_it_is_the_constant_and_large_scores_do_not_overflow() -> None:
    assert np.allclose(soft_maximum(tf.fill((1, 6, 6), 200.0)), [200.0])


def test_a_quadruplet_costs_its_weighted_squared_hinges() -> None:
    random = np.random.default_rng(1)
    first, second, empty = random.normal(size=(3, 4))
    partners = np.array([2, 0, 3, 1])
    expected = np.zeros(4)
    for row in range(4):
        for score, label, weight in (
            (first[row], 1, 1 / 6),
            (second[row], 1, 1 / 6),
            (second[partners[row]], 1, 1 / 6),
            (empty[row], -1, 1 / 2),
        ):
            expected[row] += weight * max(0.0, 1 - label * score) ** 2
    found = class_loss(*(tf.constant(each) for each in (first, second, partners, empty)))
    assert np.allclose(found, expected)


def test_a_quadruplet_beyond_its_margins_costs_nothing_and_scores_of_zero_cost_one() -> None:
    rows = tf.constant([0])
    assert float(class_loss(tf.ones(1), tf.ones(1), rows, -tf.ones(1))[0]) == 0.0
    assert float(class_loss(tf.zeros(1), tf.zeros(1), rows, tf.zeros(1))[0]) == pytest.approx(1.0)


def test_the_hinge_has_the_numerical_slope() -> None:
    scores, step = np.array([-0.7, 0.3, 1.4], np.float64), 1e-6
    with tf.GradientTape() as tape:
        given = tf.constant(scores)
        tape.watch(given)
        costs = squared_hinge(given, 1.0)
    numerical = (squared_hinge(scores + step, 1.0) - squared_hinge(scores - step, 1.0)) / (2 * step)
    assert np.allclose(tape.gradient(costs, given), numerical, atol=1e-5)


def test_pairs_that_do_not_count_cost_nothing_however_far_apart() -> None:
    first, second = tf.constant([[3.0, 0.0], [1e9, 0.0]]), tf.constant([[0.0, 4.0], [0.0, 0.0]])
    assert float(pair_loss(first, second, tf.constant([True, False]))) == pytest.approx(5.0, rel=1e-6)
    assert float(pair_loss(first, second, tf.constant([False, False]))) == 0.0
