from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf import SuperPoint
from superpoint_tf.config import DetectionConfig, NetworkConfig
from superpoint_tf.detection import maps
from superpoint_tf.features import Features
from superpoint_tf.models import dense_model as model_module
from superpoint_tf.models import images as images_module
from superpoint_tf.models.images import prepare_image
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import WeightsError, get_weights
from superpoint_tf.runtime import memory

NETWORK = NetworkConfig(width=1 / 16, batch_norm=False, descriptor_dim=8)
ALL = {"detection_threshold": 0.001, "border_px": 0}


@pytest.fixture(scope="module")
def network() -> tf.keras.Model:
    return build_network(NETWORK, seed=5)


@pytest.fixture(scope="module")
def model(network: tf.keras.Model, tmp_path_factory: pytest.TempPathFactory) -> SuperPoint:
    path = tmp_path_factory.mktemp("model") / "weights.npz"
    get_weights(network, NETWORK).save(path)
    return SuperPoint.from_pretrained(path)


@pytest.fixture(scope="module")
def detector(network: tf.keras.Model) -> SuperPoint:
    logits = {"logits": network.output["logits"]}
    return SuperPoint(tf.keras.Model(network.input, logits))  # without its descriptor head


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def assert_equal(found: Features, expected: Features) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("shape", [(33, 57), (32, 32), (8, 8), (7, 40), (1, 100)])
def test_any_size_gives_keypoints_inside_the_image_with_unit_descriptors(model: SuperPoint, shape: tuple[int, int]):
    found = model.extract(noise(*shape), **ALL)
    count = len(found.keypoints)
    assert found.descriptors is not None and count > 0
    assert (found.keypoints.shape, found.scores.shape, found.descriptors.shape) == ((count, 2), (count,), (count, 8))
    assert (found.keypoints >= 0).all() and (found.keypoints <= np.array(shape)[::-1] - 1).all()
    assert (np.diff(found.scores) <= 0).all()
    np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=1), 1, atol=1e-5)
    assert {array.dtype for array in (found.keypoints, found.scores, found.descriptors)} == {np.dtype(np.float32)}


def test_the_score_of_a_keypoint_is_the_heatmap_at_its_pixel(model: SuperPoint):
    image = noise(33, 57)
    heatmap, found = model.heatmap(image), model.extract(image, **ALL)
    assert heatmap.shape == (33, 57) and heatmap.dtype == np.float32
    x, y = found.keypoints.astype(int).T
    np.testing.assert_array_equal(heatmap[y, x], found.scores)


def test_uint8_and_float_and_a_channel_axis_agree(model: SuperPoint):
    image = noise(33, 57)
    expected = model.extract(image, **ALL)
    unit = image.astype(np.float32) / 255
    for same in (image[..., None], unit, unit[..., None], unit.astype(np.float64), tf.constant(unit)):
        assert_equal(model.extract(same, **ALL), expected)


def test_colour_is_weighted_red_green_blue_as_itu_r_601_says():
    colours = np.zeros((1, 3, 3), np.uint8)
    colours[0, [0, 1, 2], [0, 1, 2]] = 255
    np.testing.assert_allclose(prepare_image(colours)[0, :, 0], [0.299, 0.587, 0.114], rtol=1e-6)


@pytest.mark.parametrize("scale", [1, np.float32(1 / 255)])
def test_grey_stored_as_colour_gives_what_grey_gives(model: SuperPoint, scale: Any):
    image = noise(33, 57)
    expected, found = (model.heatmap(i) for i in (image, np.repeat((image * scale)[..., None], 3, axis=2)))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_at_most_the_wanted_number_of_keypoints_the_strongest(model: SuperPoint):
    image = noise(33, 57)
    strongest = model.extract(image, **ALL).take(slice(5))
    found = model.extract(image, max_keypoints=5, **ALL)
    for name in ("keypoints", "scores", "descriptors"):
        np.testing.assert_allclose(getattr(found, name), getattr(strongest, name), atol=1e-6)


