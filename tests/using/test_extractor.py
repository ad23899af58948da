"""What the tools extract with: settings that a feature file is known by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from superpoint_tf.config import NetworkConfig
from superpoint_tf.data.photographs.masked_photographs import frame_mask, resize_mask
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights
from superpoint_tf.using.extraction_options import DEFAULT_DETECTION, DEFAULT_WEIGHTS
from superpoint_tf.using.extractor import Extractor, shrink
from superpoint_tf.using.keypoint_extractors import open_extractor


def test_feature_files_of_earlier_versions_are_those_of_todays_settings():
    identity = Extractor(DEFAULT_WEIGHTS, resize_px=64).identity
    settings = {name: value for name, value in identity.items() if name not in ("weights_sha256", "superpoint_tf")}
    assert settings == {
        "max_keypoints": 2048,
        "threshold": 0.015,
        "nms_radius_px": 4,
        "subpixel": False,
        "scales": (1.0,),
        "phases": 1,
        "resize_px": 64,
    }


def test_another_border_is_another_setting_and_is_kept():
    extractor = Extractor(DEFAULT_WEIGHTS, replace(DEFAULT_DETECTION, border_px=20, threshold=0.001))
    assert extractor.identity["border_px"] == 20
    image = np.random.default_rng(0).integers(0, 256, (96, 96), dtype=np.uint8)
    keypoints = extractor(image).keypoints
    assert len(keypoints) and keypoints.min() >= 20
    np.testing.assert_array_equal(extractor.detect(image)[1], keypoints)


@pytest.fixture(scope="module")
def hardnet(tmp_path_factory: pytest.TempPathFactory) -> str:
    config, path = NetworkConfig(system="hardnet"), tmp_path_factory.mktemp("weights") / "hardnet.npz"
    get_weights(build_network(config, seed=1), config).save(path)
    return str(path)


@pytest.mark.parametrize("resize_px", [None, 200, 151])
@pytest.mark.parametrize(("keypoints", "described"), [(None, False), ("sift", True), ("orb", False), ("harris", False)])
def test_no_keypoint_lies_under_a_mask_in_the_pictures_own_pixels_and_the_budget_counts_the_others(
    keypoints: str | None, described: bool, resize_px: int | None, hardnet: str
):
    generator = np.random.default_rng(3)
    coarse = generator.integers(0, 256, (30, 40), dtype=np.uint8)
    image = coarse.repeat(10, 0).repeat(10, 1)  # edges and corners that survive being shrunk
    mask = np.zeros(image.shape, bool)
    mask[40:237, 83:300], mask[100:120, 160:190] = True, False
    detection = replace(DEFAULT_DETECTION, max_keypoints=8, threshold=0.001)
    what = (DEFAULT_WEIGHTS, keypoints, hardnet if described else None)
    whole = open_extractor(*what, replace(detection, max_keypoints=None), resize_px)(image)
    found = open_extractor(*what, detection, resize_px)(image, mask)
    pixels = [(int(np.floor(y + 0.5)), int(np.floor(x + 0.5))) for x, y in found.keypoints.tolist()]
    assert len(pixels) == 8 and all(mask[pixel] for pixel in pixels)
    assert {tuple(point) for point in found.keypoints.tolist()} <= {tuple(p) for p in whole.keypoints.tolist()}
    assert found.descriptors is None or len(found.descriptors) == 8


def test_a_shrunk_masks_pixel_counts_if_all_that_it_shows_do():
    def shrunk(mask: np.ndarray, limit: int) -> np.ndarray:
        return resize_mask(mask, lambda pixels: shrink(pixels, limit))

    mask = np.ones((6, 9), bool)
    mask[2, 5] = False
    np.testing.assert_array_equal(shrunk(mask, 3), [[True, False, True], [True, True, True]])
    np.testing.assert_array_equal(shrunk(mask, 6)[1], [True, True, True, False, True, True])
    np.testing.assert_array_equal(shrunk(np.ones((701, 997), bool), 331), np.ones((233, 331), bool))
    np.testing.assert_array_equal(shrunk(mask, 9), mask)
    large = np.ones((1200, 1600), bool)
    large[100, 100] = False  # one of 1600 pixels that a pixel shows
    assert not shrunk(large, 40)[2, 2] and shrunk(large, 40).sum() == 30 * 40 - 1
    assert not frame_mask(large, (30, 40))[2, 2]
