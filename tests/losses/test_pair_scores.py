"""Losses on scores: closed forms, loops, gradients and collapse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.distance_matrix import allowed
from superpoint_tf.losses.pair_scores import SCORE_LOSSES, Scores, collapsed_score_loss, score_loss


def scores_of(positive: list[float], negative: list[float], counted: list[bool] | None = None) -> Scores:
    counted = [True] * len(positive) if counted is None else counted
    return Scores(tf.constant(positive, tf.float64), tf.constant(negative, tf.float64), tf.constant(counted))


def by_loops(scores: Scores, loss: str, margin: float) -> float:
    rows = [row for row, used in enumerate(scores.counted.numpy()) if used]
    positive, negative = ([float(each[row]) for row in rows] for each in scores[:2])
    if loss == "global":
        lacking = max(0.0, np.mean(negative) - np.mean(positive) + margin)
        return len(rows) * (np.var(positive) + np.var(negative) + 0.8 * lacking)
    total = 0.0
    for own, other in zip(positive, negative, strict=True):
        if loss == "hinge":
            total += (max(0.0, margin - own) + max(0.0, margin + other)) / 2
        else:
            total -= math.log(1 / (1 + math.exp(-own))) / 2 + math.log(1 - 1 / (1 + math.exp(-other))) / 2
    return total


def test_a_score_beyond_the_margin_costs_nothing_and_a_wrong_one_its_distance_from_it() -> None:
    assert float(score_loss(scores_of([2.0], [-1.0]), "hinge", 1.0)) == 0.0
    assert float(score_loss(scores_of([-1.0], [0.5]), "hinge", 1.0)) == (2.0 + 1.5) / 2


def test_j3_sees_means_and_variances_alone() -> None:
    assert float(score_loss(scores_of([3.0, 5.0], [1.0, 1.0]), "global", 1.0)) == 2 * 1.0
    assert float(score_loss(scores_of([1.0, 1.0], [1.0, 1.0]), "global", 1.0)) == pytest.approx(2 * 0.8)


@pytest.mark.parametrize("loss", SCORE_LOSSES)
def test_random_scores_cost_what_loops_find_and_points_without_negatives_nothing(loss: str) -> None:
    positive, negative = np.random.default_rng(0).normal(0.3, 1.5, size=(2, 6)).tolist()
    scores = scores_of(positive, negative, [True, True, False, True, True, False])
    for margin in (0.5, 1.0):
        assert float(score_loss(scores, loss, margin)) == pytest.approx(by_loops(scores, loss, margin), rel=1e-9)


@pytest.mark.parametrize("loss", SCORE_LOSSES)
def test_gradients_equal_finite_differences(loss: str) -> None:
    rng = np.random.default_rng(1)
    positive, negative = (tf.constant(each) for each in rng.normal(size=(2, 5)))
    counted, step = tf.constant([True, True, True, False, True]), 1e-6
    directions = rng.normal(size=(2, 5))
    with tf.GradientTape() as tape:
        tape.watch([positive, negative])
        total = score_loss(Scores(positive, negative, counted), loss, 1.0)
    slope = sum(
        float(tf.reduce_sum(g * d)) for g, d in zip(tape.gradient(total, [positive, negative]), directions, strict=True)
    )
    ahead, behind = (
        float(score_loss(Scores(positive + s * directions[0], negative + s * directions[1], counted), loss, 1.0))
        for s in (step, -step)
    )
    assert (ahead - behind) / (2 * step) == pytest.approx(slope, abs=1e-6)


@pytest.mark.parametrize(("loss", "expected"), [("hinge", 1.0), ("cross_entropy", math.log(2)), ("global", 0.8)])
def test_the_score_0_for_all_costs_what_the_warning_looks_for(loss: str, expected: float) -> None:
    everything_else = allowed(tf.range(4), tf.range(4))
    margin = SCORE_LOSSES[loss].margin
    assert float(collapsed_score_loss(everything_else, loss, margin)) == pytest.approx(expected, abs=1e-6)
    assert float(collapsed_score_loss(tf.zeros((4, 4), tf.bool), loss, margin)) == 0.0


def test_large_scores_cost_finite_cross_entropy() -> None:
    assert float(score_loss(scores_of([-1e4], [1e4]), "cross_entropy", 0.0)) == 1e4
