"""UCN's contrastive loss: held against its definition written out in loops, its gradient, and where nothing is."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.correspondence_loss import hard_correspondence, random_correspondence
from superpoint_tf.losses.dense_losses import DENSE_LOSSES
from superpoint_tf.losses.dense_points import DenseSettings
from superpoint_tf.losses.loss_randomness import PARTNERS, sample_uniforms

HEIGHT, WIDTH, STRIDE, FIRST = 24, 32, 4, 1.5
SETTINGS = DenseSettings(margin=1.0, radius_px=8.0, min_points=1, first_px=FIRST)


def make_batch(points0, points1) -> dict[str, tf.Tensor]:
    points0, points1 = np.asarray(points0, np.float32), np.asarray(points1, np.float32)
    image = tf.zeros((len(points0), HEIGHT, WIDTH, 1))
    seeds = tf.constant([[3, number] for number in range(len(points0))], tf.int64)
    return {
        "points0": tf.constant(points0),
        "points1": tf.constant(points1),
        "images0": image,
        "images1": image,
        "loss_seeds": seeds,
    }


def random_outputs(seed: int, batch: int = 2, dimension: int = 5) -> dict[str, tf.Tensor]:
    drawn = np.random.default_rng(seed).normal(size=(batch, HEIGHT // STRIDE, WIDTH // STRIDE, dimension))
    return {"descriptors": tf.constant(drawn, tf.float32)}


def random_points(seed: int) -> np.ndarray:
    points = np.random.default_rng(seed).uniform(0, [WIDTH - 1, HEIGHT - 1], (2, 7, 2))
    points[1, 5:] = np.nan
    return points


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def read(features: np.ndarray, point: np.ndarray) -> np.ndarray:
    height, width, _ = features.shape
    x, y = (np.clip((point[axis] - FIRST) / STRIDE, 0, (width, height)[axis] - 1) for axis in (0, 1))
    value = sum(
        max(0.0, 1 - abs(x - j)) * max(0.0, 1 - abs(y - i)) * features[i, j]
        for i in range(height)
        for j in range(width)
    )
    return unit(value)


def written_out(outputs0, outputs1, batch, drawn=None) -> float:
    """Sum 1/4 (s d^2 + (1 - s) max(0, m - d)^2) over every point's two pairs."""
    total = 0.0
    maps = [unit(outputs["descriptors"].numpy().astype(np.float64)) for outputs in (outputs0, outputs1)]
    for b, rows in enumerate(zip(batch["points0"].numpy(), batch["points1"].numpy(), strict=True)):
        for n, (x0, x1) in enumerate(zip(*rows, strict=True)):
            if not (np.isfinite(x0).all() and np.isfinite(x1).all()):
                continue
            query = read(maps[0][b], x0)
            total += ((query - read(maps[1][b], x1)) ** 2).sum() / 4
            distances, height, width = [], *maps[1][b].shape[:2]
            for i in range(height):
                for j in range(width):
                    off = max(abs(STRIDE * j + FIRST - x1[0]), abs(STRIDE * i + FIRST - x1[1]))
                    chosen = drawn is None or drawn[b, n] == i * width + j
                    if off > SETTINGS.radius_px and chosen:
                        distances.append(np.linalg.norm(query - maps[1][b, i, j]))
            if distances:
                total += max(0.0, SETTINGS.margin - min(distances)) ** 2 / 4
    return total


def test_hard_negatives_are_the_nearest_far_features_of_the_whole_map():
    outputs, batch = (random_outputs(0), random_outputs(1)), make_batch(random_points(2), random_points(3))
    found = hard_correspondence(*outputs, batch, SETTINGS)["desc"]
    np.testing.assert_allclose(found, written_out(*outputs, batch), rtol=1e-4)


def test_random_negatives_are_drawn_from_the_seeds_of_the_samples():
    outputs, batch = (random_outputs(0), random_outputs(1)), make_batch(random_points(2), random_points(3))
    features = HEIGHT // STRIDE * (WIDTH // STRIDE)
    drawn = (sample_uniforms(batch["loss_seeds"], PARTNERS, 7).numpy() * features).astype(int)
    found = random_correspondence(*outputs, batch, SETTINGS)["desc"]
    np.testing.assert_allclose(found, written_out(*outputs, batch, drawn), rtol=1e-4)
    hard = hard_correspondence(*outputs, batch, SETTINGS)["desc"]
    assert hard > found


def test_equal_descriptors_cost_a_quarter_of_the_squared_margin():
    equal = {"descriptors": tf.ones((2, HEIGHT // STRIDE, WIDTH // STRIDE, 3))}
    batch = make_batch(random_points(2), random_points(2))
    for name in ("hard_correspondence", "random_correspondence"):
        row = DENSE_LOSSES[name]
        count = float(row.counts(batch, SETTINGS)["desc"])
        assert count == 12
        mean = float(row.sums(equal, equal, batch, SETTINGS)["desc"]) / count
        assert mean <= row.collapsed(SETTINGS) + 1e-3
        if name.startswith("hard"):
            assert mean == pytest.approx(row.collapsed(SETTINGS), rel=5e-3)  # the root is of the square + 1e-6


def test_a_map_that_tells_all_places_apart_costs_nothing():
    height, width = HEIGHT // STRIDE, WIDTH // STRIDE
    one_hot = {"descriptors": tf.reshape(tf.eye(height * width), (1, height, width, -1))}
    places = np.array([[[FIRST + STRIDE * x, FIRST + STRIDE * y] for x in range(width) for y in range(height)]])
    batch = make_batch(places, places)
    assert float(hard_correspondence(one_hot, one_hot, batch, SETTINGS)["desc"]) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("loss", [hard_correspondence, random_correspondence])
def test_no_points_cost_nothing_and_give_finite_gradients(loss):
    nowhere = np.full((2, 4, 2), np.nan)
    maps = random_outputs(0)["descriptors"]
    with tf.GradientTape() as tape:
        tape.watch(maps)
        total = loss({"descriptors": maps}, random_outputs(1), make_batch(nowhere, nowhere), SETTINGS)["desc"]
    assert float(total) == 0 and np.isfinite(tape.gradient(total, maps)).all()


def test_where_no_feature_is_far_enough_only_the_positive_counts():
    outputs, batch = (random_outputs(0), random_outputs(1)), make_batch(random_points(2), random_points(3))
    near = hard_correspondence(*outputs, batch, SETTINGS._replace(radius_px=1000.0))["desc"]
    none = hard_correspondence(*outputs, batch, SETTINGS._replace(margin=0.0))["desc"]
    np.testing.assert_allclose(near, none, rtol=1e-5)


def test_the_gradient_is_the_slope_of_the_loss():
    maps, other = random_outputs(0)["descriptors"], random_outputs(1)
    batch = make_batch(random_points(2), random_points(3))

    def loss(values):
        return hard_correspondence({"descriptors": values}, other, batch, SETTINGS)["desc"]

    with tf.GradientTape() as tape:
        tape.watch(maps)
        total = loss(maps)
    gradient = tape.gradient(total, maps).numpy()
    for index in [(0, 1, 2, 0), (0, 5, 7, 3), (1, 0, 0, 1)]:
        step = np.zeros(maps.shape, np.float32)
        step[index] = 1e-2
        slope = float(loss(maps + step) - loss(maps - step)) / 2e-2
        assert gradient[index] == pytest.approx(slope, abs=2e-3)