def test_no_keypoints_are_wanted_and_none_are_given(model: SuperPoint):
    found = model.extract(noise(16, 16), max_keypoints=0, **ALL)
    assert found.descriptors is not None and found.descriptors.shape == (0, 8) and found.keypoints.shape == (0, 2)
    with pytest.raises(ValueError, match="max_keypoints: -1"):
        model.extract(noise(16, 16), max_keypoints=-1, **ALL)


def test_the_border_is_left_free(model: SuperPoint):
    keypoints = model.extract(noise(33, 57), detection_threshold=0.001, border_px=6).keypoints
    assert len(keypoints) and keypoints.min() >= 6 and (keypoints <= (56 - 6, 32 - 6)).all()


@pytest.mark.parametrize("image", [np.zeros((1, 1), np.uint8), np.full((40, 48), 0.5), np.zeros((3, 200, 1), np.uint8)])
def test_where_nothing_is_found_the_results_are_empty_with_right_shapes_and_match_nothing(
    model: SuperPoint, image: np.ndarray
):
    found = model.extract(image, detection_threshold=0.9)
    assert found.descriptors is not None
    assert (found.keypoints.shape, found.scores.shape, found.descriptors.shape) == ((0, 2), (0,), (0, 8))
    assert {array.dtype for array in (found.keypoints, found.scores, found.descriptors)} == {np.dtype(np.float32)}
    assert model.match(found, found).shape == (0, 2)
    assert model.match(found, model.extract(noise(33, 57), **ALL)).shape == (0, 2)


def test_one_pixel_has_a_heatmap_of_one_pixel(model: SuperPoint):
    assert model.heatmap(np.zeros((1, 1), np.uint8)).shape == (1, 1)


@pytest.mark.parametrize(
    "image, message",
    [
        (np.full((8, 8), np.nan), r"not finite"),
        (np.full((8, 8), np.inf, np.float32), r"not finite"),
        (np.full((8, 8), 128.0), r"outside \[0, 1\].*divide grey levels by 255"),
        (np.full((8, 8), -0.1), r"outside \[0, 1\]"),
        (np.zeros((8, 8, 4), np.uint8), r"shape \(8, 8, 4\); expected \(H, W\)"),
        (np.zeros((8, 8, 2), np.uint8), r"shape \(8, 8, 2\)"),
        (np.zeros((1, 8, 8, 1), np.uint8), r"shape \(1, 8, 8, 1\)"),
        (np.zeros(8, np.uint8), r"shape \(8,\)"),
        (np.zeros((0, 8), np.uint8), r"not empty"),
        (np.zeros((8, 8), np.int32), r"dtype int32; expected uint8"),
        (np.zeros((8, 8), np.int32), r"dtype int32"),
        (np.zeros((8, 8), bool), r"dtype bool"),
        ("a.jpg", r"image is a name, 'a\.jpg': read it first"),
        (None, r"image is None: cv2\.imread"),  # what OpenCV returns for a file that is not there
    ],
)
def test_what_is_no_image_is_refused_with_the_reason(model: SuperPoint, image: Any, message: str):
    for ask in (model.extract, model.heatmap):
        with pytest.raises(ValueError, match=message):
            ask(image)


def test_an_image_matches_itself_keypoint_by_keypoint(model: SuperPoint):
    found = model.extract(noise(33, 57), **ALL)
    number = np.arange(len(found.keypoints))
    np.testing.assert_array_equal(model.match(found, found), np.stack([number, number], axis=1))
    turned = found.take(number[::-1])
    np.testing.assert_array_equal(model.match(found, turned), np.stack([number, number[::-1]], axis=1))


def test_a_detector_alone_finds_the_same_but_describes_nothing_and_refuses_to_match(
    model: SuperPoint, detector: SuperPoint
):
    image = noise(33, 57)
    found, expected = detector.extract(image, **ALL), model.extract(image, **ALL)
    assert found.descriptors is None
    np.testing.assert_array_equal(found.keypoints, expected.keypoints)
    for pair in ((found, expected), (expected, found)):
        with pytest.raises(ValueError, match="a detector alone has no descriptors"):
            detector.match(*pair)


