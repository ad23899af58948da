"""Losses on vectors: closed forms, loops in float64, gradients, collapse, and points that do not count."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.distance_matrix import allowed, count_points
from superpoint_tf.losses.global_losses import global_loss, orthogonality
from superpoint_tf.losses.patch_points import LossSettings, Points
from superpoint_tf.losses.vector_losses import VECTOR_LOSSES, VectorLoss, collapsed_vector_loss, vector_loss

ROOT2 = math.sqrt(2.0)
EPSILON = 1e-6
TABLE = {**VECTOR_LOSSES, "gor": VectorLoss({"gor": orthogonality}, "pairs")}


def everything_else(count: int) -> tf.Tensor:
    return allowed(tf.range(count), tf.range(count))


def points_of(a: Any, b: Any, negatives: Any = None, partners: Any = None, taps: Any = ()) -> Points:
    """Return points whose negatives are all others, and each one's partner the next."""
    count = len(a)
    negatives = everything_else(count) if negatives is None else tf.constant(negatives)
    partners = (np.arange(count) + 1) % count if partners is None else partners
    taps = tuple((tf.constant(one), tf.constant(other)) for one, other in taps)
    return Points(tf.constant(a), tf.constant(b), negatives, tf.constant(partners, tf.int32), taps)


def settings_of(loss: str, **settings: Any) -> LossSettings:
    return LossSettings(**{"margin": TABLE[loss].margin, **settings})


def total(points: Points, loss: str, **settings: Any) -> tf.Tensor:
    return tf.add_n(list(vector_loss(points, TABLE[loss].terms, settings_of(loss, **settings)).values()))


def apart(count: int, degrees: float) -> tuple[np.ndarray, np.ndarray]:
    """Return a and b: a_i and b_i are so many degrees apart, everything else is orthogonal."""
    angle = math.radians(degrees)
    axes = np.eye(2 * count)
    return axes[:count], math.cos(angle) * axes[:count] + math.sin(angle) * axes[count:]


# ------------------------------------------------------------------------------------------------ closed forms


def test_thirty_degrees_to_the_true_and_right_angles_to_the_rest_cost_hardnet_0_103425_a_point() -> None:
    mean = float(total(points_of(*apart(4, 30.0)), "hardest_triplet")) / 4
    assert mean == pytest.approx(1 + 2 * math.sin(math.radians(15)) - ROOT2, abs=2e-6)
    assert mean == pytest.approx(0.103425, abs=2e-6)


@pytest.mark.parametrize(("count", "expected"), [(4, 2.1909829), (8, 7.9513965)])
def test_e1_of_orthogonal_points_is_l2_nets_closed_form(count: int, expected: float) -> None:
    assert count * math.log(1 + (count - 1) * math.exp(-ROOT2)) == pytest.approx(expected, abs=1e-7)
    identity = points_of(np.eye(count), np.eye(count))
    assert float(total(identity, "l2net_e1")) == pytest.approx(expected, rel=1e-3)  # the true distance is .001, not 0


@pytest.mark.parametrize("count", [3, 8])
def test_e2_of_orthogonal_points_is_p_over_p_minus_1(count: int) -> None:
    sums = vector_loss(points_of(np.eye(count), np.eye(count)), TABLE["l2net_e1_e2"].terms, settings_of("l2net_e1_e2"))
    assert float(sums["e2"]) == pytest.approx(count / (count - 1), rel=1e-9)


def test_e3_of_orthogonal_features_is_a_cross_entropy_of_inner_products_and_adds_up_over_layers() -> None:
    identity = np.eye(5)
    points = points_of(identity, identity, taps=[(identity, identity), (2 * identity, identity)])
    expected = sum(5 * math.log(1 + 4 * math.exp(-height)) for height in (1.0, 2.0))
    sums = vector_loss(points, TABLE["l2net"].terms, settings_of("l2net"))
    assert float(sums["e3"]) == pytest.approx(expected, rel=1e-9)


def test_e3_of_inner_products_of_tens_of_thousands_is_finite() -> None:
    features = 200.0 * np.eye(3, dtype=np.float32)
    points = points_of(features, features[::-1].copy(), taps=[(features, features[::-1].copy())])
    assert float(vector_loss(points, TABLE["l2net"].terms, settings_of("l2net"))["e3"]) == pytest.approx(2 * 40000.0)


def test_j1_of_near_1_and_3_and_far_2_and_6_is_5() -> None:
    near, far, both = tf.constant([1.0, 3.0]), tf.constant([2.0, 6.0]), tf.constant([True, True])
    assert float(global_loss(near, far, both, 0.4)) == 5.0
    assert float(global_loss(far, near, both, 0.4)) == pytest.approx(5.0 + 0.8 * 2.4)


