"""ASLFeat's losses, against loops written from the definition."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.aslfeat_loss import circle_costs, contrastive_costs
from superpoint_tf.losses.dense_losses import DENSE_LOSSES
from superpoint_tf.losses.dense_points import DenseSettings

STRIDE = 4


def unit_rows(seed: int, count: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(2, count, 5))
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def settings(name: str) -> DenseSettings:
    row = DENSE_LOSSES[name]
    return DenseSettings(row.margin, row.radius_px, min_points=2)


def test_the_contrastive_costs_are_those_of_the_definition() -> None:
    rows, negatives = unit_rows(0, 8), np.random.default_rng(1).random((8, 8)) < 0.5
    cosines = rows[0] @ rows[1].T
    distances = np.sqrt(np.maximum(2 - 2 * cosines, 1e-6))
    expected = []
    for i in range(8):
        in_row = [distances[i, j] for j in range(8) if negatives[i, j]] or [10.0]
        in_column = [distances[j, i] for j in range(8) if negatives[j, i]] or [10.0]
        pushed = max(0, 1 - min(in_row)) + max(0, 1 - min(in_column))
        expected.append(max(0, distances[i, i] - 0.2) + 0.5 * pushed)
    found = contrastive_costs(tf.constant(cosines[None]), tf.constant(negatives[None]), settings("hardest_contrastive"))
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


def test_the_circle_costs_are_those_of_the_definition() -> None:
    rows, negatives = unit_rows(2, 6), ~np.eye(6, dtype=bool)
    cosines = rows[0] @ rows[1].T
    expected = []
    for i in range(6):
        p = cosines[i, i]
        pull = -512 * max(0, 1.1 - p) * (p - 0.9)
        both = []
        for others in (cosines[i], cosines[:, i]):
            push = [512 * max(0, others[j] + 0.1) * (others[j] - 0.1) for j in range(6) if j != i]
            both.append(np.logaddexp(0, np.logaddexp.reduce(push) + pull))
        expected.append(np.mean(both))
    found = circle_costs(tf.constant(cosines[None], tf.float32), tf.constant(negatives[None]), settings("circle"))
    np.testing.assert_allclose(found[0], expected, rtol=1e-5)


def test_equal_points_cost_the_circle_loss_little_and_opposite_ones_much() -> None:
    negatives = ~tf.eye(2, dtype=tf.bool)[None]
    right = circle_costs(tf.eye(2)[None], negatives, settings("circle"))
    wrong = circle_costs(-tf.eye(2)[None], negatives, settings("circle"))
    np.testing.assert_allclose(right, np.log1p(np.exp(-2 * 5.12)), atol=1e-6)  # 512 x .1 x .1 of both kinds
    np.testing.assert_allclose(wrong, 512 * 2.1 * 1.9 - 5.12, rtol=1e-4)
    np.testing.assert_array_equal(circle_costs(-tf.eye(2)[None], tf.zeros((1, 2, 2), tf.bool), settings("circle")), 0)


@pytest.mark.parametrize("name", ["hardest_contrastive", "circle"])
def test_points_near_each_other_are_no_negatives(name: str) -> None:
    points = np.array([[[10.0, 10.0], [15.0, 14.0], [40.0, 40.0], [60.0, 20.0]]], np.float32)
    batch = {f"points{view}": tf.constant(points) for view in (0, 1)}
    batch |= {f"images{view}": tf.zeros((1, 64, 80, 1)) for view in (0, 1)}
    features = np.random.default_rng(0).normal(size=(1, 16, 20, 6)).astype(np.float32)
    outputs = {"descriptors": tf.constant(features), "level_2": tf.ones((1, 16, 20, 3))}
    rows = [features[0, round(y / 4), round(x / 4)] for x, y in points[0]]
    near = DENSE_LOSSES[name].sums(outputs, outputs, batch, settings(name))["desc"]
    assert np.isfinite(near) and len(rows) == 4
    # the second point looks like the first: at five pixels that costs nothing, at twenty it does
    features[0, 2:5, 2:5] = features[0, 2, 2]
    alike = {**outputs, "descriptors": tf.constant(features)}
    assert float(DENSE_LOSSES[name].sums(alike, alike, batch, settings(name))["desc"]) <= float(near) + 1e-3


def test_scores_decide_how_much_a_point_counts() -> None:
    points = np.array([[[8.0, 8.0], [48.0, 40.0]]], np.float32)
    batch = {f"points{view}": tf.constant(points) for view in (0, 1)}
    batch |= {f"images{view}": tf.zeros((1, 64, 64, 1)) for view in (0, 1)}
    first = np.zeros((1, 16, 16, 2), np.float32)
    first[..., 0] = 1.0
    second = first.copy()
    second[0, 8:, :] = [0.0, 1.0]  # the second point moved away by 90 degrees, the first did not
    level = np.zeros((1, 16, 16, 1), np.float32)
    plain = {"level_2": tf.constant(level)}
    level[0, 10, 12] = 5.0
    peaked = {"level_2": tf.constant(level)}
    costs = []
    for scores in (plain, peaked):
        outputs = [{"descriptors": tf.constant(each), **scores} for each in (first, second)]
        costs.append(
            float(DENSE_LOSSES["hardest_contrastive"].sums(*outputs, batch, settings("hardest_contrastive"))["desc"])
        )
    assert costs[1] > costs[0] > 0.0
    # 90 degrees are sqrt 2 apart; the other point's nearest negative, of either direction, is as near as its positive
    assert costs[0] < math.sqrt(2) - 0.2 + 1.0
