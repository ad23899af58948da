"""What tasks begin with: photographs of which some are held out, and first weights."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.data.photographs.detected_photographs import DetectedPhotographs
from superpoint_tf.data.photographs.masked_photographs import PhotographReading
from superpoint_tf.data.photographs.photograph_sets import PhotographSet, find_photographs
from superpoint_tf.data.random_streams import stage_key
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.runtime import storage

TOO_FEW = "too few photographs to hold any out for validation; give at least two"


def init_input(init: str) -> dict[str, str]:
    """Return the fingerprint of the weights that a run starts from, if it names any."""
    return {"first weights": load_weights(init).fingerprint()} if init else {}


def mask_input(config: Config, image_root: str, photographs: Iterable[str]) -> dict[str, str]:
    """Return the fingerprint of the masks of photographs, if the config names any; raises FileNotFoundError."""
    reading = PhotographReading(config.photographs.stretch, config.photographs.masks, image_root)
    reading.check()
    return {"masks": reading.fingerprint(photographs)} if reading.masks else {}


def photographs_with_some_held_out(config: Config) -> tuple[PhotographSet, dict[str, str]]:
    """Return the photographs, and the fingerprints of their names and of the weights that training begins with."""
    photographs = find_photographs(config.photographs).with_readable_validation(config.photographs.stretch)
    if not photographs.validation:
        raise ConfigError(f"{photographs.root}: {TOO_FEW}")
    names = storage.sha256(json.dumps(photographs.train).encode())
    inputs = {"photographs": names} | mask_input(config, photographs.root, photographs.train)
    return photographs, inputs | init_input(config.training.init)


def detected_photographs(config: Config, photographs: PhotographSet, inputs: Mapping[str, str]) -> DetectedPhotographs:
    source = DetectedPhotographs(config, photographs.root, photographs.train, stage_key(config.seed, inputs))
    source.description += f"; {len(photographs.validation)} held out"
    return source