def test_triplet_global_is_the_sum_of_j1_of_squares_over_four_and_j2() -> None:
    points = points_of(*apart(3, 60.0))
    sums = vector_loss(points, TABLE["triplet_global"].terms, settings_of("triplet_global"))
    assert float(sums["j1"]) / 3 == pytest.approx(0.8 * (0.25 - 0.5 + 0.4), abs=1e-9)  # nothing varies
    assert float(sums["j2"]) == 0.0
    loose = vector_loss(points, TABLE["triplet_global"].terms, LossSettings(margin=1.0))
    assert float(loose["j2"]) / 3 == pytest.approx(1 - ROOT2 / 2, abs=1e-6)


def test_contrastive_adds_the_true_distance_and_what_the_hardest_lacks_of_the_margin() -> None:
    for margin, lacking in ((1.0, 0.0), (2.0, 2 - ROOT2)):
        loss = float(total(points_of(*apart(3, 30.0)), "contrastive", margin=margin))
        assert loss / 3 == pytest.approx(2 * math.sin(math.radians(15)) + lacking, abs=1e-5)


def test_the_negative_of_a_triplet_is_that_of_the_nearer_patch_with_the_swap() -> None:
    points = points_of([[0.0, 0.0], [9.0, 9.0]], [[3.0, 0.0], [4.0, 0.0]])  # d+ 3; the negative: 4 from a, 1 from b
    for swap, far in ((False, 4.0), (True, 1.0)):
        for loss, expected in (("triplet", 5.0 + 3.0 - far), ("ratio", (3.0 / (3.0 + far)) ** 2)):
            costs = TABLE[loss].terms["desc"](points, LossSettings(5.0, swap))
            assert float(costs[0]) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("ratio", "kept"), [(1, 4), (2, 2), (4, 1), (8, 1)])
def test_mining_trains_the_hardest_pairs_of_points_and_of_negatives_each_for_themselves(ratio: int, kept: int) -> None:
    near, far = [0.5, 2.0, 1.0, 0.1], [3.5, 1.0, 2.0, 0.2]
    negative_of = [1, 2, 3, 0]  # b of row j is the negative of the row before
    b, a = np.zeros((4, 8)), np.zeros((4, 8))
    for row, (one, other) in enumerate(zip(near, far, strict=True)):  # a_i at `near` from b_i, `far` from its negative
        b[row, row] = 10.0
        a[row] = place(row, negative_of[row], one, other)
    points = points_of(a, b, partners=negative_of)
    positive = sorted(near, reverse=True)[:kept]
    negative = sorted((4 - distance for distance in (far_of(a, b, negative_of))), reverse=True)[:kept]
    expected = (np.mean(positive) + np.mean(np.maximum(negative, 0))) / 2
    assert float(total(points, "mined_pairs", mining_ratio=ratio)) / 4 == pytest.approx(expected, abs=1e-5)


def place(row: int, other: int, near: float, far: float) -> np.ndarray:
    """Return a point at `near` from the corner of its row, on the way to that of the other."""
    point = np.zeros(8)
    share = near / (10.0 * ROOT2)
    point[row], point[other] = 10.0 * (1 - share), 10.0 * share
    return point


def far_of(a: np.ndarray, b: np.ndarray, partners: list[int]) -> list[float]:
    return [math.dist(a[row], b[partner]) for row, partner in enumerate(partners)]


# ------------------------------------------------------------------------------------------------ collapse


COLLAPSED = {
    "hardest_triplet": 1.0,
    "softmax": math.log(5),
    "contrastive": 1.0,
    "l2net": math.log(5),
    "l2net_e1": math.log(5),
    "l2net_e1_e2": math.log(5),
    "pair_hinge": 1.0,
    "mined_pairs": 2.0,
    "triplet": 2.0,
    "ratio": 0.25,
    "triplet_ratio": 1 - 0.001 / 0.011,  # no distance is below .001
    "triplet_global": 1 - 0.001 / 0.011,
}


@pytest.mark.parametrize("loss", VECTOR_LOSSES)
def test_equal_descriptors_cost_what_the_warning_looks_for(loss: str) -> None:
    term = next(iter(VECTOR_LOSSES[loss].terms.values()))
    mean = float(collapsed_vector_loss(everything_else(5), term, settings_of(loss)))
    assert mean == pytest.approx(COLLAPSED[loss], abs=1e-5)
    equal = tf.tile(tf.constant([[0.6, 0.8]]), (5, 1))
    points = Points(equal, equal, everything_else(5), tf.constant([1, 2, 3, 4, 0]), ((equal, equal),))
    sums = vector_loss(points, VECTOR_LOSSES[loss].terms, settings_of(loss))
    assert float(next(iter(sums.values()))) / 5 == pytest.approx(mean, abs=1e-5)


