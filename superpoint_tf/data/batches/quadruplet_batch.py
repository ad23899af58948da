"""Batches for LIFT: patches of points seen twice, and patches in whose middle there is no keypoint.

Of the paper's quadruplets P1 and P2 are the two rows of a point, P3 is a row of another point, which a loss draws, and
P4 is one of the patches without a keypoint.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.batches.patch_batch import (
    PatchSettings,
    Places,
    choose_points,
    cut_places,
    is_first,
    lie_in_picture,
    more_uniforms,
    patch_batch,
)
from superpoint_tf.data.random_streams import Purpose
from superpoint_tf.data.views import frame_shape, sample_seeds
from superpoint_tf.geometry.grids import frames_of
from superpoint_tf.geometry.homography import exact_inverse

HALF_SIDE_SIGMAS = 12.0  # of a patch: it shows 24 x 24 of its keypoint's sigmas (Yi et al. 2016, section 4.1)
_EMPTY = 1  # what `more_uniforms` are for
_CANDIDATES = 8  # places that are tried, for each patch without a keypoint


@dataclass(frozen=True)
class QuadrupletSettings:
    """What decides how samples become quadruplets."""

    patches: PatchSettings
    clearance: float = 6.0  # no keypoint lies nearer to the middle of an empty patch, in its sigmas; 0: no such patches


def quadruplet_batch(batch: TensorBatch, key: int, settings: QuadrupletSettings) -> TensorBatch:
    """Do `patch_batch`, and with a clearance cut as many upright patches of view 0 that have no keypoint in the middle.

    They are as large as those of keypoints of the same picture, drawn at random, and lie wholly in it; a keypoint is
    any of those that the source found. Adds `patches_empty` float32 (P, S, S, 1) and `valid_empty` bool (P,): a picture
    may have no room for as many.
    """
    result = patch_batch(batch, key, settings.patches)
    if not settings.clearance:
        return result
    numbers, count = batch["numbers"], settings.patches.points_per_picture
    frames, free = _empty_frames(batch, key, settings)
    to_frame = tf.eye(3, batch_shape=tf.shape(numbers), dtype=tf.float64)
    places = Places(frames, exact_inverse(tf.cast(batch.get("picture_to_frame", to_frame), tf.float64)))
    free &= lie_in_picture(places, (int(batch["images"].shape[1]), int(batch["images"].shape[2])))
    order = tf.linspace(1.0, 0.0, count * _CANDIDATES)  # they are random already: the first that are free
    chosen = choose_points(free, tf.broadcast_to(order, tf.shape(free)), count)
    valid = chosen.valid & is_first(batch.get("pictures", numbers))[:, tf.newaxis]
    patches = cut_places(batch["images"], places, chosen, settings.patches)
    size = numbers.shape[0] * count
    empty = {
        "patches_empty": tf.reshape(patches, (size, *patches.shape[2:])),
        "valid_empty": tf.reshape(valid, (size,)),
    }
    return {**result, **empty}


def _empty_frames(batch: TensorBatch, key: int, settings: QuadrupletSettings) -> tuple[tf.Tensor, tf.Tensor]:
    """Return upright frames (B, C, 2, 3) at random places; tell which have no keypoint near their middle, (B, C)."""
    height, width = frame_shape(batch)
    count = settings.patches.points_per_picture * _CANDIDATES
    drawn = more_uniforms(sample_seeds(key, Purpose.PATCHES, batch["numbers"]), _EMPTY, (count, 3))
    places = drawn[..., :2] * tf.constant([width - 1.0, height - 1.0])
    half_sides = _drawn_half_sides(batch, drawn[..., 2], settings.patches.half_side_px)
    keypoints = batch["keypoints"]
    steps = places[:, :, tf.newaxis] - keypoints[:, tf.newaxis]
    near_px = settings.clearance / HALF_SIDE_SIGMAS * half_sides
    near = tf.reduce_sum(tf.square(steps), -1) < tf.square(near_px)[..., tf.newaxis]  # NaN is not
    return frames_of(places, half_sides), ~tf.reduce_any(near, -1)


def _drawn_half_sides(batch: TensorBatch, drawn: tf.Tensor, half_side_px: float) -> tf.Tensor:
    """Return for numbers in [0, 1) (B, C) the half sides of keypoints of the same picture, or `half_side_px`."""
    if "frames" not in batch:
        return tf.fill(tf.shape(drawn), half_side_px)
    half_sides = tf.pad(batch["frames"][..., 0], ((0, 0), (0, 1)), constant_values=half_side_px)
    present = tf.reduce_sum(tf.cast(tf.math.is_finite(batch["frames"][..., 0]), tf.int32), 1, keepdims=True)
    last = tf.shape(half_sides)[1] - 1
    index = tf.cast(drawn * tf.cast(present, tf.float32), tf.int32)
    return tf.gather(half_sides, tf.where(present > 0, tf.minimum(index, present - 1), last), batch_dims=1)
