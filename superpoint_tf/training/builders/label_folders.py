"""The label folder that a training takes, and the pairs that it gives."""

from __future__ import annotations

from collections.abc import Mapping

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.labels.label_sets import labelled_photographs
from superpoint_tf.data.labels.labels import LabelManifest, manifest_path, read_manifest
from superpoint_tf.data.photographs.labelled_photographs import LabelledPhotographs
from superpoint_tf.data.random_streams import stage_key
from superpoint_tf.runtime import storage
from superpoint_tf.training.builders.inputs import init_input, mask_input


def read_labels_for(config: Config, labels: str) -> LabelManifest:
    manifest = read_manifest(labels)
    made_for = build_config(manifest.config, manifest_path(labels)).photographs
    if made_for.image_shape != config.photographs.image_shape:
        raise ConfigError(
            f"{labels}: made for photographs.image_shape {list(made_for.image_shape)}, the config says "
            f"{list(config.photographs.image_shape)}: label again with this config, or use the one that made them"
        )
    stretch = config.photographs.stretch
    if made_for.stretch != stretch:
        raise ConfigError(
            f"{labels}: made with photographs.stretch={made_for.stretch}, the config says {stretch}: label again with "
            f"this config, or pass --stretch {made_for.stretch}"
        )
    return manifest


def find_image_root(config: Config, manifest: LabelManifest) -> str:
    """Return where the labelled photographs are: as they were labelled, or where the config says if they were moved."""
    given = config.photographs.root
    return given if given and not _is_there(manifest.image_root) else manifest.image_root


def _is_there(root: str) -> bool:
    try:
        return storage.exists(root)
    except OSError:  # a store that this machine may not, or cannot, ask
        return False


def label_inputs(config: Config, labels: str, manifest: LabelManifest, init: str) -> dict[str, str]:
    masks = mask_input(config, find_image_root(config, manifest), labelled_photographs(labels, manifest))
    return {"labels": manifest.fingerprint()} | masks | init_input(init)


def labelled_pairs(
    config: Config, root: str, labels: str, manifest: LabelManifest, inputs: Mapping[str, str]
) -> LabelledPhotographs:
    key = stage_key(config.seed, inputs)
    source = LabelledPhotographs(config, root, labelled_photographs(labels, manifest), with_pairs=True, key=key)
    source.check_photographs()
    return source
