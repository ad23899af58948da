"""Both problems on patches whose answer is known: what tells points apart lies in one ring, the rest is noise."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.evaluation.patch_metrics import fpr95
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.pooled_gradients import GradientMaps
from superpoint_tf.networks.weights import Weights, assign_weights
from superpoint_tf.training.convex.descent import Descent, PairRows
from superpoint_tf.training.convex.pairs import PatchPairs, SplitRows, pairs_of, pooled_differences, ring_distances
from superpoint_tf.training.convex.problems import ProjectionProblem, RingProblem
from superpoint_tf.training.convex.rings import candidate_rings
from superpoint_tf.training.convex.stages import train_convex

SIDE, INNER_PX = 64, 14


def config(**convex: float) -> Config:
    small = {"radii": 4, "angles": 2, "deviations": 2, "ring_steps": 150, "pairs": 64, "ring_l1": 0.02}
    patches = {"steps": 40, "convex": {**small, **convex}}
    return build_config({"train": "patches", "network": {"system": "convex-48"}, "patches": patches})


@pytest.fixture(scope="module")
def batch() -> PatchPairs:
    """160 points: the middle of a patch is the point's own, all around it is new in every patch, and stronger."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    inside = np.hypot(x, y) < INNER_PX

    def texture() -> np.ndarray:
        coarse = tf.image.resize(random.random((160, 16, 16, 1)), (SIDE, SIDE), "bicubic")
        return np.asarray(coarse)[..., 0]

    middle = texture()
    views = [np.where(inside, middle + 0.05 * texture(), 2.0 * texture() - 0.5) for _ in range(2)]
    first, second = (np.clip(255 * view, 0, 255).astype(np.uint8) for view in views)
    rows = np.arange(160)
    negatives = np.concatenate([np.stack([rows, np.roll(rows, shift)], axis=1) for shift in (40, 80, 120)])
    return PatchPairs(first, second, negatives, rows % 40 < 20)  # shifts of 40 keep pairs within one set


def descended(problem: Any, rows: PairRows, steps: int) -> Descent:
    descent = Descent(problem)
    for _ in range(steps):
        descent.advance(rows, 64, seed=0)
    return descent


def test_few_rings_are_left_near_the_middle_and_tell_points_apart_better_than_all(batch: PatchPairs) -> None:
    settings = config().patches.convex
    rings = candidate_rings(settings, SIDE)
    rows = ring_distances([batch], rings, GradientMaps("maps", 8, 1.4))
    problem = RingProblem(settings, np.full(len(rings), 8), 72)
    start, end = Descent(problem), descended(problem, rows.train, 150)
    before, after = start.validate(rows.held_out), end.validate(rows.held_out)
    assert before["hinge"] == 1.0 and after["hinge"] < 0.5
    left = np.flatnonzero(end.solution)
    assert 0 < len(left) < len(rings) / 2
    weights = end.solution / end.solution.sum()
    assert np.dot(weights, [ring.radius_px for ring in rings]) < INNER_PX
    assert after["fpr95"] < 0.5 * fpr95(*(each.sum(axis=1) for each in rows.held_out))  # all rings alike


def test_the_projection_lowers_hinge_and_rank_and_keeps_what_the_features_told_apart() -> None:
    settings, random = config().patches.convex, np.random.default_rng(1)
    same = random.normal(size=(4000, 12)).astype(np.float32)
    same[:, :3] *= 0.1  # three features tell points apart, the others are noise
    others = random.normal(size=(4000, 12)).astype(np.float32)
    problem = ProjectionProblem(dataclasses.replace(settings, trace=0.1, gamma=1.0), 12, 48)
    descent = descended(problem, PairRows(same[:2000], others[:2000]), 200)
    held_out = PairRows(same[2000:], others[2000:])
    values = descent.validate(held_out)
    assert values["rank"] == 3 and values["hinge"] < 0.3
    assert np.abs(descent.solution[:, 3:]).max() < 0.1 * np.abs(descent.solution).max()
    assert values["fpr95"] < 0.5 * fpr95(*(np.square(each).sum(axis=1) for each in held_out))


def test_a_descent_goes_on_from_its_arrays_as_if_it_had_not_stopped() -> None:
    random = np.random.default_rng(2)
    rows = PairRows(random.random((50, 6)), 2 * random.random((60, 6)))
    problem = RingProblem(config().patches.convex, np.full(6, 8), 16)
    whole, first = descended(problem, rows, 20), descended(problem, rows, 8)
    first.validate(rows)
    again = Descent.of(problem, first.arrays())
    assert (again.best_step, again.best_error) == (8, first.best_error)
    np.testing.assert_array_equal(again.solution, first.solution)
    for _ in range(12):
        again.advance(rows, 64, seed=0)
    np.testing.assert_array_equal(again.solution, whole.solution)


