from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.photometric import photometric_change
from superpoint_tf.data.shapes.synthetic_sets import drawn_primitives, sample_number, synthetic_sample
from superpoint_tf.features import Features
from superpoint_tf.networks.build import build_network
from superpoint_tf.synthetic import PRIMITIVES, draw_sample
from superpoint_tf.training import validation
from superpoint_tf.training.validation import PairsValidator, ShapesValidator

STILL = {
    "patch_ratio": 1.0,
    "perspective_amplitude_x": 0.0,
    "perspective_amplitude_y": 0.0,
    "scale_amplitude": 0.0,
    "max_angle_deg": 0.0,
}


def config(draw: dict[str, Any] | None = None, homography: dict[str, Any] | None = None, **photometric: Any) -> Config:
    return build_config(
        {
            "workers": 0,
            "network": {"width": 0.0625, "batch_norm": False, "descriptor_dim": 8},
            "synthetic": {"draw": {"image_shape": [40, 48], **(draw or {})}},
            "photographs": {"photometric": photometric},
            "detector": {"num_figures": 1},
            "joint": {"num_figures": 2},
            "evaluation": {
                "image_shape": [40, 48],
                "num_pairs": 3,
                "num_keypoints": 30,
                "num_synthetic": 1,
                "homography": homography or {},
            },
        }
    )


@pytest.fixture(scope="module")
def network() -> tf.keras.Model:
    return build_network(config().network, seed=2)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}.png"), draw_sample(0, number)[0])
    return str(folder)


def pairs(config: Config, photographs: str, train: str = "joint") -> PairsValidator:
    config = config.trained_as(train)
    return PairsValidator(config, photographs, ("0.png", "1.png"))


def assert_pictures(figures: dict[str, np.ndarray], *names: str) -> None:
    assert set(figures) == set(names)
    for figure in figures.values():
        assert figure.dtype == np.uint8 and figure.ndim == 3 and figure.shape[2] == 3


class Oracle:
    """Answers every validation picture with its true keypoints, `off_px` to the right."""

    def __init__(self, config: Config, off_px: float) -> None:
        count = len(drawn_primitives(config.synthetic.draw)) * config.evaluation.num_synthetic
        self.truth: dict[bytes, np.ndarray] = {}
        for index in range(count):
            image, keypoints, _ = synthetic_sample(config, "validation", index)
            number, _ = sample_number(config, "validation", index)
            noisy = photometric_change(image, config.synthetic.photometric, config.seed, number)
            self.truth |= {image.tobytes(): keypoints, noisy.tobytes(): keypoints}
        self.off_px = off_px

    def extract(self, image: np.ndarray, max_keypoints: int | None = None, **settings: Any) -> Features:
        keypoints = self.truth[image.tobytes()] + np.float32([self.off_px, 0])
        return Features(keypoints, np.ones(len(keypoints), np.float32))

    def heatmap(self, image: np.ndarray) -> np.ndarray:
        return np.zeros(image.shape, np.float32)


# ------------------------------------------------------------------------------------------------ synthetic shapes


@pytest.mark.parametrize("off_px, precision, error", [(0, 1.0, 0.0), (1, 1.0, 1.0), (200, 0.0, None)])
def test_an_oracle_has_precision_1_one_that_is_a_pixel_off_an_error_of_1_and_one_far_off_finds_nothing(
    off_px: int, precision: float, error: float | None, monkeypatch: pytest.MonkeyPatch
):
    settings = config({"primitives": ["star", "cube"]})
    validator = ShapesValidator(settings)
    oracle = Oracle(settings, off_px)
    monkeypatch.setattr(validation, "SuperPoint", lambda model: oracle)
    metrics, _ = validator.validate(None)
    for name in ("clean", "noisy"):
        assert metrics[f"map_{name}"] == pytest.approx(precision)
        assert metrics[f"loc_{name}"] == pytest.approx(error, abs=1e-5) if error is not None else True


