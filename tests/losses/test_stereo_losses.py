"""Losses of stereo patches: closed forms, NumPy by loops, gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.stereo_losses import STEREO_LOSSES, collapsed_stereo_loss, stereo_loss
from superpoint_tf.systems import COSTS, SYSTEMS


def by_loops(positive: np.ndarray, negative: np.ndarray, counted: np.ndarray, loss: str, margin: float) -> float:
    total = 0.0
    for p, n, is_counted in zip(positive, negative, counted, strict=True):
        if not is_counted:
            continue
        if loss == "margin":  # similarities are minus mismatches
            total += max(0.0, margin + (-n) - (-p))
        else:
            matching, wrong = 1 / (1 + math.exp(-p)), 1 / (1 + math.exp(-n))
            total += (-math.log(1 - matching) - math.log(wrong)) / 2
    return total


@pytest.mark.parametrize("loss", STEREO_LOSSES)
def test_a_loss_is_that_of_its_definition(loss: str) -> None:
    positive, negative = np.random.default_rng(0).normal(size=(2, 9))
    counted = np.arange(9) != 4
    found = stereo_loss(tf.constant(positive), tf.constant(negative), tf.constant(counted), loss, 0.2)
    assert float(found) == pytest.approx(by_loops(positive, negative, counted, loss, 0.2))


def test_the_margin_is_kept_from_a_mismatch_that_is_larger_by_it() -> None:
    positive, negative = tf.constant([-0.9, -0.9, -0.5]), tf.constant([-0.7, -0.8, -0.5])
    costs = STEREO_LOSSES["margin"].function(positive, negative, 0.2).numpy()
    np.testing.assert_allclose(costs, [0.0, 0.1, 0.2], atol=1e-6)


def test_nothing_learnt_costs_the_margin_or_the_logarithm_of_two() -> None:
    assert collapsed_stereo_loss("margin", 0.2) == pytest.approx(0.2)
    assert collapsed_stereo_loss("cross_entropy", 0.2) == pytest.approx(math.log(2))


@pytest.mark.parametrize("loss", STEREO_LOSSES)
def test_gradients_are_those_of_small_steps_and_lower_a_match(loss: str) -> None:
    values = tf.constant(np.random.default_rng(1).normal(size=(2, 6)))

    def total(values: tf.Tensor) -> tf.Tensor:
        return stereo_loss(values[0], values[1], tf.ones(6, tf.bool), loss, 0.2)

    with tf.GradientTape() as tape:
        tape.watch(values)
        cost = total(values)
    gradient, step = tape.gradient(cost, values).numpy(), 1e-6
    for row, column in np.ndindex(2, 6):
        moved = np.zeros((2, 6))
        moved[row, column] = step
        slope = (float(total(values + moved)) - float(total(values - moved))) / (2 * step)
        assert gradient[row, column] == pytest.approx(slope, abs=1e-5)
    assert (gradient[0] >= 0).all() and (gradient[1] <= 0).all()


def test_without_a_counted_point_the_loss_is_zero_and_finite_for_extreme_mismatches() -> None:
    huge = tf.constant([1e4, -1e4])
    for loss in STEREO_LOSSES:
        assert float(stereo_loss(huge, -huge, tf.constant([False, False]), loss, 0.2)) == 0
        assert math.isfinite(float(stereo_loss(huge, -huge, tf.constant([True, True]), loss, 0.2)))


def test_every_loss_of_a_stereo_system_is_a_row() -> None:
    assert {loss for row in SYSTEMS.values() if row.gives == COSTS for loss in row.losses} == set(STEREO_LOSSES)
