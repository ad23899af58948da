"""What the settings of a system and of its training must fulfil together."""

from __future__ import annotations

from dataclasses import fields, replace

from superpoint_tf.config.fields import ConfigError
from superpoint_tf.config.patch_trainings import DOG, LiftSection, PatchesSection
from superpoint_tf.config.sections import Config, NetworkConfig
from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.systems import SYSTEMS, VECTORS, DenseSpec


def check_system(config: Config, source: str) -> None:
    system = config.network.system
    if SYSTEMS[system].train != config.train:
        trained = ", ".join(name for name, row in SYSTEMS.items() if row.train == config.train)
        own = SYSTEMS[system].train
        raise ConfigError(f"{source}: `train: {config.train}` trains {trained}; {system} is trained by `train: {own}`")
    if config.network.classes and config.train != "classes":
        raise ConfigError(f"{source}: `network.classes`: of `train: classes`; {system} has none: leave it out")
    if not isinstance(SYSTEMS[system].network, DenseSpec):
        _check_without_effect(config, source)
    if config.train == "patches":
        _check_patches(config, source)
    if config.train == "lift":
        _check_lift(config, source)
    if config.train == "lfnet":
        _check_lfnet(config, source)
    if config.train == "dense":
        _check_dense(config, source)
    if config.train == "classes" and config.classes.stage == "attention" and not config.classes.init:
        raise ConfigError(
            f"{source}: `classes.stage`: attention is trained on a body that is; give its weights, `classes.init`, or "
            "train it first, `classes.stage: body`"
        )
    if config.train == "stereo":
        _check_stereo(config, source)


def _check_stereo(config: Config, source: str) -> None:
    stereo, system = config.stereo, config.network.system
    if stereo.loss and stereo.loss not in SYSTEMS[system].losses:
        raise ConfigError(
            f"{source}: `stereo.loss`: {stereo.loss} does not train {system}; use {', '.join(SYSTEMS[system].losses)}"
        )
    if stereo.batch_size % stereo.points_per_pair:
        raise ConfigError(
            f"{source}: `stereo.batch_size`: {stereo.batch_size} points do not come from whole pairs; make it a "
            f"multiple of `stereo.points_per_pair`, {stereo.points_per_pair}"
        )
    low, high = stereo.negative_px
    if not stereo.positive_px < low <= high:
        raise ConfigError(
            f"{source}: `stereo.negative_px`: [{low:g}, {high:g}]; give [low, high], both above `stereo.positive_px`, "
            f"{stereo.positive_px:g}: nearer patches match"
        )
    for name, usual in (("crop_shape", (0, 0)), ("source_scale", 1.0), ("flip", False)):
        if getattr(config.photographs, name) != usual:
            raise ConfigError(f"{source}: `photographs.{name}`: changes nothing of stereo pairs; leave it out")
    width = config.photographs.image_shape[1]
    if stereo.max_disparity_px >= width:
        raise ConfigError(
            f"{source}: `stereo.max_disparity_px`: {stereo.max_disparity_px:g} leaves nothing that pictures of {width} "
            f"px both show; give less"
        )
    changes = stereo.changes
    for name in ("scale", "scale_x", "right_scale_x"):
        low, high = getattr(changes, name)
        if low > high:
            raise ConfigError(f"{source}: `stereo.changes.{name}`: {low:g} is above {high:g}; give [low, high]")


