"""What the tools extract with: settings that a feature file is known by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from superpoint_tf.using.extraction_options import DEFAULT_DETECTION, DEFAULT_WEIGHTS
from superpoint_tf.using.extractor import Extractor


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
