"""The photometric change in TensorFlow: as a part of the graph that makes batches, on whatever device that runs.

Each change is the one of `photometric_imgaug`, with the same ranges: grey levels are whole numbers from 0 to 255 after
every one. What differs is the generator, so a sample looks otherwise than imgaug's of the same number.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from superpoint_tf.config import PhotometricConfig
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.photometric_backends import NUM_ELLIPSES, SHADE_AXIS, SHADE_BLUR, SHADE_SIDE_PX, PendingChange
from superpoint_tf.data.random_streams import Stream, photometric_word, stream_generator
from superpoint_tf.networks.stateless import draw_steps, fold_in, numbered_seeds, to_unit_interval
from superpoint_tf.runtime.quiet import start_xla

_BLUR_REACH = 4  # deviations at which the Gaussian of the shade is cut, as OpenCV cuts it
_TOUCHED_PX = 0.4  # OpenCV also fills the pixels that the edge of an ellipse touches
_FIELD_SIZE = 2**22


def change_pending(batch: TensorBatch, pending: PendingChange | None, key: int) -> TensorBatch:
    """Return the batch of the stage `key` with the change that workers left to its graph, if they left any."""
    if pending is None:
        return batch
    changed = {
        name: change_pictures(batch[name], photometric_seeds(key, batch["numbers"], view), pending.photometric)
        for name, view in pending.views.items()
    }
    return {**batch, **changed}


def change_picture(image: np.ndarray, config: PhotometricConfig, key: int, number: int, view: int) -> np.ndarray:
    """Return one picture uint8 (H, W) as the batch of sample `number` would have it."""
    seeds = photometric_seeds(key, tf.constant([number], tf.int64), view)
    changed: np.ndarray = change_pictures(tf.constant(image[np.newaxis]), seeds, config)[0].numpy()
    return changed


def photometric_seeds(key: int, numbers: tf.Tensor, view: int) -> tf.Tensor:
    """Return stateless seeds int64 (B, 2) of the change of view 0 or 1 of samples int64 (B,)."""
    return numbered_seeds(photometric_word(key, view), numbers)


def change_pictures(images: tf.Tensor, seeds: tf.Tensor, config: PhotometricConfig) -> tf.Tensor:
    """Return pictures uint8 (B, H, W) with every change of `config` applied, each in a random order of its own.

    A picture depends on its own seeds int64 (2,) alone, not on the batch that it is in.
    """
    changed: tf.Tensor = _graph(config)(images, seeds)
    return changed


@functools.lru_cache(maxsize=16)
def _graph(config: PhotometricConfig) -> tf.types.experimental.GenericFunction:
    with tf.init_scope():  # it may be asked for inside another graph
        start_xla()

    @functools.partial(tf.function, autograph=False, jit_compile=True)  # XLA makes one loop of each change
    def change_all(images: tf.Tensor, seeds: tf.Tensor, uniform: tf.Tensor, normal: tf.Tensor) -> tf.Tensor:
        spec = tf.TensorSpec(images.shape[1:], tf.uint8)
        given = images, seeds, uniform, normal
        return tf.map_fn(
            lambda each: _change(each[0], each[1], each[2], each[3], config), given, fn_output_signature=spec
        )

    @functools.partial(tf.function, autograph=False)
    def graph(images: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
        return change_all(
            images, seeds, *(_read_all(field, seeds, part, images.shape[1:]) for part, field in enumerate(_field()))
        )

    return graph


def _change(
    image: tf.Tensor, seed: tf.Tensor, uniform: tf.Tensor, normal: tf.Tensor, config: PhotometricConfig
) -> tf.Tensor:
    changes: tuple[Callable[..., tf.Tensor], ...] = (
        _brightness,
        functools.partial(_noise, normal=normal),
        _contrast,
        functools.partial(_impulses, uniform=uniform),
        _shade,
        _motion_blur,
    )
    order = tf.argsort(_uniforms(fold_in(seed, 2), len(changes)))

    def step(index: tf.Tensor, levels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        branches = [
            functools.partial(change, levels, fold_in(seed, part), config) for part, change in enumerate(changes, 3)
        ]
        return index + 1, tf.clip_by_value(tf.round(tf.switch_case(order[index], branches)), 0.0, 255.0)

    first = (tf.constant(0), tf.cast(image, tf.float32))
    levels = tf.while_loop(lambda index, _: index < len(changes), step, first, maximum_iterations=len(changes))[1]
    return tf.cast(levels, tf.uint8)


def _brightness(levels: tf.Tensor, seed: tf.Tensor, config: PhotometricConfig) -> tf.Tensor:
    """Add one number to all of float32 (H, W)."""
    return levels + _uniform(seed, -config.max_brightness, config.max_brightness)


def _noise(levels: tf.Tensor, seed: tf.Tensor, config: PhotometricConfig, normal: tf.Tensor) -> tf.Tensor:
    """Add a Gaussian number to each pixel."""
    return levels + _uniform(seed, 0.0, config.max_noise_std) * normal


class _Field(NamedTuple):
    """Numbers that are drawn once: pictures read theirs from a place drawn at random, at a twentieth of the time.

    So those of one picture are independent, and those of two pictures unless their places are near each other.
    """

    uniform: tf.Tensor  # float32 (_FIELD_SIZE,), in [0, 1)
    normal: tf.Tensor


@functools.cache
def _field() -> _Field:
    generator = stream_generator(Stream.NOISE_FIELD, 0, 0)
    numbers = generator.random(_FIELD_SIZE, np.float32), generator.standard_normal(_FIELD_SIZE, np.float32)
    with tf.init_scope():
        return _Field(*map(tf.constant, numbers))


def _read_all(field: tf.Tensor, seeds: tf.Tensor, part: int, shape: tf.TensorShape) -> tf.Tensor:
    """Return numbers of a field for pictures of a shape (H, W): float32 (B, H, W), with repeats if it has too few."""
    count = int(shape.num_elements())
    size = min(count, _FIELD_SIZE)

    def read(seed: tf.Tensor) -> tf.Tensor:
        words = fold_in(seed, part)
        first = tf.random.stateless_uniform([], words, 0, _FIELD_SIZE - size + 1, tf.int32, alg="philox")
        numbers = tf.slice(field, [first], [size])
        return tf.reshape(tf.tile(numbers, [-(-count // size)])[:count] if count > size else numbers, shape)

    return tf.map_fn(read, seeds, fn_output_signature=tf.TensorSpec(shape, tf.float32))


def _contrast(levels: tf.Tensor, seed: tf.Tensor, config: PhotometricConfig) -> tf.Tensor:
    """Stretch about the picture's own mean."""
    mean = tf.reduce_mean(levels)
    return (levels - mean) * _uniform(seed, *config.contrast) + mean