def test_weights_that_are_not_there_are_named(tmp_path: Path):
    with pytest.raises(WeightsError, match="nowhere"):
        SuperPoint.from_pretrained(tmp_path / "nowhere")


def test_a_batch_gives_what_each_image_gives(model: SuperPoint):
    images = [noise(40, 48), noise(32, 32), noise(40, 48)[::-1].copy()]
    found, left_out = model.extract_batch(images, **ALL)
    assert not left_out
    for one, image in zip(found, images, strict=True):
        alone = model.extract(image, **ALL)
        np.testing.assert_array_equal(one.keypoints, alone.keypoints)
        np.testing.assert_allclose(one.scores, alone.scores, atol=1e-6)
        np.testing.assert_allclose(one.descriptors, alone.descriptors, atol=1e-4)


def test_of_an_iterator_few_images_are_held_and_all_come_back_in_order(
    model: SuperPoint, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(model_module, "BATCH_PIXELS", 2 * 24 * 32)
    monkeypatch.setattr(images_module, "_WAITING_PIXELS", 3 * 24 * 32)
    shapes = [(24, 32), (24, 24), (16, 32), (24, 32), (40, 48), (16, 16), (8, 32), (24, 40), (24, 32)]
    images, given, most = [noise(*shape) for shape in shapes], 0, 0
    features_of = model._features

    def count(images: tf.Tensor, *settings: Any) -> list[Features]:
        nonlocal most, given
        most = max(most, given)
        given -= len(images)
        return features_of(images, *settings)

    def stream() -> Iterator[np.ndarray]:
        nonlocal given
        for image in images:
            given += 1
            yield image

    monkeypatch.setattr(model, "_features", count)
    found, left_out = model.extract_batch(stream(), **ALL)
    assert not left_out and given == 0 and most < len(images)
    for one, image in zip(found, images, strict=True):
        np.testing.assert_array_equal(one.keypoints, model.extract(image, **ALL).keypoints)


@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_a_batch_may_be_one_array(model: SuperPoint, channels: tuple[int, ...]):
    images = np.random.default_rng(1).uniform(size=(3, 24, 32, *channels)).astype(np.float32)
    found, _ = model.extract_batch(images, **ALL)
    np.testing.assert_array_equal(found[2].keypoints, model.extract(images[2], **ALL).keypoints)
    found, _ = model.extract_batch(tf.constant(images), **ALL)
    np.testing.assert_array_equal(found[2].keypoints, model.extract(images[2], **ALL).keypoints)


def test_a_batch_goes_on_without_images_that_cannot_be_used_and_says_why(model: SuperPoint):
    images = [None, noise(24, 32), np.full((24, 32), np.nan, np.float32), noise(24, 32)[:0]]
    found, left_out = model.extract_batch(images, **ALL)
    assert set(left_out) == {0, 2, 3}
    assert "is None" in left_out[0] and "not finite" in left_out[2] and "(0, 32)" in left_out[3]
    assert_equal(found[1], model.extract(images[1], **ALL))
    empty = found[2]
    assert empty.descriptors is not None
    assert (empty.keypoints.shape, empty.scores.shape, empty.descriptors.shape) == ((0, 2), (0,), (0, 8))
    assert model.extract_batch([]) == ([], {})


def test_an_image_too_large_for_the_memory_is_refused_and_left_out_of_a_batch(
    model: SuperPoint, monkeypatch: pytest.MonkeyPatch
):
    huge, small = np.zeros((3000, 4000, 3), np.uint8), noise(24, 32)
    monkeypatch.setattr(memory, "free_bytes", lambda: 2_000_000)
    for ask in (model.extract, model.heatmap):
        with pytest.raises(memory.PictureTooLarge, match=r"4000x3000 pixels are too large .*; shrink it"):
            ask(huge)
    found, left_out = model.extract_batch([huge, small], **ALL)
    assert set(left_out) == {0} and "4000x3000" in left_out[0] and len(found[1].keypoints) > 0


def test_where_a_gpu_runs_out_of_memory_the_image_is_named_by_its_own_size_and_a_batch_goes_on_one_by_one(
    model: SuperPoint, monkeypatch: pytest.MonkeyPatch
):
    forward = model._forward

    def with_little_memory(images: tf.Tensor) -> Any:
        if tf.size(images) > 40 * 60:
            raise tf.errors.ResourceExhaustedError(None, None, "out of memory")
        return forward(images)

    monkeypatch.setattr(model, "_forward", with_little_memory)
    large, small = noise(40, 48), noise(24, 32)
    with pytest.raises(memory.PictureTooLarge, match=r"48x40 pixels .* ran out of it"):
        model.extract(large, scales=(1, 1.5))
    found, left_out = model.extract_batch([large, small, small], **ALL, scales=(1, 1.5))
    assert set(left_out) == {0} and "48x40" in left_out[0]
    assert len(found[0].keypoints) == 0 and len(found[1].keypoints) == len(found[2].keypoints) > 0


def test_an_image_above_the_threshold_nowhere_gives_empty_arrays_of_the_usual_kind(model: SuperPoint):
    found = model.extract(np.zeros((24, 32), np.uint8), detection_threshold=1.0)
    assert found.descriptors is not None
    assert (found.keypoints.shape, found.scores.shape, found.descriptors.shape) == ((0, 2), (0,), (0, 8))
    assert {array.dtype for array in (found.keypoints, found.scores, found.descriptors)} == {np.dtype(np.float32)}


def test_describe_gives_the_descriptors_of_extract(model: SuperPoint, detector: SuperPoint):
    image = noise(40, 48)
    found = model.extract(image, **ALL)
    np.testing.assert_array_equal(model.describe(image, found.keypoints), found.descriptors)
    assert model.describe(image, []).shape == (0, 8)
    with pytest.raises(ValueError, match=r"shape \(3,\)"):
        model.describe(image, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="joint model"):
        detector.describe(image, found.keypoints)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"max_keypoints": -1}, "max_keypoints: -1"),
        ({"nms_radius_px": -2}, "nms_radius_px: -2"),
        ({"detection_threshold": 1.5}, "threshold: 1.5 is above the maximum 1"),
        ({"detection_threshold": float("nan")}, "threshold: nan"),
    ],
)
def test_settings_out_of_range_are_named(model: SuperPoint, settings: dict[str, Any], name: str):
    with pytest.raises(ValueError, match=name):
        model.extract(noise(16, 16), **settings)


