"""Trainings on whole pictures without labels: maps, crops, classes, digits."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from superpoint_tf.config import ClassesSection, Config, ConfigError
from superpoint_tf.data.digits.digit_set import load_digits
from superpoint_tf.data.digits.digit_source import DigitSource
from superpoint_tf.data.photographs.photograph_pairs import PhotographPairs
from superpoint_tf.data.photographs.plane_pairs import PlanePairs
from superpoint_tf.data.random_streams import stage_key
from superpoint_tf.networks.residual_network import HEADS
from superpoint_tf.systems import SYSTEMS, DenseSpec, MapSpec
from superpoint_tf.training.builders.inputs import init_input, photographs_with_some_held_out
from superpoint_tf.training.class_validation import ClassValidator
from superpoint_tf.training.correspondence_validation import CorrespondenceValidator
from superpoint_tf.training.digit_validation import DigitValidator
from superpoint_tf.training.tasks import Task, make_task
from superpoint_tf.training.validation import PairsValidator, Validator

_STAGES = {"body": "conv, block", "attention": "attention"}  # what each stage of `classes` trains, beside its head


def build_dense_task(config: Config) -> Task:
    """Build the training of maps on pairs of views of photographs, without labels.

    Raises ConfigError if no photograph is held out.
    """
    photographs, inputs = photographs_with_some_held_out(config)
    planes = config.dense.truth == "planes"
    of_pairs = PlanePairs if planes else PhotographPairs
    source = of_pairs(config, photographs.root, photographs.train, stage_key(config.seed, inputs))
    source.description += f"; {len(photographs.validation)} held out"
    validator = _map_validator(config, photographs.root, photographs.validation)
    return make_task(config, source, validator, inputs, kind="planes" if planes else "")


def _map_validator(config: Config, root: str, photographs: Sequence[str]) -> Validator:
    """Return the validation of what a system gives: keypoints and their matches, or where every point is put."""
    spec = SYSTEMS[config.network.system].network
    detects = isinstance(spec, DenseSpec | MapSpec) and spec.score_map
    return (PairsValidator if detects else CorrespondenceValidator)(config, root, photographs)


def build_lfnet_task(config: Config) -> Task:
    """Build the training of LF-Net on pairs of views of photographs; raises ConfigError as `build_dense_task`."""
    photographs, inputs = photographs_with_some_held_out(config)
    source = PhotographPairs(config, photographs.root, photographs.train, stage_key(config.seed, inputs))
    source.description += f"; {len(photographs.validation)} held out"
    return make_task(config, source, PairsValidator(config, photographs.root, photographs.validation), inputs)


def build_classes_task(config: Config) -> Task:
    """Build the training that tells photographs apart: each of those to train on is a class.

    Raises ConfigError for fewer than two, if none is held out, or if `network.classes` are fewer than there are.
    """
    photographs, inputs = photographs_with_some_held_out(config)
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


def build_digits_task(config: Config) -> Task:
    """Build the training of a network that tells distorted digits apart.

    Raises ConfigError if scikit-learn, which brings them, is not installed.
    """
    digits = load_digits()["train"]
    inputs = {"digits": digits.fingerprint()} | init_input(config.digits.init)
    source = DigitSource(digits, stage_key(config.seed, inputs))
    return make_task(config, source, DigitValidator(config), inputs)
