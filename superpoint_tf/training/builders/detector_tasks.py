"""Trainings of a detector alone, and of detector and descriptor: on shapes, and on labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from superpoint_tf.config import Config, ConfigError, SyntheticSection
from superpoint_tf.config.differences import differences
from superpoint_tf.data.labels.label_folders import find_labels
from superpoint_tf.data.labels.label_sets import labelled_photographs
from superpoint_tf.data.labels.labels import ADAPTED, IMPORTED, LabelManifest
from superpoint_tf.data.photographs.labelled_photographs import LabelledPhotographs
from superpoint_tf.data.random_streams import stage_key
from superpoint_tf.data.shapes.record_folder import record_settings
from superpoint_tf.data.shapes.record_reader import read_record_manifest
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes, RecordedShapes
from superpoint_tf.data.sources import Source
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.training.builders.inputs import TOO_FEW, init_input
from superpoint_tf.training.builders.label_folders import (
    find_image_root,
    label_inputs,
    labelled_pairs,
    read_labels_for,
)
from superpoint_tf.training.tasks import Task, make_task
from superpoint_tf.training.validation import PairsValidator, ShapesValidator, Validator


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
            f"{manifest}: missing; run `{how_to_run('generate_synthetic')}`, or set synthetic.source=generator"
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


def build_adapted_task(config: Config, labels: str, manifest: LabelManifest) -> Task:
    """Build the retraining of a detector on the labels of the last round of adaptation that is done.

    It sees its photographs turned as far as the next round will turn them, however little the joint model's pairs are.
    """
    max_angle_deg = max(config.photographs.homography.max_angle_deg, config.adaptation.homography.max_angle_deg)
    homography = dataclasses.replace(config.photographs.homography, max_angle_deg=max_angle_deg)
    photographs_section = dataclasses.replace(config.photographs, homography=homography)
    config = dataclasses.replace(config.trained_as("detector"), photographs=photographs_section)
    inputs = label_inputs(config, labels, manifest, config.detector.init)
    root, key = manifest.image_root, stage_key(config.seed, inputs)
    source = LabelledPhotographs(config, root, labelled_photographs(labels, manifest), with_pairs=False, key=key)
    validator = pairs_validator(config, root, manifest.validation)
    return make_task(config, source, validator, inputs, on_photographs=True)


def build_joint_task(config: Config) -> Task:
    """Build the training of detector and descriptor on the labels that adaptation left.

    Raises ConfigError naming the folders looked in if there are no labels, or labels made for another frame.
    """
    config = config.trained_as("joint")
    labels = find_labels(config, config.joint.labels)
    manifest = read_labels_for(config, labels)
    if config.joint.init == ADAPTED:
        if manifest.detector["path"] == IMPORTED:
            raise ConfigError(
                f"{labels}: its labels were imported: there is no detector for `joint.init: {ADAPTED}` to begin with; "
                "set joint.init=superpoint-small with network.width=0.5, joint.init=superpoint, or joint.init= for none"
            )
        config = dataclasses.replace(config, joint=dataclasses.replace(config.joint, init=manifest.detector["path"]))
    root, inputs = find_image_root(config, manifest), label_inputs(config, labels, manifest, config.joint.init)
    inputs |= teacher_input(config)
    source = labelled_pairs(config, root, labels, manifest, inputs)
    if not manifest.has_votes:
        source.description += "; made before labels had votes: nothing is learnt within 16 px of their frame's edge"
    return make_task(config, source, pairs_validator(config, root, manifest.validation), inputs)


def teacher_input(config: Config) -> dict[str, str]:
    """Return the fingerprint of the weights that answer first, if the config names any; raises ConfigError."""
    teacher = config.joint.teacher
    if not teacher:
        return {}
    weights = load_weights(teacher)
    if (system := weights.network.system) != config.network.system:
        raise ConfigError(f"joint.teacher={teacher}: weights of {system}; those of {config.network.system} can teach")
    dim, own_dim = weights.network.descriptor_dim, config.network.descriptor_dim
    if dim != own_dim and not (config.joint.descriptor_weight or config.joint.keypoint_weight):
        raise ConfigError(
            f"joint.teacher={teacher}: its descriptors have {dim} numbers, network.descriptor_dim is {own_dim}, and "
            "nothing else trains descriptors; make them alike, or set joint.keypoint_weight=1"
        )
    return {"teacher": weights.fingerprint()}


def pairs_validator(config: Config, root: str, photographs: Sequence[str]) -> Validator:
    if photographs:
        return PairsValidator(config, root, photographs)
    if config.train == "joint":
        raise ConfigError(f"{root}: {TOO_FEW}")
    return ShapesValidator(config)
