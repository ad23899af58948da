"""D2-Net's loss and its warm-up, against loops written from the definition."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.detection.soft_scores import d2_scores
from superpoint_tf.losses.d2_loss import d2_loss, softmax_loss
from superpoint_tf.losses.dense_losses import DENSE_LOSSES
from superpoint_tf.losses.dense_points import DenseSettings

SHAPE, STRIDE, FIRST = (4, 5), 8, 3.5
SETTINGS = DenseSettings(margin=1.0, radius_px=8.0, min_points=2, first_px=FIRST)


def a_batch(seed: int = 0, pairs: int = 2, points: int = 6) -> tuple[list[np.ndarray], dict[str, tf.Tensor]]:
    random = np.random.default_rng(seed)
    maps = [random.normal(size=(pairs, *SHAPE, 7)).astype(np.float32) for _ in (0, 1)]
    size = np.array([SHAPE[1] * STRIDE, SHAPE[0] * STRIDE])
    batch = {f"points{view}": (random.random((pairs, points, 2)) * size - 0.5).astype(np.float32) for view in (0, 1)}
    batch["points0"][0, 1] = np.nan
    images = {
        f"images{view}": np.zeros((pairs, SHAPE[0] * STRIDE, SHAPE[1] * STRIDE, 1), np.float32) for view in (0, 1)
    }
    return maps, {name: tf.constant(value) for name, value in {**batch, **images}.items()}


def read(features: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Read a map (h, w, D) bilinearly at xy of the picture."""
    x, y = np.clip((point - FIRST) / STRIDE, 0, np.array(features.shape[1::-1]) - 1)
    x0, y0 = min(int(x), features.shape[1] - 2), min(int(y), features.shape[0] - 2)
    value = np.zeros(features.shape[2])
    for row in (y0, y0 + 1):
        for column in (x0, x0 + 1):
            value += (1 - abs(y - row)) * (1 - abs(x - column)) * features[row, column]
    return value


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def cosines(
    maps: list[np.ndarray], batch: dict[str, tf.Tensor], pair: int, row: int
) -> tuple[float, list[list[float]]]:
    """Return the cosine of a correspondence, and those to its negatives in both directions."""
    points = [batch[f"points{view}"][pair, row].numpy() for view in (0, 1)]
    own = [unit(read(unit(maps[view][pair].astype(float)), points[view])) for view in (0, 1)]
    negatives: list[list[float]] = [[], []]
    for view, other in ((0, 1), (1, 0)):
        for i in range(SHAPE[0]):
            for j in range(SHAPE[1]):
                centre = np.array([j, i]) * STRIDE + FIRST
                if np.abs(centre - points[other]).max() > SETTINGS.radius_px:
                    negatives[view].append(float(own[view] @ unit(maps[other][pair, i, j].astype(float))))
    return float(own[0] @ own[1]), negatives


def test_the_loss_is_the_weighted_triplet_of_the_definition() -> None:
    maps, batch = a_batch()
    total = 0.0
    for pair in (0, 1):
        scores = [d2_scores(tf.constant(maps[view]))[pair].numpy()[..., None] for view in (0, 1)]
        above = below = 0.0
        for row in range(6):
            if not np.isfinite(batch["points0"][pair, row].numpy()).all():
                continue
            positive, negatives = cosines(maps, batch, pair, row)
            weight = 1.0
            for view in (0, 1):
                weight *= read(scores[view], batch[f"points{view}"][pair, row].numpy())[0]
            hardest = min(2 - 2 * max(side) for side in negatives)
            above += weight * max(0.0, 1.0 + (2 - 2 * positive) - hardest)
            below += weight
        total += above / below
    found = d2_loss(*({"descriptors": tf.constant(each)} for each in maps), batch, SETTINGS)
    np.testing.assert_allclose(found["desc"], total, rtol=1e-4)


def test_the_warm_up_is_the_cross_entropy_of_the_definition() -> None:
    maps, batch = a_batch(1)
    total = 0.0
    for pair in (0, 1):
        for row in range(6):
            if np.isfinite(batch["points0"][pair, row].numpy()).all():
                positive, negatives = cosines(maps, batch, pair, row)
                for side in negatives:
                    total -= 0.5 * (positive / 0.05 - np.logaddexp.reduce(np.array([positive, *side]) / 0.05))
    found = softmax_loss(*({"descriptors": tf.constant(each)} for each in maps), batch, SETTINGS)
    np.testing.assert_allclose(found["desc"], total, rtol=1e-4)


def test_equal_descriptors_everywhere_cost_the_margin() -> None:
    _, batch = a_batch()
    outputs = {"descriptors": tf.ones((2, *SHAPE, 7))}
    found = d2_loss(outputs, outputs, batch, SETTINGS)["desc"] / DENSE_LOSSES["d2"].counts(batch, SETTINGS)["desc"]
    np.testing.assert_allclose(found, 1.0, atol=1e-6)
    assert DENSE_LOSSES["d2"].collapsed is not None and DENSE_LOSSES["d2"].collapsed(SETTINGS) == 1.0


@pytest.mark.parametrize("name", ["d2", "softmax"])
def test_the_gradient_is_that_of_differences(name: str) -> None:
    maps, batch = a_batch(2)
    row = DENSE_LOSSES[name]
    first, second = tf.Variable(maps[0]), tf.constant(maps[1])

    def value() -> tf.Tensor:
        return row.sums({"descriptors": first}, {"descriptors": second}, batch, SETTINGS)["desc"]

    with tf.GradientTape() as tape:
        loss = value()
    gradient = tape.gradient(loss, first).numpy()
    direction = np.random.default_rng(3).normal(size=maps[0].shape).astype(np.float32)
    step, around = 1e-3, []
    for sign in (1, -1):
        first.assign(maps[0] + sign * step * direction)
        around.append(float(value()))
    np.testing.assert_allclose((around[0] - around[1]) / (2 * step), (gradient * direction).sum(), rtol=2e-2)


@pytest.mark.parametrize("name", ["d2", "softmax", "hardest_contrastive", "circle"])
@pytest.mark.parametrize("hidden", ["nothing is seen", "too few", "no rows"])
def test_without_correspondences_the_loss_and_its_gradient_are_zero(name: str, hidden: str) -> None:
    maps, batch = a_batch()
    if hidden == "nothing is seen":
        batch["points1"] = tf.fill(batch["points1"].shape, float("nan"))
    if hidden == "no rows":
        batch |= {f"points{view}": batch[f"points{view}"][:, :0] for view in (0, 1)}
    settings = SETTINGS._replace(min_points=7) if hidden == "too few" else SETTINGS
    features = tf.Variable(maps[0])
    with tf.GradientTape() as tape:
        outputs = {"descriptors": features, "level_2": tf.repeat(tf.repeat(features, 2, 1), 2, 2)}
        loss = DENSE_LOSSES[name].sums(outputs, outputs, batch, settings)["desc"]
    assert float(loss) == 0.0 and float(DENSE_LOSSES[name].counts(batch, settings)["desc"]) == 0.0
    gradient = tape.gradient(loss, features)
    assert gradient is None or not np.any(gradient.numpy())


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_flat_maps_give_finite_losses(value: float) -> None:
    _, batch = a_batch()
    features = tf.Variable(value * tf.ones((2, *SHAPE, 7)))
    for name in ("d2", "softmax"):
        with tf.GradientTape() as tape:
            outputs = {"descriptors": features}
            loss = DENSE_LOSSES[name].sums(outputs, outputs, batch, SETTINGS)["desc"]
        assert np.isfinite(loss) and np.isfinite(tape.gradient(loss, features)).all()
