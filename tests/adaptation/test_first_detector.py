from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superpoint_tf.adaptation import first_detector
from superpoint_tf.adaptation.first_detector import find_first_detector
from superpoint_tf.config import Config, ConfigError, NetworkConfig
from superpoint_tf.config.config_files import build_config, config_to_yaml
from superpoint_tf.data.shapes.record_folder import record_settings
from superpoint_tf.networks import pretrained
from superpoint_tf.networks.build import weight_shapes
from superpoint_tf.networks.weights import Weights, WeightsError
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console

AUTOMATIC = Path("outputs/tiny-magicpoint")
USERS = Path("outputs/magicpoint")


class Trainings:
    """Stands for the training: remembers what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, Path, str]] = []

    def __call__(self, task: Any, output: Path, *, quick_command: str, replicas: Any) -> Path:
        self.calls.append((task, output, quick_command))
        return output / "weights.npz"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of shipped weights, empty."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(pretrained, "WEIGHTS_FOLDER", folder)
    return folder


@pytest.fixture(autouse=True)
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    trainings = Trainings()
    monkeypatch.setattr(first_detector, "train", trainings)
    return trainings


def config(source: str = "auto", **detector: Any) -> Config:
    settings = {"steps": 5, **detector}
    return build_config({"name": "tiny", "workers": 0, "detector": settings, "synthetic": {"source": source}})


def find(config: Config, named: str | None = None, shard: tuple[int, int] = (0, 1), from_scratch: bool = False) -> Path:
    return find_first_detector(
        config, named, shard, Console(quick_command="python quick.py"), from_scratch=from_scratch
    )


def zero_weights(network: NetworkConfig) -> Weights:
    network = network.with_system("magicpoint")
    shapes = weight_shapes(network)
    return Weights(network, {name: np.zeros(shape, np.float32) for name, shape in shapes.items()})


def ship(folder: Path, network: NetworkConfig) -> None:
    """Put a detector of that network among the weights that come with the package, as `magicpoint-tiny`."""
    path = folder / "magicpoint-tiny.npz"
    zero_weights(network).save(path)
    (folder / "SHA256SUMS").write_text(f"{storage.sha256_file(path)}  {path.name}\n")


def write_weights(path: Path) -> None:
    zero_weights(NetworkConfig()).save(path)


def write_run(path: Path, config: Config, finished_steps: int | None) -> None:
    """Write what training leaves in its folder, as far as it is looked at."""
    write_weights(path / "weights.npz")
    storage.write_bytes(path / "config.yaml", config_to_yaml(config).encode())
    if finished_steps is not None:
        storage.write_json(path / "summary.json", {"steps": finished_steps})


def trained_on(config: Config, source: str) -> Config:
    """Return the config that a run's folder holds, where `auto` is decided."""
    return dataclasses.replace(config, train="detector", synthetic=dataclasses.replace(config.synthetic, source=source))


def write_records(config: Config) -> None:
    storage.write_json(Path(config.synthetic.root) / "manifest.json", {**record_settings(config), "files": []})


# ------------------------------------------------------------------------------------------------ shipped


def test_what_comes_with_the_package_for_this_network_comes_before_a_training(shipped: Path, trainings: Trainings):
    ship(shipped, NetworkConfig())
    assert find(config()) == Path("magicpoint-tiny") and not trainings.calls
    find(config(), from_scratch=True)
    assert len(trainings.calls) == 1


def test_shipped_weights_of_another_network_are_not_used(shipped: Path, trainings: Trainings):
    ship(shipped, NetworkConfig(width=0.25))
    find(config())
    assert len(trainings.calls) == 1


def test_a_training_that_was_begun_here_is_finished_though_weights_are_shipped(shipped: Path, trainings: Trainings):
    ship(shipped, NetworkConfig())
    write_run(AUTOMATIC, trained_on(config(), "generator"), finished_steps=None)
    find(config())
    assert len(trainings.calls) == 1


# ------------------------------------------------------------------------------------------------ named, or the user's


def test_a_named_detector_comes_before_any_that_lies_there():
    write_run(USERS, config(), 5)
    write_weights(Path("mine/weights.npz"))
    assert find(config(), "mine") == Path("mine")


def test_a_named_detector_that_is_missing_is_refused_and_nothing_is_trained_instead(trainings: Trainings):
    write_run(USERS, config(), 5)
    with pytest.raises(WeightsError, match=r"nowhere: no weights there"):
        find(config(), "nowhere")
    assert not trainings.calls


