"""Trainings on rectified pairs, drawn or read."""

from __future__ import annotations

import json

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.data.photographs.photograph_sets import num_held_out
from superpoint_tf.data.random_streams import stage_key
from superpoint_tf.data.stereo.stereo_folders import find_pairs
from superpoint_tf.data.stereo.stereo_source import DrawnPairs, ReadPairs
from superpoint_tf.runtime import storage
from superpoint_tf.training.builders.inputs import init_input, photographs_with_some_held_out
from superpoint_tf.training.stereo_validation import StereoValidator
from superpoint_tf.training.tasks import Task, make_task


def build_stereo_task(config: Config) -> Task:
    """Build the training of a stereo network, on pairs drawn from photographs or those of a folder with their truth.

    Raises ConfigError if nothing is held out.
    """
    if config.stereo.data:
        return _read_stereo_task(config)
    photographs, inputs = photographs_with_some_held_out(config)
    key = stage_key(config.seed, inputs)
    source = DrawnPairs(config, photographs.root, photographs.train, key)
    source.description += f"; {len(photographs.validation)} held out"
    held_out = DrawnPairs(config, photographs.root, photographs.validation, config.seed)
    return make_task(config, source, StereoValidator(config, held_out), inputs)


def _read_stereo_task(config: Config) -> Task:
    folder, shape = config.stereo.data, config.photographs.image_shape
    pairs = find_pairs(folder, config.photographs.stretch)
    count = num_held_out(len(pairs))
    if not count:
        raise ConfigError(f"{folder}: one pair of pictures; give at least two, of which one is held out")
    training, held_out = pairs[:-count], pairs[-count:]
    names = json.dumps([storage.relative(pair.truth, folder) for pair in training])
    inputs = {"pairs": storage.sha256(names.encode())} | init_input(config.stereo.init)
    key = stage_key(config.seed, inputs)
    note = f"{len(training)} pairs of {folder}; held out: {', '.join(pair.name for pair in held_out[:3])}"
    source = ReadPairs(shape, training, key, note)
    validator = StereoValidator(config, ReadPairs(shape, held_out, config.seed, folder))
    return make_task(config, source, validator, inputs)
