"""UCN and FCSS from a config to steps: planes and changed appearance as samples, and validation by PCK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config, load_config
from superpoint_tf.data.planes import planes_pair
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.systems import SYSTEMS
from superpoint_tf.systems.correspondence_systems import CORRESPONDENCE_SYSTEMS
from superpoint_tf.training.build import build_task
from superpoint_tf.training.correspondence_validation import CorrespondenceValidator

ZOO = Path(__file__).resolve().parents[2] / "configs" / "zoo"
SHAPE = (48, 64)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(3):
        noise = np.random.default_rng(number).uniform(0, 255, (60, 80)).astype(np.float32)
        smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2.0), None, 0, 255, cv2.NORM_MINMAX)
        cv2.imwrite(str(folder / f"{number}.png"), smooth)
    return folder


def config(photographs: Path, system: str = "ucn-small", **dense: Any) -> Config:
    settings = {"batch_size": 2, "steps": 2, "warmup_steps": 0, "num_figures": 1}
    if not system.startswith("fcss"):  # it finds its points by itself
        settings |= {"points_per_pair": 64, "min_points": 4}
    return build_config(
        {
            "train": "dense",
            "workers": 0,
            "network": {"system": system},
            "photographs": {
                "root": str(photographs),
                "image_shape": list(SHAPE),
                "homography": {"max_angle_deg": 10.0},
                "photometric": {"max_brightness": 10.0},
            },
            "dense": {**settings, "planes": {"segments": [2, 4], "baseline": 0.1}, **dense},
            "evaluation": {"num_pairs": 3, "image_shape": list(SHAPE), "homography": {"max_angle_deg": 10.0}},
        }
    )


def first_batch(settings: Config) -> tuple[Any, dict[str, tf.Tensor]]:
    task = build_task(settings)
    rendered = task.source.render(task.source.payloads(range(2)))
    signature = task.kind.signature(task.source, 2)
    for name, spec in signature.items():
        assert spec.is_compatible_with(tf.convert_to_tensor(rendered[name])), name
    tensors = {name: tf.constant(rendered[name]) for name in signature}
    return task, task.kind.assemble(tensors, task.source.key, task.views)


def test_planes_give_what_homographies_give(photographs):
    _, planes = first_batch(config(photographs, truth="planes"))
    _, homographies = first_batch(config(photographs))
    assert planes.keys() == homographies.keys()
    for name in planes:
        assert planes[name].dtype == homographies[name].dtype and len(planes[name].shape) == len(
            homographies[name].shape
        )
    points0, points1 = planes["points0"].numpy(), planes["points1"].numpy()
    shown = np.isfinite(points0)
    assert shown.mean() > 0.3 and (shown == np.isfinite(points1)).all()
    assert np.isnan(planes["homography_0to1"]).all() and planes["mask0"].numpy().all()
    _, again = first_batch(config(photographs, truth="planes"))
    np.testing.assert_array_equal(planes["images1"], again["images1"])


def test_points_of_planes_lie_where_the_views_show_the_same(photographs):
    settings = config(photographs, truth="planes", points_per_pair=256)
    _, batch = first_batch(settings)
    levels = []
    for view in (0, 1):
        points, image = batch[f"points{view}"].numpy()[0], batch[f"images{view}"].numpy()[0, ..., 0]
        x, y = np.round(points[np.isfinite(points[:, 0])]).astype(int).T
        levels.append(image[y, x])
    assert np.corrcoef(*levels)[0, 1] > 0.6


@pytest.mark.parametrize("truth", ["homography", "planes"])
def test_a_changed_appearance_is_of_the_second_view_alone(photographs, truth):
    _, plain = first_batch(config(photographs, truth=truth))
    _, changed = first_batch(config(photographs, truth=truth, appearance="changed"))
    np.testing.assert_array_equal(plain["images0"], changed["images0"])
    np.testing.assert_array_equal(plain["points1"], changed["points1"])
    assert np.abs(plain["images1"] - changed["images1"]).max() > 0.1


@pytest.mark.parametrize(
    "system, dense",
    [
        ("ucn-small", {"truth": "planes"}),
        ("ucn-small", {"loss": "random_correspondence"}),
        ("ucn-small-st", {}),
        ("fcss-small", {"appearance": "changed", "batch_size": 1}),
    ],
)
def test_every_weight_has_a_finite_gradient(photographs, system, dense):
    if system == "fcss-small":
        dense = {**dense, "trainable": "level"}
    task, batch = first_batch(config(photographs, system, **dense))
    network = build_network(task.config.network)
    variables = list(named_variables(network, only_trainable=True).values())

    @tf.function
    def gradients() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            total = task.objective.loss_terms(network, batch)["desc"].sum
        return tape.gradient(total, variables, unconnected_gradients="zero")

    found = gradients()
    assert all(np.isfinite(each).all() for each in found)
    assert sum(float(tf.reduce_sum(tf.abs(each))) > 0 for each in found) > len(found) / 2


def test_validation_measures_all_three_kinds_of_pairs(photographs):
    settings = config(photographs, "ucn-small")
    names = sorted(path.name for path in photographs.iterdir())
    validator = CorrespondenceValidator(settings, str(photographs), names)
    metrics, figures = validator.validate(build_network(settings.network))
    assert set(metrics) == {f"{what}_{group}" for what in ("pck10", "pck.1") for group in ("h", "planes", "cross")}
    assert all(0 <= value <= 1 for value in metrics.values())
    assert validator.key in metrics and list(figures) == ["validation_points"]


def test_systems_that_only_describe_are_validated_by_where_they_put_points(photographs):
    assert isinstance(build_task(config(photographs)).validator, CorrespondenceValidator)


def test_planes_are_drawn_in_the_frames_own_pixels(photographs):
    with pytest.raises(ConfigError, match=r"photographs\.source_scale.*give 1"):
        build_config(
            {
                "train": "dense",
                "network": {"system": "ucn"},
                "dense": {"truth": "planes"},
                "photographs": {"source_scale": 2},
            }
        )
    with pytest.raises(ConfigError, match=r"dense\.planes\.segments.*above"):
        build_config({"dense": {"planes": {"segments": [5, 4]}}})


@pytest.mark.parametrize("name", ["ucn", "ucn-laptop", "fcss", "fcss-laptop"])
def test_the_shipped_configs_load(name):
    loaded = load_config(ZOO / f"{name}.yaml")
    assert loaded.train == "dense" and loaded.network.system in CORRESPONDENCE_SYSTEMS
    assert SYSTEMS[loaded.network.system].train == "dense"


def test_the_sample_of_a_number_is_that_of_planes_pair(photographs):
    settings = config(photographs, truth="planes")
    task, batch = first_batch(settings)
    image = cv2.imread(task.source.picture_name(0), cv2.IMREAD_GRAYSCALE)
    frame = cv2.resize(image, SHAPE[::-1], interpolation=cv2.INTER_AREA)
    pair = planes_pair(frame, settings.dense.planes, task.source.key, 0)
    np.testing.assert_array_equal(batch["mask1"][0], ~pair.filled1)
