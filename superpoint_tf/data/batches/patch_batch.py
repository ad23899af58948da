"""Batches of patches: points of pictures, each cut from two views, as an imperfect detector would cut them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.random_streams import Purpose
from superpoint_tf.data.views import View, ViewSettings, homography_between, sample_seeds, two_views
from superpoint_tf.geometry.cells import nearest_pixels
from superpoint_tf.geometry.grids import carry_frames, frame_corners, frame_grid, frames_of
from superpoint_tf.geometry.sample import sample

# The farthest that a second frame is off at jitter 1, drawn uniformly. The deviations are those of 7 degrees, a factor
# of 1.06 and .06 half sides: patches overlap by about .85, as the easy ones of HPatches (Balntas et al. 2017).
_ANGLE_DEG, _SCALE_OCTAVES, _SHIFT = 12.0, 0.14, 0.1
_UNIFORMS = 5  # a keypoint: its priority, then angle, scale and shift xy
_MAX_KEYPOINTS = 2**16  # a picture: with the sample's number a point's fits into 63 bits


@dataclass(frozen=True)
class PatchSettings:
    """What decides how samples become patches."""

    views: ViewSettings
    side_px: int = 32  # of a patch, in its own pixels: `PatchSpec.side_px`
    points_per_picture: int = 64
    half_side_px: float = 16.0  # of a patch in view 0, in pixels of the frame
    jitter: float = 1.0  # of the second frame; 1 is about HPatches' easy, 2 its hard; 0: none


class _Choice(NamedTuple):
    """Points chosen in each picture, (B, N, ...)."""

    indices: tf.Tensor  # int32, rows of the keypoints
    valid: tf.Tensor  # bool: not a repetition
    frames0: tf.Tensor  # float32 (..., 2, 3), NaN in a picture without a point
    frames1: tf.Tensor


def patch_batch(batch: TensorBatch, key: int, settings: PatchSettings) -> TensorBatch:
    """Cut patches about keypoints from both views of each picture, B times `points_per_picture` = P of them.

    `batch` is what workers hand over for pairs (`Source.render`), perhaps with `pictures` int64 (B,), which picture a
    sample shows: of several samples of one picture only the first gives points. Points are chosen at random among those
    whose patches lie wholly in both views. Patch 0 is upright in view 0; the frame of patch 1 is that of patch 0
    carried to view 1 by the local affine part of the homography, turned, scaled and moved at random.

    Returns `numbers` int64 (B,), and row by row `patches0`, `patches1` float32 (P, S, S, 1) in [0, 1], `point` int64
    (P,), a number that no other row has, `picture` int64 (P,), `position` float32 (P, 2) in view 0, and `valid` bool
    (P,). Rows that are not valid have `point` -1; their patches repeat the picture's others, so that batch norm sees
    real ones, or are zeros in a picture without a point.
    """
    numbers, count = batch["numbers"], settings.points_per_picture
    # What the labels cannot tell is still picture: all of it counts as known here.
    pictured = {name: value for name, value in batch.items() if name != "known"}
    view0, view1 = two_views(pictured, key, settings.views)
    uniforms = _uniforms(sample_seeds(key, Purpose.PATCHES, numbers), tf.shape(view0.keypoints)[1])
    chosen = _choose(view0, view1, uniforms, settings)
    pictures = batch.get("pictures", numbers)
    valid = chosen.valid & _is_first(pictures)[:, tf.newaxis]
    points = numbers[:, tf.newaxis] * _MAX_KEYPOINTS + tf.cast(chosen.indices, tf.int64)
    rows = {
        "patches0": _cut(view0.images, chosen.frames0, settings),
        "patches1": _cut(view1.images, chosen.frames1, settings),
        "point": tf.where(valid, points, -1),
        "picture": tf.repeat(pictures[:, tf.newaxis], count, axis=1),
        "position": tf.where(valid[..., tf.newaxis], chosen.frames0[..., 2], 0.0),
        "valid": valid,
    }
    size = numbers.shape[0] * count
    flat = {name: tf.reshape(value, (size, *value.shape[2:])) for name, value in rows.items()}
    return {"numbers": numbers, **flat}


def _uniforms(seeds: tf.Tensor, num_keypoints: tf.Tensor) -> tf.Tensor:
    """Draw the numbers in [0, 1) of each keypoint, float64 (B, K, 5); Philox fills in order: more K only add some."""

    def row(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform((num_keypoints, _UNIFORMS), seed, dtype=tf.float64, alg="philox")

    return tf.map_fn(row, seeds, fn_output_signature=tf.TensorSpec((None, _UNIFORMS), tf.float64))


def _choose(view0: View, view1: View, uniforms: tf.Tensor, settings: PatchSettings) -> _Choice:
    count = settings.points_per_picture
    frames0 = frames_of(view0.keypoints, settings.half_side_px)
    frames1 = _jittered(carry_frames(frames0, homography_between(view0, view1)), uniforms, settings.jitter)
    seen = _lie_in(frames0, view0.mask) & _lie_in(frames1, view1.mask)
    missing = tf.maximum(count - tf.shape(seen)[1], 0)
    priority = tf.pad(tf.where(seen, uniforms[..., 0], -1.0), ((0, 0), (0, missing)), constant_values=-1.0)
    best, indices = tf.math.top_k(priority, count)
    valid = best >= 0.0
    found = tf.reduce_sum(tf.cast(valid, tf.int32), axis=1, keepdims=True)
    indices = tf.gather(indices, tf.range(count) % tf.maximum(found, 1), batch_dims=1)
    any_found = (found > 0)[..., tf.newaxis, tf.newaxis]
    rows = tf.where(found > 0, indices, 0)
    taken = (tf.gather(_with_a_row(frames), rows, batch_dims=1) for frames in (frames0, frames1))
    return _Choice(indices, valid, *(tf.where(any_found, frames, tf.constant(math.nan)) for frames in taken))


def _with_a_row(frames: tf.Tensor) -> tf.Tensor:
    """Add a row, so that there is one to read where a batch has no keypoint."""
    return tf.pad(frames, ((0, 0), (0, 1), (0, 0), (0, 0)))


def _jittered(frames: tf.Tensor, uniforms: tf.Tensor, jitter: float) -> tf.Tensor:
    """Turn, scale and move frames (B, K, 2, 3) within their own squares, as far as uniforms (B, K, 5) say."""
    spread = tf.cast(jitter * (2.0 * uniforms - 1.0), tf.float32)
    inner = frames_of(
        _SHIFT * spread[..., 3:5],
        2.0 ** (_SCALE_OCTAVES * spread[..., 2]),
        math.radians(_ANGLE_DEG) * spread[..., 1],
    )
    moved = tf.matmul(frames[..., :2], inner)
    return tf.concat([moved[..., :2], moved[..., 2:] + frames[..., 2:]], axis=-1)


def _lie_in(frames: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Tell which frames (B, K, 2, 3) have their corners in a convex mask (B, H, W), hence all of them: bool (B, K)."""
    corners = frame_corners(frames)
    points = tf.reshape(corners, (tf.shape(corners)[0], -1, 2))
    pixels, inside = nearest_pixels(points, (int(mask.shape[1]), int(mask.shape[2])))
    inside &= tf.gather_nd(mask, pixels[..., ::-1], batch_dims=1)
    return tf.reduce_all(tf.reshape(inside, tf.shape(corners)[:-1]), axis=-1)


def _is_first(pictures: tf.Tensor) -> tf.Tensor:
    """Tell which samples (B,) show a picture that none before them in the batch does."""
    equal = tf.cast(pictures[:, tf.newaxis] == pictures, tf.int32)
    return tf.argmax(equal, axis=1) == tf.range(tf.size(pictures), dtype=tf.int64)


def _cut(images: tf.Tensor, frames: tf.Tensor, settings: PatchSettings) -> tf.Tensor:
    """Read patches (B, N, S, S, 1) of images (B, H, W, 1): a pixel is the mean of sub-samples a pixel of them apart."""
    subsamples = max(2, math.ceil(2.0 * settings.half_side_px / settings.side_px))
    side, count = settings.side_px * subsamples, frames.shape[1]
    samples = sample(images, frame_grid(frames, side))
    patches = tf.nn.avg_pool2d(tf.reshape(samples, (-1, side, side, 1)), subsamples, subsamples, "VALID")
    return tf.reshape(patches, (images.shape[0], count, settings.side_px, settings.side_px, 1))