@pytest.mark.parametrize("loss", TABLE)
def test_gradients_of_collapsed_descriptors_are_finite(loss: str) -> None:
    equal = tf.tile(tf.constant([[0.6, 0.8]]), (4, 1))
    with tf.GradientTape() as tape:
        tape.watch(equal)
        points = Points(equal, equal, everything_else(4), tf.constant([1, 2, 3, 0]), ((equal, equal),))
        loss_of_equal = total(points, loss)
    assert np.isfinite(tape.gradient(loss_of_equal, equal)).all()


# ------------------------------------------------------------------------------------------------ loops


def _matrix_cost(i: int, distance: list[list[float]], negatives: np.ndarray, loss: str, margin: float) -> float:
    rows = [distance[i][j] for j in range(len(distance)) if negatives[i, j]]
    columns = [distance[j][i] for j in range(len(distance)) if negatives[j, i]]
    true = distance[i][i]
    if loss == "hardest_triplet":
        return max(0.0, margin + true - min(rows + columns))
    if loss == "contrastive":
        return true + max(0.0, margin - min(rows + columns))
    cost = 0.0
    for others in (rows, columns):
        share = math.exp(2 - true) / (math.exp(2 - true) + sum(math.exp(2 - d) for d in others))
        cost -= 0.5 * math.log(share)
    return cost


def _sample_cost(near: float, far: float, swapped: float, loss: str, margin: float) -> float:
    if loss == "pair_hinge":
        return (near + max(0.0, margin - far)) / 2
    if loss == "triplet":
        return max(0.0, margin + near - min(far, swapped))
    if loss == "ratio":
        return (near / (near + min(far, swapped))) ** 2
    return max(0.0, 1 - far / (near + margin))


def _correlation_cost(vectors: np.ndarray) -> float:
    size, cost = vectors.shape[1], 0.0
    for i in range(size):
        for j in range(size):
            if i != j:
                cost += 0.5 * np.corrcoef(vectors[:, i], vectors[:, j])[0, 1] ** 2
    return cost