def test_any_network_has_figures_in_range_and_the_key_among_its_metrics(network: tf.keras.Model):
    validator = ShapesValidator(config())
    metrics, figures = validator.validate(network)
    assert validator.key in metrics and set(metrics) == {"map_clean", "loc_clean", "map_noisy", "loc_noisy"}
    assert 0 <= metrics["map_clean"] <= 1 and 0 <= metrics["map_noisy"] <= 1
    assert 0 <= metrics["loc_clean"] <= 3  # epsilon: nothing farther away is right
    assert_pictures(figures, "validation_shapes")


def test_a_primitive_that_is_never_drawn_is_not_validated_on(network: tf.keras.Model, monkeypatch: pytest.MonkeyPatch):
    seen: list[str] = []
    evaluate = validation.evaluate_shapes

    def remember(samples: list[Any], *arguments: Any) -> Any:
        seen.extend(primitive for _, _, primitive in samples)
        return evaluate(samples, *arguments)

    monkeypatch.setattr(validation, "evaluate_shapes", remember)
    metrics, figures = ShapesValidator(config({"frequencies": {"lines": 0}})).validate(network)
    assert set(seen) == set(PRIMITIVES) - {"lines"}
    assert np.isfinite(metrics["map_noisy"])
    assert_pictures(figures, "validation_shapes")


def test_two_validations_of_one_network_are_equal_and_the_samples_are_drawn_once(
    network: tf.keras.Model, monkeypatch: pytest.MonkeyPatch
):
    validator = ShapesValidator(config({"primitives": ["star"]}))
    first = validator.validate(network)[0]
    monkeypatch.setattr(validation, "draw_shapes", None)
    np.testing.assert_equal(validator.validate(network)[0], first)


# ------------------------------------------------------------------------------------------------ photographs


def test_a_network_repeats_and_matches_everything_where_both_views_are_equal(network: tf.keras.Model, photographs: str):
    validator = pairs(config(homography=STILL, enabled=False), photographs)
    metrics, figures = validator.validate(network)
    assert validator.key == "matching_score"
    assert {name: round(value, 3) for name, value in metrics.items()} == {
        "repeatability": 1.0,
        "loc_px": 0.0,
        "matching_score": 1.0,
        "h_1": 1.0,
        "h_3": 1.0,
        "h_5": 1.0,
    }
    assert_pictures(figures, "validation_detections", "validation_matches")


def test_over_warps_every_metric_is_in_range_and_below_what_standing_still_gives(
    network: tf.keras.Model, photographs: str
):
    metrics, _ = pairs(config(), photographs).validate(network)
    assert 0 <= metrics["loc_px"] <= 3
    for name in ("repeatability", "matching_score", "h_1", "h_3", "h_5"):
        assert 0 <= metrics[name] <= 1, name
    assert metrics["repeatability"] < 1 and metrics["matching_score"] < 1
    assert metrics["h_1"] <= metrics["h_3"] <= metrics["h_5"]


def test_a_detector_is_validated_by_its_repeatability_alone(network: tf.keras.Model, photographs: str):
    validator = pairs(config(), photographs, "detector")
    metrics, figures = validator.validate(network)
    assert validator.key == "repeatability" and set(metrics) == {"repeatability", "loc_px"}
    assert_pictures(figures, "validation_detections")


def test_pairs_are_made_once_and_equal_for_every_validator(
    network: tf.keras.Model, photographs: str, monkeypatch: pytest.MonkeyPatch
):
    validators = [pairs(config(), photographs, "detector") for _ in range(2)]
    first, second = (validator.validate(network)[0] for validator in validators)
    monkeypatch.setattr(validation, "random_homography_pairs", None)
    assert validators[0].validate(network)[0] == first == second


def test_photographs_that_cannot_be_read_are_refused(network: tf.keras.Model, tmp_path: Path):
    (tmp_path / "0.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="none of 1 photographs can be read"):
        PairsValidator(config(), str(tmp_path), ("0.png",)).validate(network)
