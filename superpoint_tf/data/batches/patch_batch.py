"""Batches of patches: points of photographs, each cut from two views, as an imperfect detector would cut them.

Views are never drawn: a patch's pixels are carried back through its view's homography and read in the picture itself,
at the resolution that the patch and the view have there. So nothing is resampled twice.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.random_streams import Purpose
from superpoint_tf.data.views import ViewSettings, frame_shape, sample_seeds, sample_view_homographies, to_unit
from superpoint_tf.geometry.grids import (
    carry_frames,
    frame_corners,
    frames_of,
    nearest_similarity,
    patch_points,
    upright_frames,
)
from superpoint_tf.geometry.homography import exact_inverse, sample_homographies
from superpoint_tf.geometry.patches import LEVEL_TOLERANCE, SUBSAMPLES
from superpoint_tf.geometry.pyramid import build_pyramid, sample_pyramid
from superpoint_tf.geometry.warp import warp_points
from superpoint_tf.networks.stateless import fold_in

# Standard deviations of the second frame at jitter 1: patches overlap by about .85, as the easy ones of HPatches
# (Balntas et al. 2017). Shifts are in half sides; a stretch of e octaves along an axis shrinks the other by as much.
_ANGLE_DEG, _SCALE_OCTAVES, _SHIFT, _STRETCH_OCTAVES = 7.0, 0.08, 0.06, 0.05
_UNIFORMS = 7  # a keypoint: its priority, then angle, scale, shift xy, stretch and the stretch's axis
_MAX_KEYPOINTS = 2**16  # a picture: with the sample's number a point's fits into 63 bits
_SHIFTS = 0  # what `more_uniforms` are for
_LEVELS = 5  # of the pictures' pyramid: patches of up to 64 of the picture's pixels a pixel


@dataclass(frozen=True)
class PatchSettings:
    """What decides how samples become patches."""

    views: ViewSettings
    side_px: int = 32  # of a patch, in its own pixels: `PatchSpec.side_px`
    points_per_picture: int = 64
    half_side_px: float = 16.0  # of the patch of a keypoint without a frame of its own, in pixels of the frame
    jitter: float = 1.0  # of the second frame; 1 is about HPatches' easy, 2 its hard; 0: none
    carry: str = "affine"  # what of the homography a patch's frame follows: `affine`, `similarity`, or its `size`
    shift: float = 0.0  # at most so far, in half sides along each axis, both frames lie off the keypoint
    subsamples: int = SUBSAMPLES  # along each axis of a patch's pixel


class Places(NamedTuple):
    """Where patches of one view lie, (B, N, ...)."""

    frames: tf.Tensor  # float32 (..., 2, 3), in the view
    to_picture: tf.Tensor  # float64 (B, 3, 3), from the view


class Choice(NamedTuple):
    """Points chosen in each picture, (B, N)."""

    indices: tf.Tensor  # int32, rows of the keypoints
    valid: tf.Tensor  # bool: not a repetition
    any_point: tf.Tensor  # bool (B,)


def patch_batch(batch: TensorBatch, key: int, settings: PatchSettings) -> TensorBatch:
    """Cut patches about keypoints from both views of each picture, B times `points_per_picture` = P of them.

    `batch` is what workers hand over for pairs (`Source.render`), perhaps with `pictures` int64 (B,), which picture a
    sample shows: of several samples of one picture only the first gives points. Points are chosen at random among those
    whose patches lie wholly in the picture. A keypoint's frame is carried to both views by the local affine part of
    their homographies, or by the similarity nearest to it; that of view 1 is turned, scaled, moved and stretched at
    random.

    Returns `numbers` int64 (B,), and row by row `patches0`, `patches1` float32 (P, S, S, 1) in [0, 1], `point` int64
    (P,), a number that no other row has, `picture` int64 (P,), `position` float32 (P, 2) in the frame, and `valid` bool
    (P,); and `loss_seeds` int64 (B, 2), stateless seeds of what the loss draws. Rows that are not valid have `point`
    -1; their patches repeat the picture's others, so that batch norm sees real ones, or are zeros in a picture without
    a point.
    """
    numbers, count, keypoints = batch["numbers"], settings.points_per_picture, batch["keypoints"]
    uniforms = _uniforms(sample_seeds(key, Purpose.PATCHES, numbers), tf.shape(keypoints)[1])
    places = _places(batch, key, uniforms, settings)
    picture_shape = (int(batch["images"].shape[1]), int(batch["images"].shape[2]))
    seen = tf.reduce_all([lie_in_picture(each, picture_shape) for each in places], axis=0)
    chosen = choose_points(seen, uniforms[..., 0], count)
    pictures = batch.get("pictures", numbers)
    valid = chosen.valid & is_first(pictures)[:, tf.newaxis]
    points = numbers[:, tf.newaxis] * _MAX_KEYPOINTS + tf.cast(chosen.indices, tf.int64)
    positions = tf.gather(tf.pad(keypoints, ((0, 0), (0, 1), (0, 0))), chosen.indices, batch_dims=1)
    patches0, patches1 = (
        cut_places(batch[name], each, chosen, settings)
        for name, each in zip(("images", "images1"), places, strict=True)
    )
    rows = {
        "patches0": patches0,
        "patches1": patches1,
        "point": tf.where(valid, points, -1),
        "picture": tf.repeat(pictures[:, tf.newaxis], count, axis=1),
        "position": tf.where(valid[..., tf.newaxis], positions, 0.0),
        "valid": valid,
    }
    size = numbers.shape[0] * count
    flat = {name: tf.reshape(value, (size, *value.shape[2:])) for name, value in rows.items()}
    return {"numbers": numbers, "loss_seeds": sample_seeds(key, Purpose.SHIFT, numbers), **flat}


def _uniforms(seeds: tf.Tensor, num_keypoints: tf.Tensor) -> tf.Tensor:
    """Draw the numbers in [0, 1) of each keypoint, float64 (B, K, 7); Philox fills in order: more K only add some."""

    def row(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform((num_keypoints, _UNIFORMS), seed, dtype=tf.float64, alg="philox")

    return tf.map_fn(row, seeds, fn_output_signature=tf.TensorSpec((None, _UNIFORMS), tf.float64))


def _places(batch: TensorBatch, key: int, uniforms: tf.Tensor, settings: PatchSettings) -> tuple[Places, Places]:
    """Return where the patches of all keypoints lie in both views."""
    shape, numbers = frame_shape(batch), batch["numbers"]
    homographies0 = tf.eye(3, batch_shape=tf.shape(numbers))
    if settings.views.both:
        seeds = sample_seeds(key, Purpose.HOMOGRAPHY0, numbers)
        homographies0 = sample_homographies(seeds, shape, settings.views.homography)
    homographies = homographies0, sample_view_homographies(numbers, key, settings.views, shape)
    frames = _frames(batch, settings.half_side_px)
    carried = [carry_frames(frames, homography) for homography in homographies]
    if settings.carry != "affine":
        carried = [(nearest_similarity if settings.carry == "similarity" else upright_frames)(each) for each in carried]
    carried[1] = _jittered(carried[1], uniforms, settings.jitter)
    if settings.shift:
        seeds = sample_seeds(key, Purpose.PATCHES, numbers)
        moves = more_uniforms(seeds, _SHIFTS, (tf.shape(frames)[1], 4))
        carried = [
            _moved(each, settings.shift * (2.0 * move - 1.0))
            for each, move in zip(carried, tf.split(moves, 2, -1), strict=True)
        ]
    to_frame = tf.eye(3, batch_shape=tf.shape(numbers), dtype=tf.float64)
    to_frame = tf.cast(batch.get("picture_to_frame", to_frame), tf.float64)
    first, second = (
        Places(each, exact_inverse(tf.matmul(tf.cast(homography, tf.float64), to_frame)))
        for each, homography in zip(carried, homographies, strict=True)
    )
    return first, second


def more_uniforms(seeds: tf.Tensor, purpose: int, shape: tuple[int | tf.Tensor, ...]) -> tf.Tensor:
    """Draw more numbers in [0, 1) of each sample, float32 (B, *shape), independent of those with another `purpose`."""

    def row(seed: tf.Tensor) -> tf.Tensor:
        own = fold_in(seed, purpose)
        return tf.random.stateless_uniform(shape, own, alg="philox")

    lengths = [length if isinstance(length, int) else None for length in shape]
    return tf.map_fn(row, seeds, fn_output_signature=tf.TensorSpec(lengths, tf.float32))


def _moved(frames: tf.Tensor, steps: tf.Tensor) -> tf.Tensor:
    """Move frames (B, K, 2, 3) by steps (B, K, 2) in their own half sides."""
    centres = tf.linalg.matvec(frames[..., :2], steps) + frames[..., 2]
    return tf.concat([frames[..., :2], centres[..., tf.newaxis]], axis=-1)


def _frames(batch: TensorBatch, half_side_px: float) -> tf.Tensor:
    """Return the frames (B, K, 2, 3) of the keypoints: those that the source gives, or upright ones."""
    if "frames" not in batch:
        return frames_of(batch["keypoints"], half_side_px)
    half_sides, angles = tf.unstack(batch["frames"], axis=-1)
    return frames_of(batch["keypoints"], half_sides, angles)


def choose_points(seen: tf.Tensor, priorities: tf.Tensor, count: int) -> Choice:
    """Choose `count` of the keypoints that are seen, bool (B, K), those of the highest priority; repeat if too few."""
    missing = tf.maximum(count - tf.shape(seen)[1], 0)
    priority = tf.pad(tf.where(seen, priorities, -1.0), ((0, 0), (0, missing)), constant_values=-1.0)
    best, indices = tf.math.top_k(priority, count)
    valid = best >= 0.0
    number = tf.reduce_sum(tf.cast(valid, tf.int32), axis=1, keepdims=True)
    indices = tf.gather(indices, tf.range(count) % tf.maximum(number, 1), batch_dims=1)
    any_point = number > 0
    return Choice(tf.where(any_point, indices, 0), valid, any_point[:, 0])


def _jittered(frames: tf.Tensor, uniforms: tf.Tensor, jitter: float) -> tf.Tensor:
    """Turn, scale, stretch and move frames (B, K, 2, 3) within their own squares, as uniforms (B, K, 7) say."""
    tiny = 1e-9  # a normal of 0 is endless
    normals = tf.cast(jitter * tf.math.ndtri(tf.clip_by_value(uniforms[..., 1:6], tiny, 1.0 - tiny)), tf.float32)
    angles, octaves, stretch = normals[..., 0], normals[..., 1], normals[..., 4]
    nowhere, axes = tf.zeros_like(normals[..., :2]), tf.cast(math.pi * uniforms[..., 6], tf.float32)
    turn = frames_of(nowhere, 2.0 ** (_SCALE_OCTAVES * octaves), math.radians(_ANGLE_DEG) * angles)[..., :2]
    axis, back = frames_of(nowhere, 1.0, axes)[..., :2], frames_of(nowhere, 1.0, -axes)[..., :2]
    factor = 2.0 ** (_STRETCH_OCTAVES * stretch)
    stretched = axis * tf.stack([factor, 1.0 / factor], axis=-1)[..., tf.newaxis, :]
    inner = tf.matmul(turn, tf.matmul(stretched, back))
    centres = _moved(frames, _SHIFT * normals[..., 2:4])[..., 2:]
    return tf.concat([tf.matmul(frames[..., :2], inner), centres], axis=-1)


def lie_in_picture(places: Places, picture_shape: tuple[int, int]) -> tf.Tensor:
    """Tell which frames have their corners in the picture, hence all of them: bool (B, K)."""
    corners = frame_corners(places.frames)
    batch, count = tf.shape(corners)[0], tf.shape(corners)[1]
    points = warp_points(tf.reshape(corners, (batch, -1, 2)), places.to_picture)
    last = tf.constant([picture_shape[1] - 0.5, picture_shape[0] - 0.5])
    inside = tf.reduce_all((points >= -0.5) & (points <= last), axis=-1)  # NaN is not
    return tf.reduce_all(tf.reshape(inside, (batch, count, 4)), axis=-1)


def is_first(numbers: tf.Tensor) -> tf.Tensor:
    """Tell which of the numbers (B,), of pictures or points, none before them in the batch equals."""
    equal = tf.cast(numbers[:, tf.newaxis] == numbers, tf.int32)
    return tf.argmax(equal, axis=1) == tf.range(tf.size(numbers), dtype=tf.int64)


def cut_places(images: tf.Tensor, places: Places, chosen: Choice, settings: PatchSettings) -> tf.Tensor:
    """Read the chosen patches (B, N, S, S, 1) of pictures uint8 (B, Hs, Ws), a pixel the mean of its sub-samples."""
    pyramid, side_px = build_pyramid(to_unit(images)[..., tf.newaxis], _LEVELS), settings.side_px
    frames = tf.gather(tf.pad(places.frames, ((0, 0), (0, 1), (0, 0), (0, 0))), chosen.indices, batch_dims=1)
    any_point = chosen.any_point[:, tf.newaxis, tf.newaxis, tf.newaxis]
    frames = tf.where(any_point, frames, tf.eye(2, 3))  # a row without a point may have no frame
    side = side_px * settings.subsamples
    points, step_px, pixel_px = patch_points(frames, places.to_picture, side)
    step_px = tf.maximum(step_px, pixel_px)
    octaves = tf.math.ceil(tf.math.log(tf.maximum(step_px, 1.0)) / math.log(2.0) - LEVEL_TOLERANCE)
    levels = tf.minimum(tf.cast(octaves, tf.int32), _LEVELS - 1)
    batch, count = frames.shape[0], frames.shape[1]
    everywhere = tf.repeat(levels, side * side, axis=1)
    samples = sample_pyramid(pyramid, tf.reshape(points, (batch, -1, 2)), everywhere)
    patches = tf.nn.avg_pool2d(
        tf.reshape(samples, (-1, side, side, 1)), settings.subsamples, settings.subsamples, "VALID"
    )
    patches = tf.reshape(patches, (batch, count, side_px, side_px, 1))
    return tf.where(any_point[..., tf.newaxis], patches, 0.0)