def test_a_network_has_room_for_the_heaviest_rings() -> None:
    problem = RingProblem(config().patches.convex, np.array([8, 4, 8, 1, 8]), 13)
    np.testing.assert_array_equal(problem.kept(np.array([0.5, 0.2, 0.3, 0.1, 0.0])), [0.5, 0.2, 0, 0.1, 0])


def test_distances_and_differences_are_those_of_a_loop_over_pairs(batch: PatchPairs) -> None:
    maps, random = GradientMaps("maps", 8, 1.4), np.random.default_rng(3)
    few = PatchPairs(batch.patches0[:6], batch.patches1[:6], np.array([[0, 1], [4, 5], [2, 5]]), np.arange(6) > 3)
    pooling, scales = random.random((2, SIDE**2)).astype(np.float32) / 2000, np.array([2.0, 0.5], np.float32)
    rows = pooled_differences([few], pooling, scales, maps)
    pooled = [
        np.minimum(pooling @ maps(each[..., None] / np.float32(255)).numpy().reshape(6, -1, 8), 1) for each in few[:2]
    ]
    expected = {(i, j): ((pooled[0][i] - pooled[1][j]) * scales[:, None]).ravel() for i in range(6) for j in range(6)}
    np.testing.assert_allclose(rows.train.positives, [expected[i, i] for i in range(4)], atol=1e-5)
    np.testing.assert_allclose(rows.held_out.positives, [expected[i, i] for i in (4, 5)], atol=1e-5)
    np.testing.assert_allclose(
        rows.train.negatives, [expected[0, 1]], atol=1e-5
    )  # (2, 5) is of both sets, and left out
    np.testing.assert_allclose(rows.held_out.negatives, [expected[4, 5]], atol=1e-5)


def descend(problem: Any, rows: SplitRows, steps: int) -> Descent:
    descent = descended(problem, rows.train, steps)
    descent.validate(rows.held_out)
    return descent


def test_the_networks_distances_with_the_weights_are_those_of_the_projection(batch: PatchPairs) -> None:
    settings, solved = config(), []

    def remember(problem: Any, rows: SplitRows, steps: int) -> Descent:
        solved.append((rows, descend(problem, rows, steps)))
        return solved[-1][1]

    arrays = train_convex([batch], settings, remember)
    network = build_network(settings.network)
    assign_weights(network, Weights(settings.network, arrays), "trained")
    first, second = (
        network(each[..., np.newaxis] / np.float32(255))["vector"].numpy() for each in (batch.patches0, batch.patches1)
    )
    rows, descent = solved[1]
    squares = np.square(first - second).sum(axis=1)[~batch.held_out]
    np.testing.assert_allclose(squares, descent.problem.distances(descent.best, rows.train.positives), rtol=1e-3)
    matrix = np.square(first[:, None] - second[None]).sum(axis=2)
    assert np.mean(matrix.argmin(axis=1) == np.arange(160)) > 0.5


def test_a_regulariser_that_leaves_nothing_and_a_set_without_pairs_are_refused(batch: PatchPairs) -> None:
    with pytest.raises(ConfigError, match=r"no ring has a weight; lower patches\.convex\.ring_l1"):
        train_convex([batch], config(ring_l1=1e3), descend)
    with pytest.raises(ConfigError, match=r"0 pairs of one point and 0 of two are held out: give more"):
        train_convex([batch._replace(held_out=np.zeros(160, bool))], config(), descend)


def test_pairs_of_a_batch_leave_out_what_is_not_valid_or_near_and_hold_out_whole_pictures() -> None:
    patches = tf.random.stateless_uniform((8, 4, 4, 1), (0, 1))
    batch = {
        "patches0": patches,
        "patches1": patches,
        "point": tf.constant([1, 2, 3, 4, 5, 6, 7, -1], tf.int64),
        "picture": tf.constant([0, 0, 0, 1, 1, 2, 2, 2], tf.int64),
        "position": tf.constant([[0.0, 0], [1, 0], [50, 0], [0, 0], [50, 0], [0, 0], [50, 0], [0, 0]]),
        "valid": tf.constant([True] * 7 + [False]),
    }
    settings = config(negatives=5, held_out=2)
    pairs = pairs_of(batch, settings, (0, 0))
    assert pairs.patches0.shape == (7, 4, 4) and pairs.patches0.dtype == np.uint8
    np.testing.assert_array_equal(pairs.held_out, [True] * 3 + [False] * 2 + [True] * 2)
    found = {tuple(pair) for pair in pairs.negatives.tolist()}
    assert len(found) == len(pairs.negatives) == 7 * 5  # each point five different ones
    assert not found & {(0, 1), (1, 0), *((i, i) for i in range(7))}  # 1 px apart, and the same
    np.testing.assert_array_equal(pairs.negatives, pairs_of(batch, settings, (0, 0)).negatives)
    assert not np.array_equal(pairs.negatives, pairs_of(batch, settings, (0, 1)).negatives)
