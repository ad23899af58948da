"""Trainings on patches: of a set, about labels, or about SIFT's keypoints."""

from __future__ import annotations

import functools

from superpoint_tf.config import DOG, Config, ConfigError
from superpoint_tf.data.labels.label_folders import find_labels
from superpoint_tf.data.patch_sets.read_sets import read_patch_sets
from superpoint_tf.data.patch_sets.set_source import PatchSetSource
from superpoint_tf.data.random_streams import stage_key
from superpoint_tf.systems import SYSTEMS, PatchSpec
from superpoint_tf.training.builders.inputs import (
    TOO_FEW,
    detected_photographs,
    init_input,
    photographs_with_some_held_out,
)
from superpoint_tf.training.builders.label_folders import (
    find_image_root,
    label_inputs,
    labelled_pairs,
    read_labels_for,
)
from superpoint_tf.training.lift_validation import LiftValidator
from superpoint_tf.training.patch_validation import PatchValidator, cut_from_photographs, cut_from_set
from superpoint_tf.training.tasks import Task, make_task


def build_patches_task(config: Config) -> Task:
    """Build the training of a descriptor of patches: of a set, or cut about the keypoints of labels or SIFT's.

    Raises ConfigError as `build_joint_task`, and if no photograph is held out.
    """
    if config.patches.data:
        return _set_patches_task(config)
    if config.patches.labels == DOG:
        return _detected_patches_task(config)
    labels = find_labels(config, config.patches.labels)
    manifest = read_labels_for(config, labels)
    root, inputs = find_image_root(config, manifest), label_inputs(config, labels, manifest, config.patches.init)
    if not manifest.validation:
        raise ConfigError(f"{root}: {TOO_FEW}")
    source = labelled_pairs(config, root, labels, manifest, inputs)
    cut = functools.partial(cut_from_photographs, config, root, manifest.validation)
    return make_task(config, source, PatchValidator(config, cut), inputs)


def _detected_patches_task(config: Config) -> Task:
    photographs, inputs = photographs_with_some_held_out(config)
    source = detected_photographs(config, photographs, inputs)
    cut = functools.partial(cut_from_photographs, config, photographs.root, photographs.validation)
    return make_task(config, source, PatchValidator(config, cut), inputs)


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


def build_lift_task(config: Config) -> Task:
    """Build the training of one of LIFT's networks, on patches about the keypoints of differences of Gaussians.

    Raises ConfigError if no photograph is held out.
    """
    photographs, inputs = photographs_with_some_held_out(config)
    source = detected_photographs(config, photographs, inputs)
    return make_task(config, source, LiftValidator(config, photographs.root, photographs.validation), inputs)
