from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.random_streams import stage_key
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import assign_weights, load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import Finished, Interrupted
from superpoint_tf.training import trainer
from superpoint_tf.training.builders.inputs import init_input
from superpoint_tf.training.objectives.detector_objective import DetectorObjective
from superpoint_tf.training.replicas import single_replica
from superpoint_tf.training.run_folder import RunFolder
from superpoint_tf.training.schedule import learning_rate
from superpoint_tf.training.state import NonFiniteLoss, TrainingState
from superpoint_tf.training.tasks import Task, make_task
from superpoint_tf.training.trainer import train

SHORT: dict[str, Any] = {"steps": 4, "schedule": "constant"}


class CountingValidator:
    """A validation that costs nothing; later is better: these averages begin at 0 and move towards the data's."""

    key = "value"

    def __init__(self) -> None:
        self.calls = 0.0

    def validate(self, model: tf.keras.Model) -> tuple[dict[str, float], dict[str, np.ndarray]]:
        self.calls += 1
        return {"value": float(np.abs(model.get_layer("encoder_1a_bn").moving_mean.numpy()).sum())}, {}


def tiny_config(**detector: Any) -> Config:
    settings = {
        "steps": 6,
        "batch_size": 2,
        "log_every": 4,
        "validate_every": 3,
        "checkpoint_every": 2,
        "warmup_steps": 2,
    }
    return build_config(
        {
            "name": "tiny",
            "train": "detector",
            "workers": 0,
            "network": {"width": 0.0625, "batch_norm": True, "descriptor_dim": 8},
            "synthetic": {"source": "generator", "draw": {"image_shape": [40, 48]}},
            "detector": {**settings, **detector},
        }
    )


def tiny_task(config: Config) -> Task:
    return make_task(config, GeneratedShapes(config), CountingValidator())


def run(folder: Path, **detector: Any) -> Path:
    train(tiny_task(tiny_config(**detector)), folder)
    return folder


