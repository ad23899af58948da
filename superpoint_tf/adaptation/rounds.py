"""Rounds of homographic adaptation: label every photograph, retrain the detector on the labels, label again."""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from superpoint_tf import storage
from superpoint_tf.adaptation.aggregate import Adapter, image_seed
from superpoint_tf.adaptation.figures import draw_round
from superpoint_tf.adaptation.shards import merge_shards, wait_for_file
from superpoint_tf.checkpoints import load_network, load_weights
from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config_files import build_config, config_differences, config_to_dict
from superpoint_tf.data.labels import (
    IDENTITY_FILE,
    Label,
    LabelManifest,
    add_digests,
    digest_label,
    label_path,
    manifest_path,
    read_manifest,
    save_label,
)
from superpoint_tf.data.photograph_sets import PhotographSet
from superpoint_tf.data.photographs import PhotographError
from superpoint_tf.data.preparation import Preparation, PreparedPhotograph
from superpoint_tf.data.workers import ordered_map, resolve_workers, start_pool
from superpoint_tf.interruption import StopRequest
from superpoint_tf.keypoints import detect_keypoints
from superpoint_tf.progress import Console, Progress, announce_cost
from superpoint_tf.training.build import build_adapted_task
from superpoint_tf.training.replicas import Replicas
from superpoint_tf.training.trainer import train

FEW_KEYPOINTS = 3.0  # an image, below which a warning is given
_SECTIONS = ("seed", "adaptation", "photographs")  # of the config, that decide the labels
_TIMED_PHOTOGRAPHS = 3  # after the first, which compiles
_TRAINING_COST = 6.0  # a training step costs about this many times the forward pass of its pictures


@dataclass(frozen=True)
class AdaptationRun:
    """One call of the tool: what is labelled, by what, into which folder, and which share of it is done here."""

    config: Config
    photographs: PhotographSet
    detector: str  # weights of the first detector
    output: str  # label folder
    rounds: int
    shard: tuple[int, int] = (0, 1)
    strict: bool = False  # a photograph that cannot be read is an error
    replicas: Replicas | None = None  # devices that retrain the detector; None: one

    def round_detector(self, round: int) -> str:
        """Return the weights that label in `round`: the first detector, then the one retrained on the round before."""
        return self.detector if round == 1 else storage.join(self.output, f"detector_round_{round - 1}", "weights.npz")


@dataclass(frozen=True)
class RoundResult:
    """What labelling one share of the photographs gave."""

    photographs: tuple[str, ...]
    num_keypoints: int
    labels_sha256: str
    left_out: tuple[dict[str, str], ...]


def adapt(run: AdaptationRun, console: Console, quick_command: str = "", overwrite: bool = False) -> LabelManifest:
    """Run all rounds; return the manifest of the last. Finished photographs and trainings are skipped.

    Raises ConfigError if the folder holds labels made otherwise, PhotographError with `strict`, and Interrupted on
    Ctrl-C or SIGTERM, after the photograph at hand is written.
    """
    _open_folder(run, overwrite)
    manifest: LabelManifest | None = None
    for round in range(1, run.rounds + 1):
        if round > 1 and manifest is not None:
            _retrain(run, manifest, round - 1, console, quick_command)
        result = _label_round(run, round, console, quick_command)
        manifest = merge_shards(run.output, run.shard, _manifest(run, round, result), console)
        counts = manifest.counts
        console.line(
            "adapt",
            f"round {round}/{run.rounds} done | {counts['photographs']} photographs | "
            f"{counts['keypoints_per_image']:.1f} keypoints an image | {len(counts['left_out'])} left out",
        )
        if counts["keypoints_per_image"] < FEW_KEYPOINTS:
            console.line(
                "warn",
                f"{counts['keypoints_per_image']:.1f} keypoints an image are too few to learn from: look at "
                f"{run.output}/figures, train the first detector longer or lower adaptation.detection.threshold",
            )
        for item in counts["left_out"]:
            console.line("warn", f"left out: {item['path']}: {item['reason']}")
    if manifest is None:
        raise ConfigError(f"--iters {run.rounds}: at least one round is needed")
    return manifest