def _impulses(levels: tf.Tensor, seed: tf.Tensor, config: PhotometricConfig, uniform: tf.Tensor) -> tf.Tensor:
    """Set a fraction of the pixels to 0 and as many to 255."""
    fraction = _uniform(seed, 0.0, config.max_impulse_fraction)
    return tf.where(uniform < fraction, 0.0, tf.where(uniform >= 1.0 - fraction, 255.0, levels))


def _shade(levels: tf.Tensor, seed: tf.Tensor, config: PhotometricConfig) -> tf.Tensor:
    """Darken (or lighten, where the transparency is negative) below blurred ellipses."""
    height, width = levels.shape
    mask = _blurred_ellipses(int(height), int(width), fold_in(seed, 1))
    return levels * (1.0 - _uniform(fold_in(seed, 0), *config.shade) * mask)


def _blurred_ellipses(height: int, width: int, seed: tf.Tensor) -> tf.Tensor:
    """Return a float32 mask (H, W) in [0, 1], drawn small and enlarged bilinearly."""
    reduction = max(1.0, min(height, width) / SHADE_SIDE_PX)
    rows, columns = max(1, round(height / reduction)), max(1, round(width / reduction))
    side = min(rows, columns)
    drawn = _uniforms(seed, 5 * NUM_ELLIPSES + 1)
    x, y, axis0, axis1, angle = tf.unstack(tf.reshape(drawn[1:], (5, NUM_ELLIPSES, 1, 1)))
    axis0, axis1 = (_between(axis, *SHADE_AXIS) * side + _TOUCHED_PX for axis in (axis0, axis1))
    from_x = tf.range(columns, dtype=tf.float32) - x * columns
    from_y = tf.range(rows, dtype=tf.float32)[:, tf.newaxis] - y * rows
    cos, sin = tf.cos(math.pi * angle), tf.sin(math.pi * angle)
    along, across = (cos * from_x + sin * from_y) / axis0, (cos * from_y - sin * from_x) / axis1
    mask = tf.cast(tf.reduce_any(along**2 + across**2 <= 1.0, axis=0), tf.float32)
    sigma = _between(drawn[0], *SHADE_BLUR) * side
    enlarged = _enlarged(height, rows) @ _gaussian(rows, side, sigma) @ mask
    return tf.matmul(enlarged, _enlarged(width, columns) @ _gaussian(columns, side, sigma), transpose_b=True)


