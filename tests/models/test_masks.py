"""Extraction under a mask: what is left is what lies on its pixels of all that is found, and the budget counts that."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from superpoint_tf import SuperPoint
from superpoint_tf.config import NetworkConfig
from superpoint_tf.features import Features
from superpoint_tf.models.dense_model import DenseModel
from superpoint_tf.networks.build import build_network

IMAGE = np.random.default_rng(0).integers(0, 256, (61, 90), dtype=np.uint8)
MASK = np.zeros(IMAGE.shape, np.uint8)
MASK[7:50, 11:47] = 255
MASK[20:31, 20:31] = 0
SYSTEMS = {
    "superpoint": NetworkConfig(width=1 / 16, batch_norm=False, descriptor_dim=8),
    "delf-small": NetworkConfig(system="delf-small"),
}


@pytest.fixture(scope="module")
def models() -> dict[str, DenseModel]:
    return {name: DenseModel(build_network(config, seed=5)) for name, config in SYSTEMS.items()}


def by_definition(found: Features, mask: np.ndarray, count: int | None) -> Features:
    """Keep what lies on the pixels of a mask, one keypoint after the other, by no code of the package."""
    rows = []
    for row, (x, y) in enumerate(found.keypoints.tolist()):
        column, line = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        if mask[min(max(line, 0), mask.shape[0] - 1), min(max(column, 0), mask.shape[1] - 1)]:
            rows.append(row)
    return Features(*(None if values is None else values[rows[:count]] for values in found))


def assert_close(found: Features, expected: Features) -> None:
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_allclose(found.descriptors, expected.descriptors, atol=1e-5)


@pytest.mark.parametrize("budget", [None, 6])
@pytest.mark.parametrize(
    ("system", "settings"),
    [
        ("superpoint", {}),
        ("superpoint", {"subpixel": True}),
        ("superpoint", {"scales": (1.0, 1.5), "phases": 2, "subpixel": True}),
        ("superpoint", {"scales": (0.5,)}),
        ("delf-small", {}),
        ("delf-small", {"scales": (0.5, 1.0)}),
    ],
)
def test_what_is_found_lies_on_the_mask_and_the_budget_counts_that_alone(
    models: dict[str, DenseModel], system: str, settings: dict[str, Any], budget: int | None
):
    detection = {"threshold": 0.001, "nms_radius_px": 2, "border_px": 0, **settings}
    every = models[system].extract(IMAGE, **detection, max_keypoints=None)
    expected = by_definition(every, MASK, budget)
    assert 0 < len(by_definition(every, MASK, None).keypoints) < len(every.keypoints)
    assert_close(models[system].extract(IMAGE, mask=MASK, **detection, max_keypoints=budget), expected)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int32])
def test_a_mask_may_be_of_any_whole_numbers_and_have_a_last_axis(models: dict[str, DenseModel], kind: type):
    detection = {"threshold": 0.001, "mask": MASK}
    expected = models["superpoint"].extract(IMAGE, **detection)
    again = models["superpoint"].extract(IMAGE, **{**detection, "mask": MASK.astype(kind)[..., None]})
    assert len(expected.keypoints) and np.array_equal(again.keypoints, expected.keypoints)


def test_a_mask_of_another_shape_is_an_error_that_names_both(models: dict[str, DenseModel]):
    with pytest.raises(ValueError, match=r"the mask has shape \(90, 61\), the image \(61, 90\); they must agree"):
        models["superpoint"].extract(IMAGE, mask=MASK.T)
    with pytest.raises(ValueError, match="the mask has dtype float64; expected uint8 or bool"):
        models["superpoint"].extract(IMAGE, mask=MASK / 255)


def test_a_black_mask_leaves_nothing(models: dict[str, DenseModel]):
    found = models["superpoint"].extract(IMAGE, threshold=0.0, mask=np.zeros_like(MASK))
    assert found.keypoints.shape == (0, 2) and found.descriptors is not None and found.descriptors.shape == (0, 8)


def test_each_image_of_a_batch_has_its_own_mask_or_none(models: dict[str, SuperPoint]):
    model, other = models["superpoint"], np.roll(IMAGE, 9, 1)
    batch = model.extract_batch([IMAGE, other, IMAGE], masks=[MASK, None, MASK[::-1]], threshold=0.001)
    for found, image, mask in zip(batch.features, (IMAGE, other, IMAGE), (MASK, None, MASK[::-1]), strict=True):
        alone = model.extract(image, mask=mask, threshold=0.001)
        assert len(alone.keypoints) and np.array_equal(found.keypoints, alone.keypoints)
    assert not batch.left_out


def test_an_image_of_a_batch_whose_mask_does_not_fit_is_left_out_and_another_number_is_an_error(
    models: dict[str, SuperPoint],
):
    model = models["superpoint"]
    batch = model.extract_batch(iter([IMAGE, IMAGE]), masks=iter([MASK, MASK[1:]]), threshold=0.001)
    assert list(batch.left_out) == [1] and "mask has shape (60, 90), the image (61, 90)" in batch.left_out[1]
    assert len(batch.features[0].keypoints) and not len(batch.features[1].keypoints)
    for masks in ([MASK], [MASK, MASK, MASK]):
        with pytest.raises(ValueError, match="another number of masks than of images"):
            model.extract_batch([IMAGE, IMAGE], masks=masks)
