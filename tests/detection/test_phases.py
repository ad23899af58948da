"""A picture seen in several phases of the cell: the offsets, the exactness they give, and what they cost in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf import SuperPoint
from superpoint_tf.config import DetectionConfig, NetworkConfig
from superpoint_tf.config.scales_and_phases import OFFSETS, PHASES, check_phases
from superpoint_tf.detection.maps import look_at, move_images
from superpoint_tf.models.images import prepare_image
from superpoint_tf.networks.build import build_network
from superpoint_tf.runtime import memory

ALL: dict[str, Any] = {"detection_threshold": 0.001, "border_px": 0}
FAR_PX = 80  # a network's answer this far from the frame has not seen the frame


@pytest.fixture(scope="module")
def model() -> SuperPoint:
    return SuperPoint(build_network(NetworkConfig(width=1 / 16, batch_norm=False, descriptor_dim=8), seed=5))


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def test_the_offsets_of_each_number_of_phases_are_spread_evenly_over_the_cell():
    assert OFFSETS[1] == ((0, 0),)
    assert OFFSETS[2] == ((0, 0), (4, 4))
    assert OFFSETS[4] == ((0, 0), (4, 0), (0, 4), (4, 4))
    assert sorted(OFFSETS[16]) == [(x, y) for x in (0, 2, 4, 6) for y in (0, 2, 4, 6)]
    assert all(len(OFFSETS[phases]) == phases for phases in PHASES)


@pytest.mark.parametrize("phases", [0, 3, -1, 8, 1.5, None, "4", True])
def test_a_number_of_phases_without_offsets_is_named(model: SuperPoint, phases: Any):
    with pytest.raises(ValueError, match=rf"phases: {phases!r}; give 1, 2, 4 or 16"):
        check_phases(phases)
    for ask in (model.extract, model.heatmap):
        with pytest.raises(ValueError, match="phases: "):
            ask(noise(16, 16), phases=phases)


def test_scales_come_in_order_whatever_holds_them():
    for given in ([1.5, 1], np.array([1.5, 1]), iter([1.5, 1])):
        assert DetectionConfig(scales=given, phases=4) == DetectionConfig(scales=(1.0, 1.5), phases=4)


def test_a_moved_image_repeats_its_left_column_and_its_top_row():
    moved = move_images(tf.constant([[1.0, 2.0], [3.0, 4.0]])[None, ..., None], (2, 1))[0, ..., 0]
    np.testing.assert_array_equal(moved, [[1, 1, 1, 2], [1, 1, 1, 2], [3, 3, 3, 4]])


def test_a_forward_that_answers_every_pixel_alone_answers_the_same_in_every_phase():
    image = prepare_image(noise(5, 7))[None]
    for phases in PHASES:
        heatmap, levels = look_at(image, DetectionConfig(phases=phases), lambda seen: (seen[..., 0],))
        np.testing.assert_allclose(heatmap, image[..., 0], rtol=1e-5)
        assert [level.offset for level in levels] == list(OFFSETS[phases])


def test_one_phase_is_the_network_alone_to_the_bit(model: SuperPoint):
    image = noise(33, 57)
    heatmap, *_ = model._forward(prepare_image(image)[None])
    np.testing.assert_array_equal(model.heatmap(image, phases=1), heatmap[0])


def test_the_heatmap_is_the_geometric_mean_of_the_moved_copies_moved_back(model: SuperPoint):
    image = noise(40, 48)
    moved = np.pad(image, ((4, 0), (4, 0)), mode="edge")
    expected = np.sqrt(model.heatmap(image) * model.heatmap(moved)[4:, 4:])
    np.testing.assert_allclose(model.heatmap(image, phases=2), expected, rtol=1e-4)


def test_descriptors_of_the_phases_are_read_at_their_own_positions_and_added(model: SuperPoint):
    image = noise(40, 48)
    found = model.extract(image, **ALL, subpixel=True, phases=2)
    moved = np.pad(image, ((4, 0), (4, 0)), mode="edge")
    alone = model.describe(image, found.keypoints) + model.describe(moved, found.keypoints + 4)
    np.testing.assert_allclose(found.descriptors, alone / np.linalg.norm(alone, axis=1, keepdims=True), atol=1e-5)
    np.testing.assert_array_equal(model.describe(image, found.keypoints, phases=2), found.descriptors)


@pytest.mark.parametrize("move", [(4, 0), (0, 4), (4, 4)])
def test_four_phases_answer_alike_to_a_picture_moved_by_half_a_cell(model: SuperPoint, move: tuple[int, int]):
    x, y = move
    larger = noise(180, 204)
    still, moved = larger[4:, 4:], larger[4 - y : 180 - y, 4 - x : 204 - x]
    inner, there = (np.s_[FAR_PX + dy : -FAR_PX + dy, FAR_PX + dx : -FAR_PX + dx] for dx, dy in ((0, 0), (x, y)))
    one, other = (model.heatmap(picture, phases=4) for picture in (still, moved))
    np.testing.assert_allclose(one[inner], other[there], rtol=1e-3)
    alone = [model.heatmap(picture) for picture in (still, moved)]
    assert np.abs(alone[0][inner] / alone[1][there] - 1).max() > 0.01  # one phase does not


def test_phases_count_the_pixels_of_the_resized_picture(model: SuperPoint):
    image = noise(40, 48)
    _, levels = look_at(prepare_image(image)[None], DetectionConfig(scales=(1.0, 1.5), phases=2), model._forward)
    assert [(level.image_shape, level.offset) for level in levels] == [
        ((40, 48), (0, 0)), ((40, 48), (4, 4)), ((60, 72), (0, 0)), ((60, 72), (4, 4))
    ]  # fmt: skip
    found = model.extract(image, **ALL, scales=(1, 1.5), phases=2)
    assert len(found.keypoints) and found.keypoints.max() < 48
    np.testing.assert_array_equal(model.describe(image, found.keypoints, (1, 1.5), 2), found.descriptors)


@pytest.mark.parametrize("shape", [(1, 1), (1, 100), (33, 57)])
def test_an_image_of_any_size_can_be_seen_in_phases(model: SuperPoint, shape: tuple[int, int]):
    found = model.extract(noise(*shape), **ALL, phases=16)
    assert len(found.keypoints) and (found.keypoints <= np.array(shape)[::-1] - 1).all()


def test_a_batch_in_phases_gives_what_its_pictures_give_alone(model: SuperPoint):
    images = [noise(40, 48), noise(24, 24), noise(40, 48)[::-1]]
    together = model.extract_batch(images, **ALL, phases=4)
    for image, found in zip(images, together.features, strict=True):
        alone = model.extract(image, **ALL, phases=4)
        np.testing.assert_allclose(found.keypoints, alone.keypoints)
        np.testing.assert_allclose(found.descriptors, alone.descriptors, atol=1e-5)


def test_what_the_phases_keep_counts_as_memory(model: SuperPoint, monkeypatch: pytest.MonkeyPatch):
    one, sixteen = (memory.estimate_bytes((100, 100), 8, phases) for phases in (1, 16))
    assert one == memory.estimate_bytes((100, 100), 8) and 2 * one < sixteen < 16 * one
    monkeypatch.setattr(memory, "free_bytes", lambda: int(memory.estimate_bytes((40, 48), 8) * 1.5))
    assert len(model.extract(noise(40, 48), **ALL).keypoints)
    with pytest.raises(memory.PictureTooLarge):
        model.extract(noise(40, 48), **ALL, phases=16)
    assert set(model.extract_batch([noise(40, 48), noise(8, 8)], **ALL, phases=16).left_out) == {0}