def _check_patches(config: Config, source: str) -> None:
    patches, photographs, system = config.patches, config.photographs, SYSTEMS[config.network.system]
    alike = [row for row in SYSTEMS.values() if row.train == "patches" and row.gives == system.gives]
    losses = dict.fromkeys(loss for row in alike if row.solved == system.solved for loss in row.losses)
    if patches.loss and patches.loss not in losses:
        raise ConfigError(
            f"{source}: `patches.loss`: {patches.loss} does not train {config.network.system}, which gives "
            f"{system.gives}; use {', '.join(losses)}"
        )
    if patches.gor_weight and (system.solved or system.gives != VECTORS):
        raise ConfigError(
            f"{source}: `patches.gor_weight`: {patches.gor_weight:g} is for vectors that gradients train; "
            f"{config.network.system} has none: give 0"
        )
    for name, usual in (("masks", ""), ("stretch", NO_STRETCH)):
        if patches.data and getattr(photographs, name) != usual:
            raise ConfigError(
                f"{source}: `photographs.{name}`: the patches of `patches.data` are cut already; leave it out"
            )
    side = min(photographs.image_shape if photographs.crop_shape == (0, 0) else photographs.crop_shape)
    cut_about_labels = not patches.data and patches.labels != DOG
    if cut_about_labels and 2 * patches.half_side_px >= side:
        raise ConfigError(
            f"{source}: `patches.half_side_px`: no patch of {2 * patches.half_side_px:g} px fits into pictures of "
            f"{side} px; give less than {side / 2:g}"
        )
    _check_whole_pictures("patches", patches, source)


def _check_whole_pictures(key: str, section: PatchesSection | LiftSection, source: str) -> None:
    if section.batch_size % section.points_per_picture:
        raise ConfigError(
            f"{source}: `{key}.batch_size`: {section.batch_size} points do not come from whole pictures; make it a "
            f"multiple of `{key}.points_per_picture`, {section.points_per_picture}"
        )


def _check_lift(config: Config, source: str) -> None:
    lift = config.lift
    before = {"orientation": "descriptor", "detector": "orientation"}.get(lift.trainable)
    if before and not lift.init:
        raise ConfigError(
            f"{source}: `lift.init`: the {lift.trainable} is trained through networks that are trained before it; name "
            f"the weights of a run with lift.trainable={before}"
        )
    _check_whole_pictures("lift", lift, source)


def _check_lfnet(config: Config, source: str) -> None:
    lfnet = config.lfnet
    weights = (lfnet.image_weight, lfnet.pair_weight, lfnet.orientation_weight, lfnet.scale_weight)
    if not any((*weights, lfnet.descriptor_weight)):
        raise ConfigError(f"{source}: `lfnet.image_weight`: all weights are 0, nothing is learnt; give one of them")


def _check_dense(config: Config, source: str) -> None:
    dense, system = config.dense, config.network.system
    if dense.loss and dense.loss not in SYSTEMS[system].losses:
        losses = ", ".join(SYSTEMS[system].losses)
        raise ConfigError(f"{source}: `dense.loss`: {dense.loss} does not train {system}; use {losses}")
    if dense.truth == "planes" and config.photographs.source_scale != 1:
        raise ConfigError(
            f"{source}: `photographs.source_scale`: {config.photographs.source_scale:g} is for homographies; "
            "`dense.truth: planes` draws both views in the frame's pixels: give 1"
        )
    if dense.min_points > dense.points_per_pair:
        raise ConfigError(
            f"{source}: `dense.min_points`: {dense.min_points} is above `dense.points_per_pair`: "
            f"{dense.points_per_pair}, so no pair would train; give fewer"
        )
    loss, usual = dense.loss or SYSTEMS[system].losses[0], type(dense)()
    unused = {"softmax": ("margin",), "consistency": ("margin", "min_points", "points_per_pair")}.get(loss, ())
    for name in unused:
        if getattr(dense, name) != getattr(usual, name):
            raise ConfigError(f"{source}: `dense.{name}`: changes nothing of the loss {loss}; leave it out")


def _check_without_effect(config: Config, source: str) -> None:
    """Refuse settings that change nothing of a system: its row alone says what the network is."""
    usual, system = NetworkConfig(system=config.network.system), config.network.system
    usual = replace(usual, classes=config.network.classes)
    for field in fields(NetworkConfig):
        if getattr(config.network, field.name) != getattr(usual, field.name):
            raise ConfigError(f"{source}: `network.{field.name}`: the layers of {system} are fixed; leave it out")
    for name in ("init", "trainable", "flips"):
        if SYSTEMS[system].solved and getattr(config.patches, name):
            raise ConfigError(f"{source}: `patches.{name}`: {system} is solved for, without gradients; leave it out")