def test_a_detection_config_is_what_its_settings_by_name_are(model: SuperPoint):
    image = noise(40, 48)
    named = {"nms_radius_px": 2, "border_px": 1, "max_keypoints": 9, "subpixel": True, "scales": (1.5, 1), "phases": 2}
    whole = DetectionConfig(threshold=0.001, **named)
    expected = model.extract(image, threshold=0.001, **named)
    assert len(expected.keypoints) == 9
    assert_equal(model.extract(image, whole), expected)
    assert_equal(model.extract(image, replace(whole, max_keypoints=3, scales=(1.0,)), **named), expected)
    assert_equal(model.extract(image, detection_threshold=0.001, **named), expected)
    assert_equal(
        model.extract_batch([image], whole).features[0], model.extract_batch([image], **ALL | named).features[0]
    )


def test_every_keypoint_is_kept_unless_a_number_is_given(model: SuperPoint):
    image = noise(200, 200)
    found = model.extract(image, threshold=0.0, nms_radius_px=1)
    assert len(found.keypoints) > DetectionConfig().max_keypoints
    assert_equal(model.extract(image, DetectionConfig(0.0, nms_radius_px=1)), found.take(slice(600)))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"detection": 5}, "detection: 5; give a DetectionConfig, or settings by name"),
        ({"max_keypoint": 5}, "max_keypoint: no setting of detection; there are threshold, nms_radius_px"),
        ({"threshold": 0.1, "detection_threshold": 0.1}, "detection_threshold: is threshold"),
    ],
)
def test_what_is_no_setting_is_named(model: SuperPoint, settings: dict[str, Any], words: str):
    for extract in (model.extract, model.extract_batch):
        with pytest.raises(TypeError, match=words):
            extract(noise(16, 16), **settings)


