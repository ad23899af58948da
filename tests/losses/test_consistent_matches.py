"""FCSS's weak supervision: which matches agree both ways, in loops, and what they cost."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.consistent_matches import CONSISTENCY, GRID_STEP, NEGATIVES, consistency, consistent_matches
from superpoint_tf.losses.dense_points import DenseSettings
from superpoint_tf.losses.loss_randomness import PARTNERS, sample_uniforms

SIDE = 12  # features
SETTINGS = DenseSettings(0.0, 6.0)


def make_batch(batch: int = 1, mask: np.ndarray | None = None) -> dict[str, tf.Tensor]:
    image = tf.zeros((batch, 2 * SIDE, 2 * SIDE, 1))
    whole = tf.ones((batch, 2 * SIDE, 2 * SIDE), tf.bool) if mask is None else tf.constant(mask)
    seeds = tf.constant([[1, number] for number in range(batch)], tf.int64)
    return {"images0": image, "images1": image, "mask0": whole, "mask1": whole, "loss_seeds": seeds}


def maps(seed: int, batch: int = 1) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=(batch, SIDE, SIDE, 6)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)


def written_out(first: np.ndarray, second: np.ndarray, batch: dict[str, tf.Tensor]) -> float:
    """Match, match back, keep the cheapest, and add up the cross-entropies: one pair after the other, in float64."""
    total = 0.0
    stride = 2 * GRID_STEP
    for b in range(len(first)):
        points = [(stride * j, stride * i) for i in range(SIDE // GRID_STEP) for j in range(SIDE // GRID_STEP)]
        a, c = (
            each[b, ::GRID_STEP, ::GRID_STEP].reshape(len(points), -1).astype(np.float64) for each in (first, second)
        )
        inside = [bool(batch["mask0"].numpy()[b, y, x]) for x, y in points]
        costs = np.full((len(points), len(points)), 1e9)
        for n, m in np.ndindex(costs.shape):
            if inside[n] and inside[m]:
                costs[n, m] = ((a[n] - c[m]) ** 2).sum()
        rows = []
        for n in range(len(points)):
            there = int(costs[n].argmin())
            back = int(costs[:, there].argmin())
            way = abs(points[back][0] - points[n][0]) + abs(points[back][1] - points[n][1])
            if inside[n] and costs[n, there] < 1e8 and way <= SETTINGS.radius_px:
                rows.append((costs[n, there], n, there))
        rows.sort()
        kept = min(64, len(points))
        drawn = sample_uniforms(batch["loss_seeds"][b : b + 1], PARTNERS, kept * NEGATIVES).numpy()[0] * len(points)
        negatives = drawn.astype(int).reshape(kept, NEGATIVES)
        terms = []
        for (_, n, there), others in zip(rows[:64], negatives, strict=False):
            own = 1 - ((a[n] - c[there]) ** 2).sum()
            scores = [1 - ((a[n] - c[m]) ** 2).sum() for m in others if m != there]
            terms.append(np.log(np.exp([own, *scores]).sum()) - own)
        total += float(np.mean(terms)) if terms else 0.0
    return total


def test_the_loss_is_the_cross_entropy_of_what_comes_home():
    first, second, batch = maps(0, 2), maps(1, 2), make_batch(2)
    found = consistency({"descriptors": tf.constant(first)}, {"descriptors": tf.constant(second)}, batch, SETTINGS)
    np.testing.assert_allclose(found["desc"], written_out(first, second, batch), rtol=1e-4)


def test_only_what_both_masks_have_is_matched():
    mask = np.zeros((1, 2 * SIDE, 2 * SIDE), bool)
    mask[:, 6:20, 3:18] = True
    first, second, batch = maps(2), maps(3), make_batch(mask=mask)
    found = consistency({"descriptors": tf.constant(first)}, {"descriptors": tf.constant(second)}, batch, SETTINGS)
    np.testing.assert_allclose(found["desc"], written_out(first, second, batch), rtol=1e-4)


def test_equal_descriptors_cost_the_log_of_the_candidates():
    one = tf.ones((1, SIDE, SIDE, 3))
    costs = consistency({"descriptors": one}, {"descriptors": one}, make_batch(), SETTINGS)["desc"]
    assert float(costs) == pytest.approx(np.log(1 + NEGATIVES), abs=0.2)  # fewer where a negative is the partner


def test_points_that_go_elsewhere_on_the_way_back_are_left_out():
    similar = tf.constant([[[0.9, 0.0, 0.0], [0.95, 0.0, 0.1], [0.0, 0.2, 0.8]]])
    places = tf.constant([[0.0, 0.0], [40.0, 0.0], [80.0, 0.0]])
    inside = tf.ones((1, 3), tf.bool)
    there, usable, order = consistent_matches(similar, places, inside, inside, 6.0)
    assert there.numpy()[0].tolist() == [0, 0, 2]
    assert order.numpy()[0][usable.numpy()[0]].tolist() == [1, 2]  # 0 is answered by 1, 40 px off


def test_without_anything_inside_the_loss_is_0_and_its_gradient_finite():
    batch = make_batch(mask=np.zeros((1, 2 * SIDE, 2 * SIDE), bool))
    features = tf.constant(maps(0))
    with tf.GradientTape() as tape:
        tape.watch(features)
        total = consistency({"descriptors": features}, {"descriptors": features}, batch, SETTINGS)["desc"]
    assert float(total) == 0 and np.isfinite(tape.gradient(total, features)).all()
    assert float(CONSISTENCY.counts(batch, SETTINGS)["desc"]) == 1
