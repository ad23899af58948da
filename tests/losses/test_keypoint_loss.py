"""The loss on descriptors read at keypoints: by eye, against its definition point by point, and at its edges."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import JointSection
from superpoint_tf.detection.maps import sample_descriptors
from superpoint_tf.losses.correspondences import Correspondences, count_correspondences
from superpoint_tf.losses.keypoint_loss import collapsed_keypoint_loss, keypoint_loss

NAN = np.nan
SOFTMAX = JointSection(keypoint_weight=1.0)
HARDEST = JointSection(keypoint_weight=1.0, keypoint_loss="hardest")
FORMS = pytest.mark.parametrize("config", [SOFTMAX, HARDEST], ids=["softmax", "hardest"])
NEGATIVES = pytest.mark.parametrize("negatives", ["keypoints", "map", "batch"])


def pairs_of(points0: Any, points1: Any) -> Correspondences:
    points0, points1 = np.array(points0, np.float32), np.array(points1, np.float32)
    present = np.isfinite(points0).all(-1) & np.isfinite(points1).all(-1)
    return Correspondences(tf.constant(points0), tf.constant(points1), tf.constant(present))


def random_inputs(batch: int = 2, rows: int = 3, columns: int = 4, points: int = 7, dim: int = 5) -> list[Any]:
    """Random maps, points within the frame of which some are near each other or missing, and masks with holes."""
    generator = np.random.default_rng(rows * columns)
    maps = [generator.normal(size=(batch, rows, columns, dim)).astype(np.float32) for _ in range(2)]
    points0, points1 = (generator.uniform(0, [8 * columns, 8 * rows], (batch, points, 2)) for _ in range(2))
    points0[:, 1], points1[:, 2] = points0[:, 0] + 1.0, points1[:, 3] - 1.0  # within 2 px
    points0[0, 4] = points1[0, 4] = points1[1, 5] = NAN
    masks = [generator.random((batch, rows, columns)) > 0.25 for _ in range(2)]
    return [*map(tf.constant, maps), pairs_of(points0, points1), *map(tf.constant, masks)]


def slow_loss(inputs: list[Any], config: JointSection) -> tuple[float, int]:
    """The definition, point by point and candidate by candidate."""
    *maps, pairs, valid0, valid1 = inputs
    read = [sample_descriptors(maps[view], pairs[view]).numpy() for view in (0, 1)]
    unit = [each.numpy() / np.linalg.norm(each.numpy(), axis=-1, keepdims=True) for each in maps]
    points, valid = [pairs[view].numpy() for view in (0, 1)], [valid0.numpy(), valid1.numpy()]
    present = [(b, m) for b, m in np.ndindex(*pairs.present.shape) if pairs.present.numpy()[b, m]]
    total = 0.0
    for view, (b, m) in itertools.product((0, 1), present):
        other, own = 1 - view, read[view][b, m]
        negatives = []
        for c, n in present:
            near = np.hypot(*(points[other][b, m] - points[other][c, n])) <= config.keypoint_radius_px
            if (c == b and not near) or (c != b and config.keypoint_negatives == "batch"):
                negatives.append(own @ read[other][c, n])
        for y, x in np.ndindex(*valid[other].shape[1:]) if config.keypoint_negatives != "keypoints" else ():
            distance = np.hypot(*(points[other][b, m] - [8 * x + 3.5, 8 * y + 3.5]))
            if valid[other][b, y, x] and distance > max(config.keypoint_radius_px, 8):
                negatives.append(own @ unit[other][b, y, x])
        total += slow_term(own @ read[other][b, m], np.array(negatives), config)
    return total, 2 * len(present)


def slow_term(true: float, negatives: np.ndarray, config: JointSection) -> float:
    if config.keypoint_loss == "softmax":
        exponentials = np.exp(np.append(negatives, true) / config.keypoint_temperature)
        return -math.log(exponentials[-1] / exponentials.sum())
    if not len(negatives):
        return 0.0
    return max(0.0, config.keypoint_margin + math.sqrt(2 - 2 * true) - math.sqrt(2 - 2 * negatives.max()))


def value_and_gradients(inputs: list[Any], config: JointSection) -> tuple[tf.Tensor, list[tf.Tensor]]:
    with tf.GradientTape() as tape:
        tape.watch(inputs[:2])
        total = keypoint_loss(*inputs, config)
    return total, tape.gradient(total, inputs[:2])


# ------------------------------------------------------------------------------------------------ definition


def three_points(seen: Any, config: JointSection, points: Any = ((3.5, 3.5), (11.5, 3.5), (19.5, 3.5))) -> float:
    """The mean loss of three points on the centres of three cells, with descriptors (1, 3, 3) in view 1."""
    valid = tf.ones((1, 1, 3), tf.bool)
    pairs = pairs_of([points], [points])
    maps = tf.eye(3)[None, None], tf.constant(seen, tf.float32)[None, None]
    assert float(count_correspondences(pairs)) == 6
    return float(keypoint_loss(*maps, pairs, valid, valid, config) / 6)


def test_the_right_point_costs_nothing_and_a_wrong_one_its_similarity_over_the_temperature() -> None:
    assert three_points(np.eye(3), SOFTMAX) == pytest.approx(2 * math.exp(-20), abs=1e-6)
    assert three_points(np.roll(np.eye(3), 1, axis=0), SOFTMAX) == pytest.approx(20.0, abs=1e-5)
    assert three_points(np.roll(np.eye(3), 1, axis=0), replace(SOFTMAX, keypoint_temperature=2.0)) == pytest.approx(
        math.log(2 + math.exp(0.5))
    )


def test_the_hardest_negative_must_be_farther_than_the_true_point_by_the_margin() -> None:
    config = replace(HARDEST, keypoint_margin=0.5)
    assert three_points(np.eye(3), config) == 0.0  # 0.5 + 0 - 1.41
    assert three_points(np.roll(np.eye(3), 1, axis=0), config) == pytest.approx(0.5 + 2**0.5, abs=2e-3)
    assert three_points(np.ones((3, 3)), config) == pytest.approx(0.5, abs=1e-5)


@FORMS
def test_points_within_the_radius_of_the_true_one_are_no_negatives(config: JointSection) -> None:
    wrong = np.roll(np.eye(3), 1, axis=0)
    assert three_points(wrong, config) > 1.0
    assert three_points(wrong, replace(config, keypoint_radius_px=16.0)) == 0.0
    # left and middle spare each other; the right one is 16 px from the left, and looks for one that is there
    assert 0.0 < three_points(wrong, replace(config, keypoint_radius_px=8.0)) < three_points(wrong, config)


def test_cells_of_the_map_are_negatives_beyond_eight_pixels_where_they_are_valid() -> None:
    config = replace(SOFTMAX, keypoint_negatives="map", keypoint_temperature=1.0)
    cells, pairs = tf.ones((1, 1, 4, 2)), pairs_of([[[3.5, 3.5]]], [[[3.5, 3.5]]])
    valid, holed = tf.ones((1, 1, 4), tf.bool), tf.constant([[[True, True, True, False]]])
    # equal descriptors: log of the number of candidates; cell 1 is 8 px away, cells 2 and 3 farther
    assert float(keypoint_loss(cells, cells, pairs, valid, valid, config)) == pytest.approx(2 * math.log(3))
    assert float(keypoint_loss(cells, cells, pairs, valid, holed, config)) == pytest.approx(math.log(3) + math.log(2))


def test_points_of_other_pictures_are_negatives_wherever_they_lie() -> None:
    config = replace(SOFTMAX, keypoint_negatives="batch", keypoint_temperature=1.0)
    points = [[[3.5, 3.5], [NAN, NAN]], [[3.5, 3.5], [4.5, 3.5]]]
    cells, valid = tf.ones((2, 1, 1, 4)), tf.ones((2, 1, 1), tf.bool)
    pairs = pairs_of(points, points)
    total = keypoint_loss(cells, cells, pairs, valid, valid, config)
    assert float(count_correspondences(pairs)) == 6
    assert float(total) == pytest.approx(2 * (math.log(3) + 2 * math.log(2)))


@NEGATIVES
@FORMS
def test_the_loss_equals_its_definition_point_by_point(config: JointSection, negatives: str) -> None:
    config, inputs = replace(config, keypoint_negatives=negatives), random_inputs()
    total = keypoint_loss(*inputs, config)
    expected, expected_count = slow_loss(inputs, config)
    assert float(total) == pytest.approx(expected, rel=1e-4)
    assert float(count_correspondences(inputs[2])) == expected_count == 24


@FORMS
def test_exchanging_the_views_changes_nothing(config: JointSection) -> None:
    config = replace(config, keypoint_negatives="batch")
    map0, map1, pairs, valid0, valid1 = random_inputs()
    exchanged = keypoint_loss(map1, map0, Correspondences(pairs[1], pairs[0], pairs[2]), valid1, valid0, config)
    assert float(exchanged) == pytest.approx(float(keypoint_loss(map0, map1, pairs, valid0, valid1, config)))


# ------------------------------------------------------------------------------------------------ gradients


@FORMS
def test_gradients_agree_with_finite_differences(config: JointSection) -> None:
    config = replace(config, keypoint_negatives="batch", keypoint_temperature=1.0)
    inputs = random_inputs(rows=2, columns=2, points=6, dim=3)
    _, gradients = value_and_gradients(inputs, config)
    for view in (0, 1):
        direction = tf.random.stateless_normal(inputs[view].shape, (view, 1))
        high, low = (
            keypoint_loss(*inputs[:view], inputs[view] + sign * 1e-3 * direction, *inputs[view + 1 :], config)
            for sign in (1.0, -1.0)
        )
        expected = float(high - low) / 2e-3
        assert float(tf.reduce_sum(gradients[view] * direction)) == pytest.approx(expected, rel=1e-2, abs=1e-2)


@NEGATIVES
@FORMS
@pytest.mark.parametrize("case", ["no pairs", "no valid cells", "zero vectors", "equal descriptors", "one point"])
def test_empty_sets_zero_vectors_and_equal_descriptors_have_finite_gradients(
    config: JointSection, negatives: str, case: str
) -> None:
    map0, map1, pairs, valid0, valid1 = random_inputs()
    if case == "no pairs":
        pairs = pairs_of(np.full((2, 7, 2), NAN), np.full((2, 7, 2), NAN))
    if case == "no valid cells":
        valid0 = valid1 = tf.zeros_like(valid0)
    if case == "zero vectors":
        map0, map1 = tf.zeros_like(map0), tf.zeros_like(map1)
    if case == "equal descriptors":
        map0 = map1 = tf.ones_like(map0)
    if case == "one point":
        pairs = pairs_of([[[9.0, 9.0]], [[NAN, NAN]]], [[[9.0, 9.0]], [[NAN, NAN]]])
    inputs = [map0, map1, pairs, valid0, valid1]
    total, gradients = value_and_gradients(inputs, replace(config, keypoint_negatives=negatives))
    assert math.isfinite(float(total))
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    if case == "no pairs":
        assert float(total) == float(count_correspondences(pairs)) == 0.0
        assert not any(gradient.numpy().any() for gradient in gradients)


def test_a_descriptor_that_is_nan_makes_the_loss_nan() -> None:
    inputs = random_inputs()
    inputs[0] = tf.fill(inputs[0].shape, NAN)
    assert math.isnan(float(keypoint_loss(*inputs, SOFTMAX)))


@NEGATIVES
@FORMS
def test_half_precision_descriptors_are_read_and_compared_in_float32(config: JointSection, negatives: str) -> None:
    config, inputs = replace(config, keypoint_negatives=negatives), random_inputs()
    inputs[:2] = [tf.cast(descriptors, tf.bfloat16) for descriptors in inputs[:2]]
    total, gradients = value_and_gradients(inputs, config)
    inputs[:2] = [tf.cast(descriptors, tf.float32) for descriptors in inputs[:2]]
    assert total.dtype == tf.float32 and gradients[0].dtype == tf.bfloat16
    assert float(total) == pytest.approx(float(keypoint_loss(*inputs, config)), rel=1e-6)


@pytest.mark.parametrize("mode", ["unknown shapes", "XLA"])
@pytest.mark.parametrize(("config", "negatives"), [(SOFTMAX, "batch"), (HARDEST, "map")])
def test_a_compiled_loss_equals_the_eager_one(config: JointSection, negatives: str, mode: str) -> None:
    config, inputs = replace(config, keypoint_negatives=negatives), random_inputs()
    expected, expected_gradients = value_and_gradients(inputs, config)
    flat = [*inputs[:2], *inputs[2], *inputs[3:]]

    def compute(*flat: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        return value_and_gradients([*flat[:2], Correspondences(*flat[2:5]), *flat[5:]], config)

    shapes = [(None, None, None, 5)] * 2 + [(None, 7, 2)] * 2 + [(None, 7)] + [(None, None, None)] * 2
    signature = [tf.TensorSpec(shape, x.dtype) for shape, x in zip(shapes, flat, strict=True)]
    options: Any = {"jit_compile": True} if mode == "XLA" else {"input_signature": signature}
    total, gradients = tf.function(compute, **options)(*flat)
    assert float(total) == pytest.approx(float(expected), rel=1e-5)
    for gradient, expected_gradient in zip(gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(gradient, expected_gradient, atol=1e-4)


# ------------------------------------------------------------------------------------------------ learning nothing


@NEGATIVES
@FORMS
def test_the_collapsed_value_is_what_equal_descriptors_cost(config: JointSection, negatives: str) -> None:
    config = replace(config, keypoint_negatives=negatives)
    *maps, pairs, valid0, valid1 = random_inputs()
    total = keypoint_loss(*map(tf.ones_like, maps), pairs, valid0, valid1, config)
    assert float(collapsed_keypoint_loss(pairs, valid0, valid1, config)) == pytest.approx(
        float(total / count_correspondences(pairs)), rel=1e-4
    )


def test_without_pairs_the_collapsed_value_is_zero() -> None:
    none = pairs_of([[[NAN, NAN]]], [[[NAN, NAN]]])
    valid = tf.ones((1, 2, 2), tf.bool)
    assert float(collapsed_keypoint_loss(none, valid, valid, SOFTMAX)) == 0.0


def test_it_can_be_learnt_and_tells_neighbouring_pixels_apart() -> None:
    """Gradient descent on the maps alone: afterwards every point finds itself, 5 px from the next one."""
    x = 4.0 + 5.0 * np.arange(6)
    pairs = pairs_of([np.stack([x, 0 * x + 8], axis=1)], [np.stack([x, 0 * x + 8], axis=1)])
    maps = [tf.Variable(tf.random.stateless_normal((1, 2, 5, 8), (0, view))) for view in (0, 1)]
    valid = tf.ones((1, 2, 5), tf.bool)

    @tf.function
    def descend() -> tf.Tensor:
        with tf.GradientTape() as tape:
            total = keypoint_loss(*maps, pairs, valid, valid, SOFTMAX)
        for variable, gradient in zip(maps, tape.gradient(total, maps), strict=True):
            variable.assign_sub(0.03 * gradient)
        return total / count_correspondences(pairs)

    losses = [float(descend()) for _ in range(200)]
    read = [sample_descriptors(variable, pairs.points0)[0].numpy() for variable in maps]
    np.testing.assert_array_equal((read[0] @ read[1].T).argmax(axis=1), range(6))
    assert losses[-1] < 0.1
