"""The kinds of batch, by the section of the config that trains on them; patches may come from a set too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from superpoint_tf.config import Config, PhotographsSection, SyntheticSection
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.batches.detector_batch import detector_batch
from superpoint_tf.data.batches.pair_batch import pair_batch
from superpoint_tf.data.batches.patch_batch import PatchSettings, patch_batch
from superpoint_tf.data.batches.set_batch import set_batch
from superpoint_tf.data.batches.stereo_batch import StereoSettings, stereo_batch
from superpoint_tf.data.patch_sets.set_source import PatchSetSource
from superpoint_tf.data.sources import Source
from superpoint_tf.data.stereo.stereo_source import StereoSource
from superpoint_tf.data.views import ViewSettings
from superpoint_tf.systems import SYSTEMS, PatchSpec, StereoSpec

Pictures = PhotographsSection | SyntheticSection


class BatchKind(NamedTuple):
    """What an objective sees, made of what workers hand over."""

    signature: Callable[[Any, int], dict[str, tf.TensorSpec]]  # of so many samples of a source, as workers hand over
    settings: Callable[[Config, Pictures], Any]  # of `assemble`, from the config and its section of the pictures
    assemble: Callable[[TensorBatch, int, Any], TensorBatch]  # batch, key of the stage, settings; inside one graph


def _picture_signature(source: Source, size: int) -> dict[str, tf.TensorSpec]:
    picture = tf.TensorSpec((size, *source.picture_shape), tf.uint8)
    signature = {
        "numbers": tf.TensorSpec((size,), tf.int64),
        "images": picture,
        "keypoints": tf.TensorSpec((size, None, 2), tf.float32),
    }
    if source.with_pairs:
        signature["images1"] = picture
        signature["pictures"] = tf.TensorSpec((size,), tf.int64)
    if source.with_known:
        signature["known"] = tf.TensorSpec((size, *source.image_shape), tf.bool)
    if source.with_frames:
        signature["frames"] = tf.TensorSpec((size, None, 2), tf.float32)
    if source.picture_shape != source.image_shape:
        signature["picture_to_frame"] = tf.TensorSpec((size, 3, 3), tf.float64)
    return signature


def _point_signature(source: PatchSetSource, size: int) -> dict[str, tf.TensorSpec]:
    rows = size * source.points_per_sample
    patches, numbers = tf.TensorSpec((rows, *source.patch_shape), tf.uint8), tf.TensorSpec((rows,), tf.int64)
    return {
        "numbers": tf.TensorSpec((size,), tf.int64),
        "patches0": patches,
        "patches1": patches,
        "point": numbers,
    }


def _view_settings(config: Config, pictures: Pictures) -> ViewSettings:
    return ViewSettings.of(pictures, config.training)


def _patch_settings(config: Config, pictures: Pictures) -> PatchSettings:
    spec, section = SYSTEMS[config.network.system].network, config.patches
    assert isinstance(spec, PatchSpec)  # the config's rules say so
    views = ViewSettings.of(pictures, section)
    return PatchSettings(
        views, spec.side_px, section.points_per_picture, section.half_side_px, section.jitter, section.carry
    )


def _stereo_signature(source: StereoSource, size: int) -> dict[str, tf.TensorSpec]:
    picture = tf.TensorSpec((size, *source.image_shape), tf.uint8)
    return {
        "numbers": tf.TensorSpec((size,), tf.int64),
        "images0": picture,
        "images1": picture,
        "disparity": tf.TensorSpec((size, *source.image_shape), tf.float32),
    }


def _stereo_settings(config: Config, pictures: Pictures) -> StereoSettings:
    spec, section = SYSTEMS[config.network.system].network, config.stereo
    assert isinstance(spec, StereoSpec)  # the config's rules say so
    ranges = section.positive_px, section.negative_px
    return StereoSettings(spec.side_px, section.points_per_pair, *ranges, section.changes)


def _no_settings(config: Config, pictures: Pictures) -> None:
    return None


BATCHES = {
    "detector": BatchKind(_picture_signature, _view_settings, detector_batch),
    "joint": BatchKind(_picture_signature, _view_settings, pair_batch),
    "patches": BatchKind(_picture_signature, _patch_settings, patch_batch),
    "patch set": BatchKind(_point_signature, _no_settings, set_batch),
    "stereo": BatchKind(_stereo_signature, _stereo_settings, stereo_batch),
}
