"""Pairs of views for maps of features: points that correspond, and a pure function of key and number."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import HomographyConfig
from superpoint_tf.data.batches.dense_batch import DenseSettings, dense_batch
from superpoint_tf.data.views import ViewSettings

SHAPE = (64, 80)


def rendered(numbers: list[int]) -> dict[str, tf.Tensor]:
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (len(numbers), *SHAPE)).astype(np.uint8)
    return {
        "numbers": tf.constant(numbers, tf.int64),
        "pictures": tf.constant(numbers, tf.int64),
        "images": tf.constant(pictures),
        "images1": tf.constant(pictures),
        "keypoints": tf.zeros((len(numbers), 0, 2)),
    }


def settings(points: int = 128, both: bool = False, **homography: float) -> DenseSettings:
    return DenseSettings(ViewSettings(HomographyConfig(**homography), both=both), points)


def carried(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1) @ matrix.T
    return homogeneous[:, :2] / homogeneous[:, 2:]


@pytest.mark.parametrize("both", [False, True])
def test_rows_of_both_views_show_the_same_place_and_lie_in_both_masks(both: bool) -> None:
    batch = {name: value.numpy() for name, value in dense_batch(rendered([3, 4]), 0, settings(both=both)).items()}
    assert batch["points0"].shape == batch["points1"].shape == (2, 128, 2)
    for place in (0, 1):
        points0, points1 = batch["points0"][place], batch["points1"][place]
        present = np.isfinite(points0).all(axis=1)
        assert present.sum() > 10 and (np.isfinite(points1).all(axis=1) == present).all()
        expected = carried(points0[present].astype(float), batch["homography_0to1"][place].astype(float))
        np.testing.assert_allclose(points1[present], expected, atol=2e-2)
        for view, points in enumerate((points0, points1)):
            x, y = np.floor(points[present] + 0.5).astype(int).T
            assert batch[f"mask{view}"][place, y, x].all()


def test_a_sample_is_the_same_in_whatever_batch_and_has_points_of_its_own() -> None:
    alone, together = dense_batch(rendered([7]), 5, settings()), dense_batch(rendered([6, 7]), 5, settings())
    np.testing.assert_array_equal(alone["points0"][0], together["points0"][1])
    assert not np.array_equal(together["points0"][0], together["points0"][1])
    assert not np.array_equal(dense_batch(rendered([7]), 6, settings())["points0"], alone["points0"])


def test_where_nothing_is_known_in_both_views_no_row_is_there() -> None:
    batch = dense_batch({**rendered([1]), "known": tf.zeros((1, *SHAPE), tf.bool)}, 0, settings())
    assert np.isnan(batch["points0"]).all() and np.isnan(batch["points1"]).all()
    assert np.isfinite(batch["images1"]).all()