def results(folder: Path) -> dict[str, Any]:
    """What makes two runs identical: metrics, weights, and every variable of the last checkpoint."""
    latest = tf.train.latest_checkpoint(str(folder / "checkpoints"))
    reader = tf.train.load_checkpoint(latest)
    names = [
        name for name in reader.get_variable_to_shape_map() if not name.startswith(("_CHECKPOINTABLE", "save_counter"))
    ]
    return {
        "metrics": (folder / "metrics.jsonl").read_text(),
        "weights": storage.sha256_file(folder / "weights.npz"),
        "summary": storage.read_json(folder / "summary.json"),
        "variables": {name: reader.get_tensor(name).tobytes() for name in names},
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return results(run(tmp_path_factory.mktemp("run") / "undisturbed"))


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of four steps, for tests that leave it as it is."""
    return run(tmp_path_factory.mktemp("run") / "short", **SHORT)


def test_two_runs_with_one_seed_are_identical(undisturbed: dict[str, Any], tmp_path: Path):
    assert results(run(tmp_path / "again")) == undisturbed


def test_where_imgaug_does_not_run_the_log_says_what_changes_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(trainer, "IMGAUG_RUNS", False)
    config, folder = tiny_config(), RunFolder(tmp_path / "run")
    photometric = dataclasses.replace(config.synthetic.photometric, backend="graph")
    config = dataclasses.replace(config, synthetic=dataclasses.replace(config.synthetic, photometric=photometric))
    trainer._open(tiny_task(config), folder, single_replica(), "").reporter.close()
    assert "pictures are changed in the graph (photometric.backend)" in folder.log.read_text()


def test_another_seed_gives_other_weights(short: Path, tmp_path: Path):
    config = dataclasses.replace(tiny_config(**SHORT), seed=1)
    train(tiny_task(config), tmp_path / "other")
    assert results(tmp_path / "other")["weights"] != results(short)["weights"]


def test_a_run_that_dies_again_and_again_goes_on_from_its_checkpoints_and_ends_like_one_that_did_not(
    undisturbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    step, deaths, steps_made = TrainingState.train_step, [1, 3, 5], []

    def die(state: TrainingState, batch: Any, stop: bool = False) -> None:
        if deaths and state._next_step == deaths[0]:
            raise MemoryError(f"dies here, without a checkpoint of step {deaths.pop(0)}")
        steps_made.append(state._next_step)
        step(state, batch)

    monkeypatch.setattr(TrainingState, "train_step", die)
    for _ in range(3):
        with pytest.raises(MemoryError):
            run(tmp_path / "run")
    assert results(run(tmp_path / "run")) == undisturbed
    assert steps_made == [0, *[0, 1, 2], *[2, 3, 4], *[4, 5]]  # a checkpoint every second step


def test_a_signal_stops_after_a_checkpoint_and_the_run_goes_on_from_that_very_step(
    undisturbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    step, steps_made = TrainingState.train_step, []

    def interrupt(state: TrainingState, batch: Any, stop: bool = False) -> None:
        steps_made.append(state._next_step)
        if len(steps_made) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        step(state, batch)

    monkeypatch.setattr(TrainingState, "train_step", interrupt)
    with pytest.raises(Interrupted) as caught:
        run(tmp_path / "run")
    assert caught.value.exit_code == 143
    assert results(run(tmp_path / "run")) == undisturbed
    assert steps_made == [0, 1, 2, 3, 4, 5]  # none repeated


def test_a_signal_in_the_last_step_stops_nothing(
    undisturbed: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    step = TrainingState.train_step

    def interrupt(state: TrainingState, batch: Any, stop: bool = False) -> None:
        step(state, batch)
        if state._next_step == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(TrainingState, "train_step", interrupt)
    with pytest.raises(Finished, match="run: finished") as caught:
        run(tmp_path / "run")
    assert caught.value.exit_code == 143 and results(tmp_path / "run") == undisturbed
    said = capsys.readouterr().out
    assert "done | best weights" in said and "stopped" not in said


def test_a_later_stage_of_the_seed_sees_other_samples_and_goes_on_with_them_wherever_its_weights_lie(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def run_stage(folder: Path, path: str) -> Path:
        config = tiny_config(**SHORT, init=str(tmp_path / path))
        inputs = init_input(config.detector.init)
        source = GeneratedShapes(config, stage_key(config.seed, inputs))
        train(make_task(config, source, CountingValidator(), inputs), folder)
        return folder

    for path in ("here.npz", "there.npz"):
        shutil.copy(short / "weights.npz", tmp_path / path)
    seen, step = [], TrainingState.train_step

    def see(state: TrainingState, batch: Any, stop: bool = False) -> None:
        seen.append(batch["images"].numpy())
        if len(seen) == 4 + 3:  # in the third step of the second run
            raise MemoryError
        step(state, batch)

    monkeypatch.setattr(TrainingState, "train_step", see)
    undisturbed = results(run_stage(tmp_path / "undisturbed", "here.npz"))
    with pytest.raises(MemoryError):
        run_stage(tmp_path / "run", "here.npz")
    assert results(run_stage(tmp_path / "run", "there.npz")) == undisturbed
    run(tmp_path / "first", **SHORT)  # the same seed and numbers, from random weights
    assert not any(np.array_equal(one, other) for one, other in zip(seen[:4], seen[-4:], strict=True))


def test_training_longer_continues_a_finished_run(short: Path, tmp_path: Path):
    folder = Path(shutil.copytree(short, tmp_path / "run"))
    weights = load_weights(folder)
    run(folder, schedule="constant")
    steps = [json.loads(line)["step"] for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert storage.read_json(folder / "summary.json")["steps"] == 6
    assert steps == sorted(steps) and steps[-1] == 6
    assert weights.step <= 4


def test_a_finished_run_is_left_as_it_is(short: Path, monkeypatch: pytest.MonkeyPatch):
    before = results(short)
    monkeypatch.setattr(trainer, "TrainingState", None)
    run(short, **SHORT)
    assert results(short) == before


def test_settings_that_change_on_resuming_are_said_and_the_configs_of_all_starts_are_kept(
    short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = Path(shutil.copytree(short, tmp_path / "run"))
    first = (folder / "config.yaml").read_bytes()
    run(folder, **SHORT)
    assert not (folder / "history").exists() and "other settings" not in capsys.readouterr().out
    run(folder, **SHORT, learning_rate=0.01)
    said = capsys.readouterr().out
    assert "finished before, 4 steps" in said
    assert "nothing was done: detector.learning_rate: 0.001 -> 0.01" in said and "detector.steps above 4" in said
    assert (folder / "config.yaml").read_bytes() == first and not (folder / "history").exists()
    run(folder, **(SHORT | {"steps": 5}), learning_rate=0.01)
    said = capsys.readouterr().out
    assert "goes on with other settings: detector.steps: 4 -> 5; detector.learning_rate: 0.001 -> 0.01" in said
    assert (folder / "history/001.yaml").read_bytes() == first
    second = (folder / "config.yaml").read_bytes()
    run(folder, **(SHORT | {"steps": 6}), learning_rate=0.01)
    assert [path.read_bytes() for path in sorted((folder / "history").iterdir())] == [first, second]


def test_a_refusal_for_other_first_weights_names_the_setting(tmp_path: Path):
    config, folder = tiny_config(), RunFolder(tmp_path / "run")
    folder.write_inputs(config, {"first weights": "0" * 64})
    with pytest.raises(ConfigError, match=r"content of first weights \(of detector\.init\): 000000000000 -> None"):
        folder.open(config, tiny_task(config).sections, {})


def test_a_run_killed_between_its_last_checkpoint_and_its_summary_is_finished(
    short: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = Path(shutil.copytree(short, tmp_path / "run"))
    (folder / "summary.json").unlink()
    monkeypatch.setattr(TrainingState, "train_step", None)
    run(folder, **SHORT)
    assert results(folder) == results(short)


def test_damaged_best_weights_are_named_and_made_again_by_the_next_validation(
    short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    folder = Path(shutil.copytree(short, tmp_path / "run"))
    (folder / "weights.npz").write_bytes((folder / "weights.npz").read_bytes()[:500])
    run(folder, schedule="constant")
    assert "weights.npz was damaged" in capsys.readouterr().out
    assert load_weights(folder).step == 6


def test_a_run_folder_in_which_a_kill_left_only_its_config_or_a_piece_of_it_is_taken_up(short: Path, tmp_path: Path):
    for name in ("config.yaml", f"config.yaml.0123abcd{storage.TEMPORARY_SUFFIX}"):
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(short / "config.yaml", folder / name)
        RunFolder(folder).open(tiny_config(**SHORT), tiny_task(tiny_config(**SHORT)).sections, {})


def test_a_folder_with_other_samples_is_refused_with_the_difference(short: Path):
    before = (short / "weights.npz").read_bytes()
    with pytest.raises(ConfigError, match=r"detector\.batch_size: 2 -> 3"):
        run(short, **SHORT, batch_size=3)
    assert (short / "weights.npz").read_bytes() == before


def test_overwrite_starts_anew_but_never_deletes_a_foreign_folder(tmp_path: Path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"precious")
    with pytest.raises(ValueError, match="not made by this tool"):
        train(tiny_task(tiny_config()), tmp_path / "photos", overwrite=True)
    with pytest.raises(ConfigError, match="not empty and not a run folder"):
        train(tiny_task(tiny_config()), tmp_path / "photos")
    assert (tmp_path / "photos" / "a.jpg").exists()


def test_a_non_finite_loss_stops_the_run_with_step_samples_and_term_and_keeps_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    terms = DetectorObjective.loss_terms

    def poisoned(self: DetectorObjective, model: tf.keras.Model, batch: Any) -> Any:
        result = terms(self, model, batch)
        factor = tf.where(state_of[0].step == 2, np.nan, 1.0)
        return {name: term._replace(sum=term.sum * factor) for name, term in result.items()}

    state_of: list[TrainingState] = []
    build = TrainingState.__init__

    def remember(self: TrainingState, *arguments: Any) -> None:
        build(self, *arguments)
        state_of.append(self)

    monkeypatch.setattr(DetectorObjective, "loss_terms", poisoned)
    monkeypatch.setattr(TrainingState, "__init__", remember)
    with pytest.raises(NonFiniteLoss, match=r"step 3: total, det not finite on samples 4\.\.5 \(synthetic shape 4"):
        run(tmp_path / "run")
    assert all(np.isfinite(w.numpy()).all() for w in state_of[0].model.weights)
    assert int(state_of[0].step) == 2


def test_the_learning_rate_warms_up_and_falls_to_a_hundredth():
    settings = tiny_config(steps=100, warmup_steps=10, learning_rate=1.0).detector
    rates = [learning_rate(settings, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == pytest.approx(1.0)
    assert rates[-1] == pytest.approx(0.01, abs=0.005)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def test_the_moving_average_is_what_is_validated_and_saved(short: Path, tmp_path: Path):
    folder = run(tmp_path / "run", **SHORT, ema_decay=0.9)
    assert load_weights(folder).arrays.keys() == load_weights(short).arrays.keys()
    a, b = (load_weights(path).arrays["encoder_1a/kernel"] for path in (folder, short))
    assert not np.array_equal(a, b)


def test_training_starts_from_given_weights(short: Path):
    config = tiny_config(init=str(short))
    state = TrainingState(tiny_task(config))
    given = load_weights(short)
    np.testing.assert_array_equal(state.weights().arrays["encoder_1a/kernel"], given.arrays["encoder_1a/kernel"])


def test_the_weights_of_a_narrower_network_are_widened_and_answer_the_same(short: Path):
    config = tiny_config(init=str(short))
    config = dataclasses.replace(config, network=dataclasses.replace(config.network, width=0.125))
    state, images = TrainingState(tiny_task(config)), np.random.default_rng(0).random((1, 40, 48, 1), np.float32)
    narrow = build_network(load_weights(short).network)
    assign_weights(narrow, load_weights(short), "short")
    assert state.origin == f"{short}, widened from 0.0625 to 0.125"
    expected = narrow(images, training=False)["logits"]
    for model in (state.model, state.averaged):
        np.testing.assert_allclose(model(images, training=False)["logits"], expected, atol=1e-4)


def test_the_last_checkpoint_of_a_run_is_read_as_weights(short: Path):
    weights = load_weights(tf.train.latest_checkpoint(str(short / "checkpoints")))
    assert weights.step == 4 and weights.network.system == "magicpoint"
    assert weights.arrays.keys() == load_weights(short).arrays.keys()


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_saves_float32(tmp_path: Path, precision: str):
    folder = run(tmp_path / "run", precision=precision, steps=2)
    assert all(array.dtype == np.float32 for array in load_weights(folder).arrays.values())


def test_xla_compiles_the_step(tmp_path: Path):
    folder = run(tmp_path / "run", xla=True, steps=2)
    assert load_weights(folder).step >= 0
