"""Batches of patches of rectified pairs: a left patch, the right one that shows the same point, and a wrong one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.config import StereoChanges
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.random_streams import Purpose
from superpoint_tf.data.views import sample_seeds, to_unit
from superpoint_tf.geometry.sample import sample
from superpoint_tf.losses.loss_randomness import STEREO_POINTS, sample_uniforms
from superpoint_tf.networks.stereo_network import standardise_pictures

_UNIFORMS = 16  # a point: 4 of where, 12 of how


@dataclass(frozen=True)
class StereoSettings:
    """What decides how pairs of pictures become patches; the ranges are those of `config.StereoSection`."""

    side_px: int  # of a patch: `StereoSpec.side_px`
    points_per_pair: int
    positive_px: float
    negative_px: tuple[float, float]
    changes: StereoChanges


class _Cut(NamedTuple):
    """How a patch is read: (P, ...) with its own pixels u as picture pixels A u + centre."""

    matrix: tf.Tensor  # (..., 2, 2)
    gain: tf.Tensor  # (...)
    offset: tf.Tensor


def stereo_batch(batch: TensorBatch, key: int, settings: StereoSettings) -> TensorBatch:
    """Cut patches about points of the left pictures whose disparity is known, drawn with the same chance each.

    `batch` is what workers hand over: `numbers`, `images0/1` uint8 (B, H, W) and `disparity` float32 (B, H, W), NaN
    where it is not known or the point is hidden. The matching patch lies at x - d + U(-p, p) in the right picture, the
    wrong one at x - d +- U(n0, n1), either side by chance (Zbontar and LeCun 2016, section 3).

    Returns `numbers` int64 (B,) and, row by row, `left`, `positive`, `negative` float32 (P, S, S, 1), cut from
    standardised pictures, and `valid` bool (P,): False in a pair without any known disparity.
    """
    numbers, count = batch["numbers"], settings.points_per_pair
    size = numbers.shape[0]
    draws = sample_uniforms(sample_seeds(key, Purpose.SHIFT, numbers), STEREO_POINTS, count * _UNIFORMS)
    uniforms = tf.reshape(draws, (size, count, _UNIFORMS))
    points, disparity, any_known = _choose(batch["disparity"], uniforms[..., 0])
    left_cut, right_cut = _cuts(uniforms[..., 4:], settings.changes)
    pictures = [standardise_pictures(to_unit(batch[name])[..., tf.newaxis]) for name in ("images0", "images1")]
    low, high = settings.negative_px
    matching = _spread(uniforms[..., 1], -settings.positive_px, settings.positive_px)
    wrong = _spread(uniforms[..., 2], low, high) * tf.where(uniforms[..., 3] < 0.5, -1.0, 1.0)
    # uniform 4 + 11, the last one, is the vertical shift
    down = _either(uniforms[..., 15], settings.changes.right_max_shift_y_px)
    patches = {"left": _read(pictures[0], points, left_cut, settings.side_px)}
    for name, shift in (("positive", matching), ("negative", wrong)):
        places = points + tf.stack([shift - disparity, down], axis=-1)
        patches[name] = _read(pictures[1], places, right_cut, settings.side_px)
    valid = tf.repeat(any_known[:, tf.newaxis], count, axis=1)
    rows = {**patches, "valid": valid}
    flat = {name: tf.reshape(value, (size * count, *value.shape[2:])) for name, value in rows.items()}
    return {"numbers": numbers, **flat}


def _choose(disparity: tf.Tensor, uniforms: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Choose pixels (B, N, 2) of known disparity, with their disparities (B, N), and tell which pairs have any (B,)."""
    width = disparity.shape[2]
    flat = tf.reshape(disparity, (disparity.shape[0], -1))
    known = tf.cumsum(tf.cast(tf.math.is_finite(flat), tf.int32), axis=1)
    total = known[:, -1:]
    rank = tf.minimum(tf.cast(uniforms * tf.cast(total, tf.float32), tf.int32), total - 1)
    index = tf.searchsorted(known, rank + 1)  # the first pixel up to which there are so many
    index = tf.minimum(index, flat.shape[1] - 1)
    points = tf.cast(tf.stack([index % width, index // width], axis=-1), tf.float32)
    there = tf.gather(flat, index, batch_dims=1)
    return points, tf.where(tf.math.is_finite(there), there, 0.0), total[:, 0] > 0


def _cuts(uniforms: tf.Tensor, changes: StereoChanges) -> tuple[_Cut, _Cut]:
    """Draw how the left and the right patches of points are cut, of uniforms (B, N, 12)."""
    u = tf.unstack(uniforms, axis=-1)
    angle = _either(u[0], changes.max_angle_deg)
    scale, scale_x = _spread(u[1], *changes.scale), _spread(u[2], *changes.scale_x)
    shear = _either(u[3], changes.max_shear_x)
    offset, gain = _either(u[4], changes.max_brightness), _factor(u[5], changes.max_contrast)
    left = _Cut(_matrix(angle, scale * scale_x, scale, shear), gain, offset)
    right_angle = angle + _either(u[6], changes.right_max_angle_deg)
    right_scale = scale * scale_x * _spread(u[7], *changes.right_scale_x)
    right_shear = shear + _either(u[8], changes.right_max_shear_x)
    right_gain = gain * _factor(u[10], changes.right_max_contrast)
    right_offset = offset + _either(u[9], changes.right_max_brightness)
    return left, _Cut(_matrix(right_angle, right_scale, scale, right_shear), right_gain, right_offset)


def _matrix(angle_deg: tf.Tensor, scale_x: tf.Tensor, scale_y: tf.Tensor, shear: tf.Tensor) -> tf.Tensor:
    """Return rotation times shear times scale, (..., 2, 2)."""
    angle = angle_deg * (math.pi / 180.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    first = [cosine * scale_x, (cosine * shear - sine) * scale_y]
    second = [sine * scale_x, (sine * shear + cosine) * scale_y]
    return tf.stack([tf.stack(first, axis=-1), tf.stack(second, axis=-1)], axis=-2)


def _read(pictures: tf.Tensor, points: tf.Tensor, cut: _Cut, side_px: int) -> tf.Tensor:
    """Read patches (B, N, S, S, 1) about points (B, N, 2); beyond a picture its edge is repeated."""
    offsets = tf.range(side_px, dtype=tf.float32) - (side_px - 1) / 2
    v, u = tf.meshgrid(offsets, offsets, indexing="ij")
    own = tf.reshape(tf.stack([u, v], axis=-1), (-1, 2))
    places = tf.einsum("bnij,kj->bnki", cut.matrix, own) + points[:, :, tf.newaxis]
    grey = sample(pictures, places)[..., 0] * cut.gain[..., tf.newaxis] + cut.offset[..., tf.newaxis]
    return tf.reshape(grey, (*points.shape[:2], side_px, side_px, 1))


def _spread(uniforms: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return low + (high - low) * uniforms


def _either(uniforms: tf.Tensor, most: float) -> tf.Tensor:
    return _spread(uniforms, -most, most)


def _factor(uniforms: tf.Tensor, most: float) -> tf.Tensor:
    return _spread(uniforms, 1.0 / most, most)