def _by_loops(points: Points, loss: str, margin: float) -> float:
    a, b, partners = points.first.numpy(), points.second.numpy(), points.partners.numpy()
    negatives = points.negatives.numpy()
    used = [i for i in range(len(a)) if negatives[i].any() or negatives[:, i].any()]
    dist = lambda x, y: math.sqrt(sum((p - q) ** 2 for p, q in zip(x, y, strict=True)) + EPSILON)  # noqa: E731
    distance = [[dist(x, y) for y in b] for x in a]
    near = {i: distance[i][i] for i in used}
    far = {i: distance[i][partners[i]] for i in used}
    if loss.startswith("l2net") or VECTOR_LOSSES[loss].samples == "matrix":
        cost = sum(_matrix_cost(i, distance, negatives, loss, margin) for i in used)
        if loss in ("l2net", "l2net_e1_e2"):
            cost += _correlation_cost(a[used]) + _correlation_cost(b[used])
        if loss == "l2net":
            for first, second in points.taps:
                products = [[-float(x @ y) for y in second.numpy()] for x in first.numpy()]
                cost += sum(_matrix_cost(i, products, negatives, loss, margin) for i in used)
        return cost
    if loss == "mined_pairs":
        hard = [
            sorted(values, reverse=True)[: max(len(used) // 2, 1)]
            for values in ([near[i] for i in used], [max(0.0, margin - far[i]) for i in used])
        ]
        return len(used) * (np.mean(hard[0]) + np.mean(hard[1])) / 2
    cost = sum(_sample_cost(near[i], far[i], dist(b[i], b[partners[i]]), loss, margin) for i in used)
    if loss == "triplet_global":
        squares = [[(value**2 - EPSILON) / 4 for value in each.values()] for each in (near, far)]
        means, variances = np.mean(squares, axis=1), np.var(squares, axis=1)
        cost += len(used) * (variances.sum() + 0.8 * max(0.0, means[0] - means[1] + 0.4))
    return cost


def random_points(seed: int) -> Points:
    """Return seven points of which one has no negative; a point's partner is one of its negatives."""
    rng = np.random.default_rng(seed)
    a, b, c, d = rng.normal(size=(4, 7, 4))
    negatives = rng.random((7, 7)) < 0.5
    negatives |= negatives.T | (np.abs(np.subtract.outer(range(7), range(7))) == 3)
    np.fill_diagonal(negatives, False)
    negatives[:, 2] = negatives[2] = False
    partners = [int(np.argmax(row)) for row in negatives]
    return points_of(a, 0.3 * b + a, negatives, partners, [(c, d), (d, 0.1 * a)])


@pytest.mark.parametrize("loss", VECTOR_LOSSES)
@pytest.mark.parametrize("margin", [0.4, 1.0])
def test_random_descriptors_cost_what_loops_over_the_points_find(loss: str, margin: float) -> None:
    points = random_points(3)
    ours = total(points, loss, margin=margin, mining_ratio=2)
    assert float(ours) == pytest.approx(_by_loops(points, loss, margin), rel=1e-5, abs=2e-5)


def test_orthogonality_follows_its_formula() -> None:
    points = random_points(5)
    used = [i for i in range(7) if i != 2]
    products = [float(points.first[i].numpy() @ points.second[points.partners[i]].numpy()) for i in used]
    expected = np.mean(products) ** 2 + max(0.0, np.mean(np.square(products)) - 1 / 4)
    assert float(total(points, "gor")) / 6 == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("loss", TABLE)
def test_gradients_equal_finite_differences(loss: str) -> None:
    rng = np.random.default_rng(4)
    points = random_points(4)
    with tf.GradientTape() as tape:
        tape.watch([points.first, points.second])
        loss_there = total(points, loss, mining_ratio=2)
    gradients = tape.gradient(loss_there, [points.first, points.second])
    directions, step = rng.normal(size=(2, 7, 4)), 1e-6

    def along(share: float) -> float:
        first, second = points.first + share * directions[0], points.second + share * directions[1]
        return float(total(points._replace(first=first, second=second), loss, mining_ratio=2))

    slope = sum(float(tf.reduce_sum(tf.convert_to_tensor(g) * d)) for g, d in zip(gradients, directions, strict=True))
    assert (along(step) - along(-step)) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-5)


# ------------------------------------------------------------------------------------------------ what counts


@pytest.mark.parametrize("loss", TABLE)
def test_points_without_a_negative_change_nothing(loss: str) -> None:
    rng = np.random.default_rng(6)
    a, b = rng.normal(size=(2, 5, 4))
    ids = tf.constant([0, 1, 2, -1, -1])
    taps = [(a, b)]
    partners = [1, 2, 0, 0, 0]
    with_others = points_of(a, b, allowed(ids, ids).numpy(), partners, taps)
    alone = points_of(a[:3], b[:3], None, partners[:3], [(a[:3], b[:3])])
    np.testing.assert_allclose(total(with_others, loss), total(alone, loss), rtol=1e-6)
    assert float(count_points(with_others.negatives)) == 3


@pytest.mark.parametrize("loss", TABLE)
def test_a_batch_in_which_nothing_is_a_negative_costs_nothing(loss: str) -> None:
    a = np.random.default_rng(7).normal(size=(3, 4))
    points = points_of(a, a, np.zeros((3, 3), bool), [0, 0, 0], [(a, a)])
    assert float(total(points, loss)) == 0.0
    if loss in VECTOR_LOSSES:
        term = next(iter(VECTOR_LOSSES[loss].terms.values()))
        assert float(collapsed_vector_loss(points.negatives, term, settings_of(loss))) == 0.0


def test_a_duplicate_that_is_allowed_as_a_negative_costs_the_margin_and_none_that_is_not() -> None:
    a, b = apart(3, 0.0)
    a, b = np.concatenate([a, a[:1]]), np.concatenate([b, b[:1]])  # the first point once more, under another number
    assert float(total(points_of(a, b), "hardest_triplet")) == pytest.approx(2.0, abs=1e-3)
    ids = tf.constant([0, 1, 2, 0])
    assert float(total(points_of(a, b, allowed(ids, ids).numpy()), "hardest_triplet")) == 0.0


def test_what_is_of_the_whole_batch_weighs_as_the_points_of_its_part() -> None:
    points = random_points(8)
    sums = vector_loss(points, TABLE["triplet_global"].terms, settings_of("triplet_global"))
    counted = points.counted.numpy()
    near = np.sum((points.first - points.second).numpy() ** 2, axis=1)[counted] / 4
    partner = points.second.numpy()[points.partners.numpy()]
    far = np.sum((points.first.numpy() - partner) ** 2, axis=1)[counted] / 4
    scalar = near.var() + far.var() + 0.8 * max(0.0, near.mean() - far.mean() + 0.4)
    assert float(sums["j1"]) == pytest.approx(6 * scalar, rel=1e-9)