# ------------------------------------------------------------------------------------------------ the folder


def _identity(run: AdaptationRun) -> dict[str, Any]:
    names = "\n".join([*run.photographs.train, "", *run.photographs.validation])
    return {
        "rounds": run.rounds,  # training waits until they are done
        "detector_sha256": load_weights(run.detector).fingerprint(),
        "photographs_sha256": storage.sha256(names.encode()),
        "config": config_to_dict(run.config),
    }


def _open_folder(run: AdaptationRun, overwrite: bool) -> None:
    path, identity = storage.join(run.output, IDENTITY_FILE), _identity(run)
    if storage.is_remote(run.output) and run.rounds > 1:
        raise ConfigError(f"{run.output}: retraining between rounds needs a disk; use --iters 1, or a folder on a disk")
    if overwrite and run.shard[1] > 1:
        raise ConfigError("--overwrite would delete what other shards write: delete the folder, then start all shards")
    if overwrite:
        storage.remove_tree(run.output, marker=IDENTITY_FILE)
    if storage.exists(path):
        _check_identity(run, storage.read_json(path), identity)
    elif storage.exists(run.output) and _holds_files(run.output):
        raise ConfigError(f"{run.output}: not empty and not a label folder; choose another --output")
    if run.shard[1] == 1:
        storage.remove_unfinished(run.output)
    storage.write_json(path, identity)


def _holds_files(folder: str) -> bool:
    ours = (storage.TEMPORARY_SUFFIX, IDENTITY_FILE)  # another shard may be writing it at this moment
    return any(not name.endswith(ours) for name in storage.list_folder(folder))


def _check_identity(run: AdaptationRun, before: dict[str, Any], identity: dict[str, Any]) -> None:
    differences = config_differences(build_config(before["config"]), run.config, _SECTIONS)
    for name, what in (("detector_sha256", "the first detector"), ("photographs_sha256", "the list of photographs")):
        if before[name] != identity[name]:
            differences.append(f"{what} is another one")
    if differences:
        listed = "\n  ".join(differences)
        raise ConfigError(
            f"{run.output}: holds labels made otherwise:\n  {listed}\n"
            "use the same settings, choose another --output, or start anew with --overwrite"
        )
    if storage.exists(manifest_path(run.output)) and read_manifest(run.output).final_round > run.rounds:
        done = read_manifest(run.output).final_round
        raise ConfigError(f"{run.output}: {done} rounds are done; use --iters {done}, or another --output for fewer")


def _manifest(run: AdaptationRun, round: int, result: RoundResult) -> LabelManifest:
    detector = run.round_detector(round)
    return LabelManifest(
        image_root=run.photographs.root,
        final_round=round,
        rounds=tuple(range(1, round + 1)),
        detector={"path": detector, "sha256": load_weights(detector).fingerprint()},
        config=config_to_dict(run.config),
        counts={
            "photographs": len(result.photographs),
            "keypoints": result.num_keypoints,
            "keypoints_per_image": result.num_keypoints / max(len(result.photographs), 1),
            "labels_sha256": result.labels_sha256,
            "left_out": list(result.left_out),
        },
        photographs=result.photographs,
        validation=run.photographs.validation,
    )


# ------------------------------------------------------------------------------------------------ labelling


