"""The kinds of batch, by the section of the config that trains on them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from superpoint_tf.config import Config, PhotographsSection, SyntheticSection
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.batches.detector_batch import detector_batch
from superpoint_tf.data.batches.pair_batch import pair_batch
from superpoint_tf.data.batches.patch_batch import PatchSettings, patch_batch
from superpoint_tf.data.views import ViewSettings
from superpoint_tf.systems import SYSTEMS, PatchSpec

Pictures = PhotographsSection | SyntheticSection


class BatchKind(NamedTuple):
    """What an objective sees, made of what workers hand over."""

    two_pictures: bool  # of each sample, under photometric changes of their own
    settings: Callable[[Config, Pictures], Any]  # of `assemble`, from the config and its section of the pictures
    assemble: Callable[[TensorBatch, int, Any], TensorBatch]  # batch, key of the stage, settings; inside one graph


def _view_settings(config: Config, pictures: Pictures) -> ViewSettings:
    return ViewSettings.of(pictures, config.training)


def _patch_settings(config: Config, pictures: Pictures) -> PatchSettings:
    spec, section = SYSTEMS[config.network.system].network, config.patches
    assert isinstance(spec, PatchSpec)  # the config's rules say so
    views = ViewSettings.of(pictures, section)
    return PatchSettings(
        views, spec.side_px, section.points_per_picture, section.half_side_px, section.jitter, section.carry
    )


BATCHES = {
    "detector": BatchKind(False, _view_settings, detector_batch),
    "joint": BatchKind(True, _view_settings, pair_batch),
    "patches": BatchKind(True, _patch_settings, patch_batch),
}