def test_a_finished_magicpoint_of_the_user_comes_before_the_automatic_one(trainings: Trainings):
    write_run(AUTOMATIC, trained_on(config(), "generator"), 5)
    write_run(USERS, config(), 100)
    assert find(config()) == USERS / "weights.npz"
    assert find(config(), shard=(1, 2)) == USERS / "weights.npz"
    assert not trainings.calls


def test_an_unfinished_magicpoint_of_the_user_is_refused_with_both_ways_on(trainings: Trainings):
    write_run(USERS, config(), None)
    with pytest.raises(ConfigError, match="training has not finished") as error:
        find(config())
    assert "`python tools/train_superpoint.py configs/magicpoint.yaml`" in str(error.value)
    assert "--detector outputs/magicpoint" in str(error.value)
    assert not trainings.calls
    assert find(config(), str(USERS)) == USERS  # the second way


# ------------------------------------------------------------------------------------------------ trained on the way


def test_without_any_detector_one_is_trained_on_shapes_under_the_configs_name(
    trainings: Trainings, capsys: pytest.CaptureFixture[str]
):
    assert find(config()) == AUTOMATIC / "weights.npz"
    [(task, output, quick_command)] = trainings.calls
    assert (output, quick_command) == (AUTOMATIC, "python quick.py")
    assert (task.config.train, task.config.synthetic.source) == ("detector", "generator")
    assert "no detector yet: training MagicPoint on synthetic shapes" in capsys.readouterr().out


@pytest.mark.parametrize("source", ["records", "generator"])
def test_a_finished_one_is_used_again_even_when_its_shapes_have_vanished(trainings: Trainings, source: str):
    write_run(AUTOMATIC, trained_on(config(), source), 5)
    assert not Path("data/synthetic").exists()
    assert find(config()) == AUTOMATIC / "weights.npz"
    assert not trainings.calls


def test_one_that_was_trained_for_longer_is_used_too(trainings: Trainings):
    write_run(AUTOMATIC, trained_on(config(steps=9), "generator"), 9)
    assert find(config(steps=5)) == AUTOMATIC / "weights.npz"
    assert not trainings.calls


@pytest.mark.parametrize("finished_steps", [None, 3])
def test_one_with_fewer_steps_than_wanted_goes_on(trainings: Trainings, finished_steps: int | None):
    write_run(AUTOMATIC, trained_on(config(), "generator"), finished_steps)
    find(config())
    assert [output for _, output, _ in trainings.calls] == [AUTOMATIC]


def test_one_of_other_settings_is_left_to_the_training_which_refuses_the_folder(trainings: Trainings):
    write_run(AUTOMATIC, trained_on(config(batch_size=4), "generator"), 5)
    find(config(batch_size=2))
    assert trainings.calls[0][0].config.detector.batch_size == 2


def test_one_that_began_with_the_generator_goes_on_with_it_though_there_are_records_now(trainings: Trainings):
    write_run(AUTOMATIC, trained_on(config(), "generator"), None)
    write_records(config())
    find(config())
    assert trainings.calls[0][0].config.synthetic.source == "generator"


def test_one_that_began_with_records_does_not_go_on_without_them(trainings: Trainings):
    write_run(AUTOMATIC, trained_on(config(), "records"), None)
    with pytest.raises(ConfigError, match=r"data/synthetic/manifest\.json: missing"):
        find(config())
    assert not trainings.calls


# ------------------------------------------------------------------------------------------------ shards


def test_another_shard_waits_until_shard_0_has_finished_and_trains_nothing(
    trainings: Trainings, monkeypatch: pytest.MonkeyPatch
):
    waited: list[tuple[str, str]] = []
    monkeypatch.setattr(first_detector, "wait_for_file", lambda path, whom, console: waited.append((path, whom)))
    write_weights(AUTOMATIC / "weights.npz")  # the best so far of a training that goes on
    assert find(config(), shard=(1, 2)) == AUTOMATIC / "weights.npz"
    assert waited == [("outputs/tiny-magicpoint/summary.json", "shard 0 to train the first detector")]
    assert not trainings.calls


def test_shard_0_trains_without_waiting(trainings: Trainings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(first_detector, "wait_for_file", None)
    find(config(), shard=(0, 2))
    assert len(trainings.calls) == 1


def test_another_shard_goes_on_at_once_when_the_training_is_finished():
    write_run(AUTOMATIC, trained_on(config(), "generator"), 5)
    assert find(config(), shard=(1, 2)) == AUTOMATIC / "weights.npz"
