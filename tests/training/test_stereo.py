"""MC-CNN as a row of the table: from a config to steps on drawn and on read pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config, load_config
from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.evaluation.methods.stereo_methods import load_stereo_methods
from superpoint_tf.models.stereo_model import StereoModel
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.systems import COSTS, SYSTEMS
from superpoint_tf.training import stereo_validation
from superpoint_tf.training.build import build_task
from superpoint_tf.training.objectives.objectives import OBJECTIVES
from superpoint_tf.training.trainer import train

CONFIGS = Path(__file__).resolve().parents[2] / "configs" / "zoo"
ROWS = [name for name, row in SYSTEMS.items() if row.gives == COSTS]


def config(system: str = "mc-cnn-fast", root: Path | str = "", **stereo: Any) -> Config:
    settings = {"batch_size": 16, "points_per_pair": 8, "max_disparity_px": 12.0, "steps": 2, "warmup_steps": 0}
    intervals = {"log_every": 1, "validate_every": 2, "checkpoint_every": 1, "num_figures": 1}
    return build_config(
        {
            "train": "stereo",
            "workers": 0,
            "network": {"system": system},
            "photographs": {"root": str(root), "image_shape": [32, 64]},
            "stereo": {**settings, **intervals, **stereo},
        }
    )


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, random = tmp_path_factory.mktemp("photographs"), np.random.default_rng(0)
    for number in range(4):
        image = cv2.GaussianBlur(random.integers(0, 256, (60, 100), np.uint8), (0, 0), 1.5)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX))
    return folder


@pytest.fixture(autouse=True)
def few_held_out_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stereo_validation, "_NUM_PAIRS", 2)
    monkeypatch.setattr(stereo_validation, "_POINTS_A_PAIR", 32)


@pytest.mark.parametrize("system", ROWS)
def test_every_system_has_a_shipped_config_that_loads_or_its_settings(system: str) -> None:
    assert OBJECTIVES["stereo"](config(system)).term_names == ("cost",)
    for path in CONFIGS.glob("mc-cnn*.yaml"):
        settings = load_config(path)
        assert settings.training is settings.stereo and SYSTEMS[settings.network.system].train == "stereo"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"loss": "cross_entropy"}, "cross_entropy does not train mc-cnn-fast; use margin"),
        ({"batch_size": 12}, "12 points do not come from whole pairs"),
        ({"negative_px": [0.5, 4.0]}, "both above `stereo.positive_px`, 1: nearer patches match"),
        ({"negative_px": [6.0, 4.0]}, r"\[6, 4\]; give \[low, high\]"),
        ({"max_disparity_px": 64.0}, "64 leaves nothing that pictures of 64 px both show"),
        ({"changes": {"scale_x": [2.0, 1.0]}}, "`stereo.changes.scale_x`: 2 is above 1"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        config(**settings)


def test_the_layers_are_not_a_setting() -> None:
    with pytest.raises(ConfigError, match=r"`network\.width`: the layers of mc-cnn-fast are fixed"):
        build_config({"train": "stereo", "network": {"system": "mc-cnn-fast", "width": 0.5}})


@pytest.mark.parametrize("system", ["mc-cnn-fast", "mc-cnn-accurate"])
def test_a_run_on_drawn_pairs_writes_weights_that_match_pairs(photographs: Path, tmp_path: Path, system: str) -> None:
    weights = train(build_task(config(system, photographs)), tmp_path / "run")
    assert load_weights(weights).network.system == system
    model = StereoModel.from_pretrained(weights)
    picture = cv2.imread(str(photographs / "0.png"), cv2.IMREAD_GRAYSCALE)
    assert model.disparity(picture[:20, 4:40], picture[:20, 6:42], 8).shape == (20, 36)
    names = [method.name for method in load_stereo_methods([f"net={weights}"])]
    assert names == ["net", "net, agreed", "net, least cost"]
    assert (tmp_path / "run" / "figures").is_dir() or list((tmp_path / "run").rglob("*validation_pairs*"))


def test_a_run_that_stops_goes_on_to_the_same_weights(photographs: Path, tmp_path: Path) -> None:
    settings: dict[str, Any] = {"root": photographs, "schedule": "constant", "validate_every": 9}
    whole = train(build_task(config(steps=3, **settings)), tmp_path / "whole")
    train(build_task(config(steps=1, **settings)), tmp_path / "parts")
    parts = train(build_task(config(steps=3, **settings)), tmp_path / "parts")
    assert load_weights(parts).step in (0, 1, 3)
    last = [load_weights(tmp_path / run / "checkpoints" / "latest-3").arrays for run in ("whole", "parts")]
    assert all((last[0][name] == last[1][name]).all() for name in last[0]) and Path(whole).exists()


def test_a_run_on_read_pairs_holds_the_last_out(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        wide = random.integers(0, 256, (40, 90), np.uint8)
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "im2.png"), wide[:, :80])
        cv2.imwrite(str(tmp_path / name / "im6.png"), wide[:, 3:83])
        cv2.imwrite(str(tmp_path / name / "disp2.png"), np.full((40, 80), 24, np.uint8))
    task = build_task(config(data=str(tmp_path)))
    assert "2 pairs" in task.source.description and task.source.description.endswith("held out: c")
    with BatchStream(task.source, task.kind, 2, task.source.key, task.views, 0) as stream:
        batch = next(stream.batches())
    assert batch["left"].shape == (16, 9, 9, 1) and bool(batch["valid"].numpy().all())
    network_metrics, figures = task.validator.validate(_network(task.config))
    assert network_metrics["bad_1"] == pytest.approx(1 - network_metrics["within_1px"]) and figures
    for name in ("b", "c"):
        for path in (tmp_path / name).iterdir():
            path.unlink()
    with pytest.raises(ConfigError, match="one pair of pictures; give at least two"):
        build_task(config(data=str(tmp_path)))


def _network(settings: Config) -> Any:
    from superpoint_tf.networks.build import build_network

    return build_network(settings.network)


def test_a_loss_of_equal_mismatches_and_a_batch_without_truth_are_said(photographs: Path) -> None:
    task = build_task(config(root=photographs))
    with BatchStream(task.source, task.kind, 2, task.source.key, task.views, 0) as stream:
        batch = next(stream.batches())
    assert "sits at 0.2000" in task.objective.warning({"cost": 0.2}, batch)
    assert task.objective.warning({"cost": 0.1}, batch) == ""
    nothing = {**batch, "valid": np.zeros(16, bool)}
    assert "whose disparity is known" in task.objective.warning({"cost": 0.1}, nothing)
    assert float(task.objective.counts(batch)["cost"]) == 16