def _label_round(run: AdaptationRun, round: int, console: Console, quick_command: str) -> RoundResult:
    settings, (index, shards) = run.config.adaptation, run.shard
    names = run.photographs.train[index::shards]
    model, weights = load_network(run.round_detector(round))
    adapter = Adapter(model, settings)
    console.line(
        "adapt",
        f"round {round}/{run.rounds} | {len(names)} photographs | {settings.num_homographies} homographies each | "
        f"detector {run.round_detector(round)} (width {weights.network.width:g})",
    )
    image_shape = run.config.photographs.image_shape
    prepare = Preparation(run.photographs.root, run.output, round, image_shape, weights.fingerprint())
    labelled, left_out, digests, num_keypoints = [], [], [], 0
    timer = _Timer(run, round, console, quick_command)
    workers = resolve_workers(run.config.workers)
    pool = start_pool(workers)
    try:
        with StopRequest() as stop, Progress(len(names), "adapt", "photographs", console=console) as progress:
            for item in ordered_map(pool, prepare, names, window=2 * max(workers, 1)):
                if item.error:
                    if run.strict:
                        raise PhotographError(storage.join(run.photographs.root, item.name), item.error)
                    left_out.append({"path": item.name, "reason": item.error})
                else:
                    if item.image is not None:
                        item = _label(run, prepare, adapter, item)
                        timer.count(len(names) - progress.done - 1)
                    labelled.append(item.name)
                    digests.append(item.label_sha256)
                    num_keypoints += item.num_keypoints
                progress.update(1, **{"kp/img": num_keypoints / max(len(labelled), 1)})
                stop.raise_if_requested(f"{run.output}: stopped in round {round}")
    finally:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
    if names and not labelled:
        raise ConfigError(f"{run.photographs.root}: none of {len(names)} photographs could be read: {left_out[:3]}")
    if index == 0 and labelled:
        draw_round(run.config, run.photographs.root, labelled, adapter, model, run.output, round)
    return RoundResult(tuple(labelled), num_keypoints, add_digests(digests), tuple(left_out))


def _label(run: AdaptationRun, prepared: Preparation, adapter: Adapter, item: PreparedPhotograph) -> PreparedPhotograph:
    assert item.image is not None and item.image_to_label is not None
    image = tf.constant(item.image, tf.float32) / 255.0
    heatmap = adapter(image, image_seed(run.config.seed, item.sha256)).heatmap.numpy()
    keypoints, scores = detect_keypoints(heatmap, run.config.adaptation.detection)
    made_from = (prepared.image_shape, item.image_to_label, item.sha256, prepared.detector_sha256)
    digest = save_label(label_path(run.output, prepared.round, item.name), Label(keypoints, scores, *made_from))
    digest = digest_label(item.name, digest)
    return dataclasses.replace(item, image=None, num_keypoints=len(keypoints), label_sha256=digest)


class _Timer:
    """Announces the cost of what is left, once a few photographs of the first round are timed."""

    def __init__(self, run: AdaptationRun, round: int, console: Console, quick_command: str) -> None:
        self._run, self._round, self._console, self._quick_command = run, round, console, quick_command
        self._count, self._began = 0, 0.0

    def count(self, left: int) -> None:
        """Count one labelled photograph, of which `left` remain in this round."""
        self._count += 1
        if self._count == 1:
            self._began = time.monotonic()
        if self._count != 1 + _TIMED_PHOTOGRAPHS:
            return
        per_photograph = (time.monotonic() - self._began) / _TIMED_PHOTOGRAPHS
        config, rounds_left = self._run.config, self._run.rounds - self._round
        share = len(self._run.photographs.train) / self._run.shard[1]
        labelling = per_photograph * (left + rounds_left * share)
        forward = per_photograph / config.adaptation.num_homographies
        pictures = config.adaptation.retrain_steps * config.detector.batch_size
        disk = 4000.0 * self._run.rounds * len(self._run.photographs.train)  # a label file is about a disk block
        announce_cost(
            self._console, labelling + rounds_left * pictures * forward * _TRAINING_COST, disk, self._quick_command
        )


# ------------------------------------------------------------------------------------------------ retraining


def _retrain(run: AdaptationRun, manifest: LabelManifest, round: int, console: Console, quick_command: str) -> None:
    finished = run.round_detector(round + 1)
    output = str(Path(finished).parent)
    if run.shard[0] > 0:
        wait_for_file(str(Path(output) / "summary.json"), f"shard 0 to retrain the detector on round {round}", console)
        return
    before = run.round_detector(round)
    settings = dataclasses.replace(
        run.config.detector,
        steps=run.config.adaptation.retrain_steps,
        learning_rate=run.config.adaptation.retrain_learning_rate,
        init=before,
    )
    config = dataclasses.replace(run.config, detector=settings, network=load_weights(before).network)
    console.line("adapt", f"retraining the detector on the labels of round {round} | {settings.steps} steps | {output}")
    train(
        build_adapted_task(config, run.output, round, manifest),
        output,
        quick_command=quick_command,
        replicas=run.replicas,
    )
