"""From a config and what lies on disk to a training task: where its pictures, labels and validation come from."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from superpoint_tf.config import DOG, ClassesSection, Config, ConfigError, SyntheticSection
from superpoint_tf.config.config_files import build_config
from superpoint_tf.config.differences import differences
from superpoint_tf.data.digits.digit_set import load_digits
from superpoint_tf.data.digits.digit_source import DigitSource
from superpoint_tf.data.labels.labels import (
    IDENTITY_FILE,
    IMPORTED,
    LabelManifest,
    manifest_path,
    read_manifest,
    read_plan,
)
from superpoint_tf.data.patch_sets.read_sets import read_patch_sets
from superpoint_tf.data.patch_sets.set_source import PatchSetSource
from superpoint_tf.data.photographs.detected_photographs import DetectedPhotographs
from superpoint_tf.data.photographs.labelled_photographs import LabelledPhotographs
from superpoint_tf.data.photographs.photograph_pairs import PhotographPairs
from superpoint_tf.data.photographs.photograph_sets import PhotographSet, find_photographs, num_held_out
from superpoint_tf.data.photographs.plane_pairs import PlanePairs
from superpoint_tf.data.random_streams import stage_key
from superpoint_tf.data.shapes.record_folder import record_settings
from superpoint_tf.data.shapes.record_reader import read_record_manifest
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes, RecordedShapes
from superpoint_tf.data.sources import Source
from superpoint_tf.data.stereo.stereo_folders import find_pairs
from superpoint_tf.data.stereo.stereo_source import DrawnPairs, ReadPairs
from superpoint_tf.networks.residual_network import HEADS
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.systems import SYSTEMS, DenseSpec, MapSpec, PatchSpec
from superpoint_tf.training.class_validation import ClassValidator
from superpoint_tf.training.correspondence_validation import CorrespondenceValidator
from superpoint_tf.training.digit_validation import DigitValidator
from superpoint_tf.training.lift_validation import LiftValidator
from superpoint_tf.training.patch_validation import PatchValidator, cut_from_photographs, cut_from_set
from superpoint_tf.training.stereo_validation import StereoValidator
from superpoint_tf.training.tasks import Task, make_task
from superpoint_tf.training.validation import PairsValidator, ShapesValidator, Validator

DEFAULT_LABELS = "labels/coco"
_TOO_FEW = "too few photographs to hold any out for validation; give at least two"
ADAPTED = "adapted"  # joint.init of this name: the detector that made the labels


def build_shapes_task(config: Config) -> Task:
    """Build the training of a detector on synthetic shapes (MagicPoint)."""
    config = dataclasses.replace(config.trained_as("detector"), synthetic=resolve_source(config))
    recorded = config.synthetic.source == "records"
    inputs = {"records": storage.sha256_file(records_manifest(config))} if recorded else {}
    inputs |= init_input(config.detector.init)
    key = stage_key(config.seed, inputs)
    source: Source = RecordedShapes(config, key) if recorded else GeneratedShapes(config, key)
    return make_task(config, source, ShapesValidator(config), inputs)


def records_manifest(config: Config) -> Path:
    """Return where the manifest of the synthetic sets lies."""
    return Path(config.synthetic.root) / "manifest.json"


def resolve_source(config: Config) -> SyntheticSection:
    """Return the synthetic section with `source: auto` decided: records if they hold what the config draws.

    Raises ConfigError if records are asked for and are missing or hold other pictures.
    """
    section, manifest = config.synthetic, records_manifest(config)
    if section.source == "generator" or (section.source == "auto" and not manifest.exists()):
        return dataclasses.replace(section, source="generator")
    if not manifest.exists():
        raise ConfigError(
            f"{manifest}: missing; run `python tools/generate_synthetic.py`, or set synthetic.source=generator"
        )
    drawn, asked = read_record_manifest(section.root)["draw"], record_settings(config)["draw"]
    changed = differences(drawn, asked)
    if not changed:
        return dataclasses.replace(section, source="records")
    if section.source == "auto":
        return dataclasses.replace(section, source="generator")
    raise ConfigError(
        f"{section.root}: holds other pictures than synthetic.draw asks for ({'; '.join(changed)}); "
        "generate with this config and --overwrite"
    )


def build_adapted_task(config: Config, labels: str, round: int, photographs: LabelManifest) -> Task:
    """Build the retraining of a detector on the labels of one round of adaptation.

    It sees its photographs turned as far as the next round will turn them, however little the joint model's pairs are.
    """
    max_angle_deg = max(config.photographs.homography.max_angle_deg, config.adaptation.homography.max_angle_deg)
    homography = dataclasses.replace(config.photographs.homography, max_angle_deg=max_angle_deg)
    photographs_section = dataclasses.replace(config.photographs, homography=homography)
    config = dataclasses.replace(config.trained_as("detector"), photographs=photographs_section)
    inputs = _label_inputs(photographs, config.detector.init)
    root, names, key = photographs.image_root, photographs.photographs, stage_key(config.seed, inputs)
    source = LabelledPhotographs(config, root, names, labels, round, with_pairs=False, key=key)
    validator = _pairs_validator(config, root, photographs.validation)
    return make_task(config, source, validator, inputs, on_photographs=True)


def build_joint_task(config: Config) -> Task:
    """Build the training of detector and descriptor on the labels that adaptation left.

    Raises ConfigError naming the folders looked in if there are no labels, or labels made for another frame.
    """
    config = config.trained_as("joint")
    labels = find_labels(config, config.joint.labels)
    manifest = _manifest_for(config, labels)
    if config.joint.init == ADAPTED:
        if manifest.detector["path"] == IMPORTED:
            raise ConfigError(
                f"{labels}: its labels were imported: there is no detector for `joint.init: {ADAPTED}` to begin with; "
                "set joint.init=superpoint-small with network.width=0.5, joint.init=superpoint, or joint.init= for none"
            )
        config = dataclasses.replace(config, joint=dataclasses.replace(config.joint, init=manifest.detector["path"]))
    root, inputs = _image_root(config, manifest), _label_inputs(manifest, config.joint.init)
    source = _labelled_pairs(config, root, labels, manifest, inputs)
    if not manifest.has_votes:
        source.description += "; made before labels had votes: nothing is learnt within 16 px of their frame's edge"
    return make_task(config, source, _pairs_validator(config, root, manifest.validation), inputs)


def build_patches_task(config: Config) -> Task:
    """Build the training of a descriptor of patches: of a set, or cut about the keypoints of labels or SIFT's.

    Raises ConfigError as `build_joint_task`, and if no photograph is held out.
    """
    if config.patches.data:
        return _set_patches_task(config)
    if config.patches.labels == DOG:
        return _detected_patches_task(config)
    labels = find_labels(config, config.patches.labels)
    manifest = _manifest_for(config, labels)
    root, inputs = _image_root(config, manifest), _label_inputs(manifest, config.patches.init)
    if not manifest.validation:
        raise ConfigError(f"{root}: {_TOO_FEW}")
    source = _labelled_pairs(config, root, labels, manifest, inputs)
    cut = functools.partial(cut_from_photographs, config, root, manifest.validation)
    return make_task(config, source, PatchValidator(config, cut), inputs)


def _detected_patches_task(config: Config) -> Task:
    photographs, inputs = _photographs_with_some_held_out(config)
    source = _detected(config, photographs, inputs)
    cut = functools.partial(cut_from_photographs, config, photographs.root, photographs.validation)
    return make_task(config, source, PatchValidator(config, cut), inputs)


_STAGES = {"body": "conv, block", "attention": "attention"}  # what each stage of `classes` trains, beside its head


def build_classes_task(config: Config) -> Task:
    """Build the training that tells photographs apart: each of those to train on is a class.

    Raises ConfigError for fewer than two, if none is held out, or if `network.classes` are fewer than there are.
    """
    photographs, inputs = _photographs_with_some_held_out(config)
    count = len(photographs.train)
    if count < 2:
        raise ConfigError(f"{photographs.root}: {count} photograph to train on, which nothing tells apart; give more")
    if config.network.classes and config.network.classes < count:
        raise ConfigError(f"`network.classes`: {config.network.classes} for {count} photographs; 0 takes their number")
    network = dataclasses.replace(config.network, classes=config.network.classes or count)
    section = dataclasses.replace(config.classes, trainable=_trained_by_stage(config.classes))
    config = dataclasses.replace(config, network=network, classes=section)
    source = PhotographPairs(config, photographs.root, photographs.train, stage_key(config.seed, inputs))
    source.description += f", a class each; {len(photographs.validation)} held out"
    return make_task(config, source, ClassValidator(config, photographs.root, photographs.validation), inputs)


def _trained_by_stage(section: ClassesSection) -> str:
    """Return the layers that a stage trains, and its head; not those that another stage wrote into its config."""
    given = [name.strip() for name in section.trainable.split(",")]
    own = ", ".join(name for name in given if name and not name.startswith(HEADS))
    layers = _STAGES[section.stage] if own in ("", *_STAGES.values()) else own
    return f"{layers}, {HEADS}{section.stage}"


def build_lift_task(config: Config) -> Task:
    """Build the training of one of LIFT's networks, on patches about the keypoints of differences of Gaussians.

    Raises ConfigError if no photograph is held out.
    """
    photographs, inputs = _photographs_with_some_held_out(config)
    source = _detected(config, photographs, inputs)
    return make_task(config, source, LiftValidator(config, photographs.root, photographs.validation), inputs)


def _detected(config: Config, photographs: PhotographSet, inputs: Mapping[str, str]) -> DetectedPhotographs:
    source = DetectedPhotographs(config, photographs.root, photographs.train, stage_key(config.seed, inputs))
    source.description += f"; {len(photographs.validation)} held out"
    return source


def _photographs_with_some_held_out(config: Config) -> tuple[PhotographSet, dict[str, str]]:
    """Return the photographs, and the fingerprints of their names and of the weights that training begins with."""
    photographs = find_photographs(config.photographs).with_readable_validation()
    if not photographs.validation:
        raise ConfigError(f"{photographs.root}: {_TOO_FEW}")
    names = storage.sha256(json.dumps(photographs.train).encode())
    return photographs, {"photographs": names} | init_input(config.training.init)


def build_dense_task(config: Config) -> Task:
    """Build the training of maps on pairs of views of photographs, without labels.

    Raises ConfigError if no photograph is held out.
    """
    photographs, inputs = _photographs_with_some_held_out(config)
    planes = config.dense.truth == "planes"
    of_pairs = PlanePairs if planes else PhotographPairs
    source = of_pairs(config, photographs.root, photographs.train, stage_key(config.seed, inputs))
    source.description += f"; {len(photographs.validation)} held out"
    validator = _map_validator(config, photographs.root, photographs.validation)
    return make_task(config, source, validator, inputs, kind="planes" if planes else "")


def build_lfnet_task(config: Config) -> Task:
    """Build the training of LF-Net on pairs of views of photographs; raises ConfigError as `build_dense_task`."""
    photographs, inputs = _photographs_with_some_held_out(config)
    source = PhotographPairs(config, photographs.root, photographs.train, stage_key(config.seed, inputs))
    source.description += f"; {len(photographs.validation)} held out"
    return make_task(config, source, PairsValidator(config, photographs.root, photographs.validation), inputs)


def _map_validator(config: Config, root: str, photographs: Sequence[str]) -> Validator:
    """Return the validation of what a system gives: keypoints and their matches, or where every point is put."""
    spec = SYSTEMS[config.network.system].network
    detects = isinstance(spec, DenseSpec | MapSpec) and spec.score_map
    return (PairsValidator if detects else CorrespondenceValidator)(config, root, photographs)


def _set_patches_task(config: Config) -> Task:
    spec, folder = SYSTEMS[config.network.system].network, config.patches.data
    assert isinstance(spec, PatchSpec)  # the config's rules say so
    training, validation, held_out = read_patch_sets(folder, spec.side_px)
    inputs = {"patches": training.fingerprint()} | init_input(config.patches.init)
    key, size = stage_key(config.seed, inputs), config.patches.points_per_picture
    source = PatchSetSource(training, size, key, f"{folder}, held out for validation: {held_out}")
    held_source = PatchSetSource(validation, size, key, folder)
    cut = functools.partial(cut_from_set, config, held_source)
    return make_task(config, source, PatchValidator(config, cut), inputs, kind="patch set")


def build_digits_task(config: Config) -> Task:
    """Build the training of a network that tells distorted digits apart.

    Raises ConfigError if scikit-learn, which brings them, is not installed.
    """
    digits = load_digits()["train"]
    inputs = {"digits": digits.fingerprint()} | init_input(config.digits.init)
    source = DigitSource(digits, stage_key(config.seed, inputs))
    return make_task(config, source, DigitValidator(config), inputs)


def build_stereo_task(config: Config) -> Task:
    """Build the training of a stereo network, on pairs drawn from photographs or those of a folder with their truth.

    Raises ConfigError if nothing is held out.
    """
    if config.stereo.data:
        return _read_stereo_task(config)
    photographs, inputs = _photographs_with_some_held_out(config)
    key = stage_key(config.seed, inputs)
    source = DrawnPairs(config, photographs.root, photographs.train, key)
    source.description += f"; {len(photographs.validation)} held out"
    held_out = DrawnPairs(config, photographs.root, photographs.validation, config.seed)
    return make_task(config, source, StereoValidator(config, held_out), inputs)


def _read_stereo_task(config: Config) -> Task:
    folder, shape = config.stereo.data, config.photographs.image_shape
    pairs = find_pairs(folder)
    count = num_held_out(len(pairs))
    if not count:
        raise ConfigError(f"{folder}: one pair of pictures; give at least two, of which one is held out")
    training, held_out = pairs[:-count], pairs[-count:]
    names = json.dumps([str(pair.truth.relative_to(folder)) for pair in training])
    inputs = {"pairs": storage.sha256(names.encode())} | init_input(config.stereo.init)
    key = stage_key(config.seed, inputs)
    note = f"{len(training)} pairs of {folder}; held out: {', '.join(pair.name for pair in held_out[:3])}"
    source = ReadPairs(shape, training, key, note)
    validator = StereoValidator(config, ReadPairs(shape, held_out, config.seed, folder))
    return make_task(config, source, validator, inputs)


def _manifest_for(config: Config, labels: str) -> LabelManifest:
    manifest = read_manifest(labels)
    made_for = build_config(manifest.config, manifest_path(labels)).photographs.image_shape
    if made_for != config.photographs.image_shape:
        raise ConfigError(
            f"{labels}: made for photographs.image_shape {list(made_for)}, the config says "
            f"{list(config.photographs.image_shape)}: label again with this config, or use the one that made them"
        )
    return manifest


def _image_root(config: Config, manifest: LabelManifest) -> str:
    """Return where the labelled photographs are: as they were labelled, or where the config says if they were moved."""
    moved = not storage.exists(manifest.image_root) and config.photographs.root
    return config.photographs.root if moved else manifest.image_root


def _label_inputs(manifest: LabelManifest, init: str) -> dict[str, str]:
    return {"labels": manifest.fingerprint()} | init_input(init)


def _labelled_pairs(
    config: Config, root: str, labels: str, manifest: LabelManifest, inputs: Mapping[str, str]
) -> LabelledPhotographs:
    names, key = manifest.photographs, stage_key(config.seed, inputs)
    source = LabelledPhotographs(config, root, names, labels, manifest.final_round, with_pairs=True, key=key)
    source.check_photographs()
    return source


def init_input(init: str) -> dict[str, str]:
    """Return the fingerprint of the weights that a run starts from, if it names any."""
    return {"first weights": load_weights(init).fingerprint()} if init else {}


def find_labels(config: Config, named: str) -> str:
    """Return the label folder: the one that is named, else labels/<config name>, else labels/coco.

    Raises ConfigError if there is none, or if the adaptation that writes it has not finished its rounds.
    """
    candidates = [named] if named else [f"labels/{config.name}", DEFAULT_LABELS]
    command = "python tools/homographic_adapt.py --iters 2"
    for folder in candidates:
        if not storage.exists(storage.join(folder, IDENTITY_FILE)):
            continue
        wanted = read_plan(folder)["rounds"]
        done = read_manifest(folder).final_round if storage.exists(manifest_path(folder)) else 0
        if done < wanted:
            raise ConfigError(
                f"{folder}: {done} of {wanted} rounds are done; start the `{command}` that writes it again, to its end"
            )
        return folder
    looked_in = " or ".join(dict.fromkeys(candidates))
    raise ConfigError(
        f"no labels in {looked_in}; run `{command}` with the same --config first, "
        "or pass --labels with the folder that its --output named"
    )


def _pairs_validator(config: Config, root: str, photographs: Sequence[str]) -> Validator:
    if photographs:
        return PairsValidator(config, root, photographs)
    if config.train == "joint":
        raise ConfigError(f"{root}: {_TOO_FEW}")
    return ShapesValidator(config)


BUILDERS = {
    "detector": build_shapes_task,
    "joint": build_joint_task,
    "patches": build_patches_task,
    "dense": build_dense_task,
    "digits": build_digits_task,
    "lift": build_lift_task,
    "lfnet": build_lfnet_task,
    "classes": build_classes_task,
    "stereo": build_stereo_task,
}


def build_task(config: Config) -> Task:
    """Build what the config's `train` says."""
    return BUILDERS[config.train](config)
