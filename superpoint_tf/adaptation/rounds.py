"""Rounds of homographic adaptation: label every photograph, retrain the detector on the labels, label again."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from superpoint_tf.adaptation.job import AdaptationRun
from superpoint_tf.adaptation.labelling import RoundResult, label_round
from superpoint_tf.adaptation.shards import merge_shards, wait_for_file
from superpoint_tf.config import Config, ConfigError, TrainingConfig
from superpoint_tf.config.config_files import build_config, config_to_dict, deciding_settings
from superpoint_tf.config.differences import differences
from superpoint_tf.data.labels.label_arrays import LABEL_FORMAT
from superpoint_tf.data.labels.labels import (
    IDENTITY_FILE,
    LABEL_STORE,
    LabelManifest,
    count_labels,
    manifest_path,
    read_manifest,
    read_plan,
)
from superpoint_tf.data.labels.photograph_chunks import list_sha256
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console
from superpoint_tf.training.builders.detector_tasks import build_adapted_task
from superpoint_tf.training.trainer import train

FEW_KEYPOINTS = 3.0  # an image, below which a warning is given
_WARMUP_PART = 10  # of the steps of a retraining
_SECTIONS = ("seed", "adaptation", "photographs")  # of the config, that decide the labels


def adapt(run: AdaptationRun, console: Console, overwrite: bool = False) -> LabelManifest:
    """Run all rounds; return the manifest of the last. Finished photographs and trainings are skipped.

    Raises ConfigError if the folder holds labels made otherwise, PhotographError with `strict`, and Interrupted on
    Ctrl-C or SIGTERM; at most one photograph is labelled again, and what half a minute labels after a kill.
    """
    _open_folder(run, overwrite)
    _report_masks(run, console)
    manifest: LabelManifest | None = None
    for round in range(1, run.rounds + 1):
        if round > 1 and manifest is not None:
            _retrain(run, manifest, round - 1, console)
        result = label_round(run, round, console)
        manifest = merge_shards(run.output, run.shard, _manifest(run, round, result), console)
        counts = manifest.counts
        console.line(
            "adapt",
            f"round {round}/{run.rounds} done | {counts['photographs']} photographs | "
            f"{counts['keypoints_per_image']:.1f} keypoints an image | {counts['num_left_out']} left out",
        )
        if counts["keypoints_per_image"] < FEW_KEYPOINTS:
            console.line(
                "warn",
                f"{counts['keypoints_per_image']:.1f} keypoints an image are too few to learn from: look at "
                f"{run.output}/figures, train the first detector longer or lower adaptation.detection.threshold",
            )
        for item in counts["left_out"]:
            console.line("warn", f"left out: {item['path']}: {item['reason']}")
        if (more := counts["num_left_out"] - len(counts["left_out"])) > 0:
            console.line("warn", f"left out: {more} more, which the indexes in {run.output}/round_{round} name")
    if manifest is None:
        raise ConfigError(f"--iters {run.rounds}: at least one round is needed")
    return manifest


def _report_masks(run: AdaptationRun, console: Console) -> None:
    masks = run.reading.masks
    if not masks:
        return
    whole, first = 0, ""
    for name in run.photographs.train:
        if run.reading.mask_path(name) is None:
            whole, first = whole + 1, first or name
    total = len(run.photographs.train)
    console.line("masks", f"{total - whole} of {total} photographs have a mask in {masks}")
    if whole:
        console.line("warn", f"{whole} without a mask are used as a whole, the first: no {masks}/{first}.png")


# ------------------------------------------------------------------------------------------------ the folder


def _identity(run: AdaptationRun) -> dict[str, Any]:
    return {
        "rounds": run.rounds,  # training waits until they are done
        "detector_sha256": load_weights(run.detector).fingerprint(),
        "photographs_sha256": list_sha256(run.photographs.train, run.photographs.validation),
        "label_format": LABEL_FORMAT,
        "label_store": LABEL_STORE,
        "masks_sha256": run.reading.fingerprint(run.photographs.train),
        "config": config_to_dict(run.config),
    }


def check_output(output: str, rounds: int, shard: tuple[int, int], overwrite: bool) -> None:
    """Raise ConfigError for a folder that labels cannot be written to, whatever the detector turns out to be."""
    if storage.is_remote(output) and rounds > 1:
        raise ConfigError(f"{output}: retraining between rounds needs a disk; use --iters 1, or a folder on a disk")
    if overwrite and shard[1] > 1:
        raise ConfigError("--overwrite would delete what other shards write: delete the folder, then start all shards")
    ours = storage.exists(storage.join(output, IDENTITY_FILE))
    if storage.exists(output) and not ours and _holds_files(output):
        raise ConfigError(f"{output}: not empty and not a label folder; choose another --output")


def _open_folder(run: AdaptationRun, overwrite: bool) -> None:
    path, identity = storage.join(run.output, IDENTITY_FILE), _identity(run)
    check_output(run.output, run.rounds, run.shard, overwrite)
    if overwrite:
        storage.remove_tree(run.output, marker=IDENTITY_FILE)
    if storage.exists(path):
        _check_identity(run, read_plan(run.output), identity)
    if run.shard[1] == 1:
        storage.remove_unfinished(run.output)
    storage.write_json(path, identity)
    run.chunks.write(run.photographs.train, run.photographs.validation, identity["photographs_sha256"])


def _holds_files(folder: str) -> bool:
    ours = (storage.TEMPORARY_SUFFIX, IDENTITY_FILE)  # another shard may be writing it at this moment
    return any(not name.endswith(ours) for name in storage.list_folder(folder))


def _check_identity(run: AdaptationRun, before: dict[str, Any], identity: dict[str, Any]) -> None:
    made_with = build_config(before["config"], storage.join(run.output, IDENTITY_FILE))
    changed = differences(_what_decides(made_with, before), _what_decides(run.config, identity))
    if changed:
        listed = "\n  ".join(changed)
        raise ConfigError(
            f"{run.output}: holds labels made otherwise:\n  {listed}\n"
            "use the same settings, choose another --output, or start anew with --overwrite"
        )
    if storage.exists(manifest_path(run.output)) and read_manifest(run.output).final_round > run.rounds:
        done = read_manifest(run.output).final_round
        raise ConfigError(f"{run.output}: {done} rounds are done; use --iters {done}, or another --output for fewer")


def _what_decides(config: Config, identity: dict[str, Any]) -> dict[str, Any]:
    """Return what labels depend on, under the names that a message shows."""
    return {
        **deciding_settings(config, _SECTIONS),
        "content of the first detector": identity["detector_sha256"],
        "list of photographs": identity["photographs_sha256"],
        "content of the masks": identity.get("masks_sha256", ""),
        "label format": identity.get("label_format", 1),
        "label store": identity.get("label_store", "a file a photograph"),
    }


def _manifest(run: AdaptationRun, round: int, result: RoundResult) -> LabelManifest:
    detector = run.round_detector(round)
    return LabelManifest(
        image_root=run.photographs.root,
        final_round=round,
        rounds=tuple(range(1, round + 1)),
        detector={"path": detector, "sha256": load_weights(detector).fingerprint()},
        config=config_to_dict(run.config),
        counts=count_labels(
            sum(result.chunks), result.num_keypoints, result.labels_sha256, result.left_out, result.num_left_out
        ),
        chunks=result.chunks,
        validation=run.photographs.validation,
    )


# ------------------------------------------------------------------------------------------------ retraining


def _retrain(run: AdaptationRun, manifest: LabelManifest, round: int, console: Console) -> None:
    finished = run.round_detector(round + 1)
    output = str(Path(finished).parent)
    if run.shard[0] > 0:
        wait_for_file(str(Path(output) / "summary.json"), f"shard 0 to retrain the detector on round {round}", console)
        return
    before = run.round_detector(round)
    settings = retraining_settings(run.config, before)
    config = dataclasses.replace(run.config, detector=settings, network=load_weights(before).network)
    console.line("adapt", f"retraining the detector on the labels of round {round} | {settings.steps} steps | {output}")
    train(
        build_adapted_task(config, run.output, manifest),
        output,
        quick_command=console.quick_command,
        replicas=run.replicas,
    )


def retraining_settings(config: Config, detector: str) -> TrainingConfig:
    """Return how a detector is trained on: as the first one, but its steps and rate, and a short warm-up.

    The warm-up is at most a tenth of the steps: that of a training from nothing would be half of so short a one.
    """
    adaptation = config.adaptation
    return dataclasses.replace(
        config.detector,
        steps=adaptation.retrain_steps,
        learning_rate=adaptation.retrain_learning_rate,
        warmup_steps=min(config.detector.warmup_steps, adaptation.retrain_steps // _WARMUP_PART),
        init=detector,
    )
