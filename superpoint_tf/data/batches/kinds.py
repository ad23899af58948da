"""The kinds of batch, by the section of the config that trains on them; patches may come from a set too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from superpoint_tf.config import Config, PhotographsSection, SyntheticSection
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.batches.class_batch import class_batch
from superpoint_tf.data.batches.dense_batch import DenseSettings, dense_batch
from superpoint_tf.data.batches.detector_batch import detector_batch
from superpoint_tf.data.batches.digit_batch import digit_batch
from superpoint_tf.data.batches.lfnet_batch import LfnetSettings, lfnet_batch
from superpoint_tf.data.batches.pair_batch import pair_batch
from superpoint_tf.data.batches.patch_batch import PatchSettings, patch_batch
from superpoint_tf.data.batches.planes_batch import planes_batch
from superpoint_tf.data.batches.quadruplet_batch import QuadrupletSettings, quadruplet_batch
from superpoint_tf.data.batches.set_batch import set_batch
from superpoint_tf.data.batches.stereo_batch import StereoSettings, stereo_batch
from superpoint_tf.data.digits.digit_source import NUM_UNIFORMS, DigitSource
from superpoint_tf.data.patch_sets.set_source import PatchSetSource
from superpoint_tf.data.photographs.plane_pairs import PlanePairs
from superpoint_tf.data.sources import Source
from superpoint_tf.data.stereo.stereo_source import StereoSource
from superpoint_tf.data.views import ViewSettings
from superpoint_tf.networks.lift_chain import PATCH_SIDE_PX
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


def _digit_signature(source: DigitSource, size: int) -> dict[str, tf.TensorSpec]:
    return {
        "numbers": tf.TensorSpec((size,), tf.int64),
        "images": tf.TensorSpec((size, *source.picture_shape), tf.uint8),
        "labels": tf.TensorSpec((size,), tf.int64),
        "uniforms": tf.TensorSpec((size, NUM_UNIFORMS), tf.float32),
    }


def _planes_signature(source: PlanePairs, size: int) -> dict[str, tf.TensorSpec]:
    picture = tf.TensorSpec((size, *source.picture_shape), tf.uint8)
    points = tf.TensorSpec((size, source.points_per_pair, 2), tf.float32)
    numbers = tf.TensorSpec((size,), tf.int64)
    return {
        **{"numbers": numbers, "pictures": numbers, "images": picture, "images1": picture},
        **{"points0": points, "points1": points},
        "mask1": tf.TensorSpec((size, *source.image_shape), tf.bool),
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


def _quadruplet_settings(config: Config, pictures: Pictures) -> QuadrupletSettings:
    """The descriptor sees patches that are turned as its keypoints are, the others upright ones."""
    section, detects = config.lift, config.lift.trainable == "detector"
    patches = PatchSettings(
        ViewSettings.of(pictures, section),
        PATCH_SIDE_PX,
        section.points_per_picture,
        jitter=section.jitter,
        carry="similarity" if section.trainable == "descriptor" else "size",
        shift=section.shift if detects else 0.0,
        subsamples=1,  # at 24 sigmas a pixel of a patch is a fifth of a sigma: smaller than the picture's, or nearly
    )
    return QuadrupletSettings(patches, section.clearance if detects else 0.0)


def _dense_settings(config: Config, pictures: Pictures) -> DenseSettings:
    section = config.dense
    return DenseSettings(ViewSettings.of(pictures, section), section.points_per_pair, section.truth)


def _distortion(config: Config, pictures: Pictures) -> str:
    return config.digits.distortion


def _lfnet_settings(config: Config, pictures: Pictures) -> LfnetSettings:
    section = config.lfnet
    falls_every = section.hardest_fall_every * section.num_samples
    return LfnetSettings(ViewSettings.of(pictures, section), section.hardest, falls_every)


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
    "lift": BatchKind(_picture_signature, _quadruplet_settings, quadruplet_batch),
    "dense": BatchKind(_picture_signature, _dense_settings, dense_batch),
    "digits": BatchKind(_digit_signature, _distortion, digit_batch),
    "lfnet": BatchKind(_picture_signature, _lfnet_settings, lfnet_batch),
    "planes": BatchKind(_planes_signature, _no_settings, planes_batch),
    "classes": BatchKind(_picture_signature, _view_settings, class_batch),
    "patch set": BatchKind(_point_signature, _no_settings, set_batch),
    "stereo": BatchKind(_stereo_signature, _stereo_settings, stereo_batch),
}