def test_one_other_scale_is_the_resized_image_with_its_keypoints_moved_back(model: SuperPoint):
    image = noise(40, 48)
    large = maps.resize_images(prepare_image(image)[None], 2.0)[0].numpy()
    expected = model.extract(large, detection_threshold=0.001, nms_radius_px=6, border_px=8)
    found = model.extract(image, detection_threshold=0.001, nms_radius_px=3, border_px=4, scales=[2])
    assert len(found.keypoints) > 5
    np.testing.assert_allclose(found.keypoints, (expected.keypoints + 0.5) / 2 - 0.5, atol=1e-5)
    np.testing.assert_allclose(found.scores, expected.scores, rtol=1e-5)
    np.testing.assert_allclose(found.descriptors, expected.descriptors, atol=1e-5)


def test_several_scales_share_one_heatmap_and_one_descriptor(model: SuperPoint):
    image, scales = noise(40, 48), (1.0, 1.5)
    large = maps.resize_images(prepare_image(image)[None], 1.5)[0].numpy()
    heatmap = model.heatmap(image, scales)
    small_part = tf.image.resize(model.heatmap(image)[..., None], (60, 72))[..., 0]
    np.testing.assert_allclose(heatmap, np.sqrt(small_part * model.heatmap(large)), rtol=1e-4)
    found = model.extract(image, **ALL, scales=scales)
    alone = [model.describe(image, found.keypoints), model.describe(large, (found.keypoints + 0.5) * 1.5 - 0.5)]
    expected = sum(alone) / np.linalg.norm(sum(alone), axis=1, keepdims=True)
    np.testing.assert_allclose(found.descriptors, expected, atol=1e-5)
    np.testing.assert_array_equal(model.describe(image, found.keypoints, scales), found.descriptors)
    batch = model.extract_batch([image, noise(24, 24)], **ALL, scales=scales)
    np.testing.assert_allclose(batch.features[0].keypoints, found.keypoints, atol=1e-4)
    assert len(batch.features[1].keypoints)


@pytest.mark.parametrize("scales", [(1.0, 1.5), (0.5,), (0.01 + 1 / 16, 1)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 100), (33, 57)])
def test_an_image_of_any_size_can_be_seen_at_several_scales(
    model: SuperPoint, detector: SuperPoint, scales: tuple[float, ...], shape: tuple[int, int]
):
    for network in (model, detector):
        found = network.extract(noise(*shape), **ALL, scales=scales)
        assert (found.keypoints >= -1).all() and (found.keypoints <= np.array(shape)[::-1]).all()
        assert (found.descriptors is None) == (network is detector)


@pytest.mark.parametrize("scales", [(), (0,), (-1,), (float("nan"),), (100,), (1, 1)])
def test_scales_that_make_no_sense_are_named(model: SuperPoint, scales: tuple[float, ...]):
    named = rf"scales: {scales[0]:g}" if scales else "scales: none"
    with pytest.raises(ValueError, match=named):
        model.extract(noise(16, 16), scales=scales)
    with pytest.raises(ValueError, match=named):
        model.extract_batch([noise(16, 16)], scales=scales)


@pytest.mark.parametrize("scales", [1.5, "1,1.5", None, [[1, 1.5]]])
def test_scales_that_are_no_sequence_of_numbers_are_named_with_what_would_be(model: SuperPoint, scales: Any):
    with pytest.raises(ValueError, match=rf"scales: {re.escape(repr(scales))}; give a sequence .* \(1, 1\.5\)"):
        model.describe(noise(16, 16), [[8, 8]], scales)