def _gaussian(count: int, side: int, sigma: tf.Tensor) -> tf.Tensor:
    """Return the matrix (count, count) that blurs a row of numbers whose ends go on for ever.

    `sigma` is up to that of a picture whose short side is `side`.
    """
    most = math.ceil(_BLUR_REACH * SHADE_BLUR[1] * side)
    places = np.arange(-most, count + most)
    distances = np.abs(places - np.arange(count)[:, np.newaxis]).astype(np.float32)
    weights = tf.where(distances <= tf.round(_BLUR_REACH * sigma), tf.exp(-0.5 * (distances / sigma) ** 2), 0.0)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    read = np.eye(count, dtype=np.float32)[np.clip(places, 0, count - 1)]
    return weights @ read


def _enlarged(count: int, small: int) -> np.ndarray:
    """Return the matrix float32 (count, small) that enlarges a row of numbers bilinearly, by the half-pixel rule."""
    places = np.clip((np.arange(count) + 0.5) * small / count - 0.5, 0, small - 1)
    return np.maximum(1.0 - np.abs(places[:, np.newaxis] - np.arange(small)), 0.0).astype(np.float32)


def _motion_blur(levels: tf.Tensor, seed: tf.Tensor, config: PhotometricConfig) -> tf.Tensor:
    """Average along a line of 1, 3, 5, ... pixels of any direction."""
    most = max(config.max_blur_kernel - 1, 0) // 2  # pixels to each side
    drawn = _uniforms(seed, 2)
    reach = tf.floor(drawn[0] * (most + 1))
    weights = _line(reach, 2.0 * math.pi * drawn[1], most)
    height, width = levels.shape
    padded = tf.pad(levels, [(most, most), (most, most)], "REFLECT")

    def blur() -> tf.Tensor:
        side = range(2 * most + 1)
        return tf.add_n([weights[y, x] * padded[y : y + height, x : x + width] for y in side for x in side])

    return tf.cond(reach >= 1.0, blur, lambda: levels)


def _line(reach: tf.Tensor, angle: tf.Tensor, most: int) -> tf.Tensor:
    """Return the weights (2 most + 1, 2 most + 1) of a line of 2 reach + 1 pixels, turned bilinearly in its square."""
    offsets = tf.range(-most, most + 1, dtype=tf.float32)
    x, y = offsets, offsets[:, tf.newaxis]
    across, along = tf.cos(angle) * x + tf.sin(angle) * y, tf.cos(angle) * y - tf.sin(angle) * x
    weights = tf.maximum(1.0 - tf.abs(across), 0.0) * tf.clip_by_value(reach + 1.0 - tf.abs(along), 0.0, 1.0)
    weights = tf.where((tf.abs(x) <= reach) & (tf.abs(y) <= reach), weights, 0.0)
    return weights / tf.reduce_sum(weights)


def _uniforms(seed: tf.Tensor, count: int) -> tf.Tensor:
    """Draw float32 (count,) in [0, 1)."""
    return to_unit_interval(draw_steps([count], seed))


def _uniform(seed: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return _between(_uniforms(seed, 1)[0], low, high)


def _between(share: tf.Tensor, low: float, high: float) -> tf.Tensor:
    return low + (high - low) * share
