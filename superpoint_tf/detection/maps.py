"""Maps of a picture: logits to heatmap, several looks at it to one, the descriptor map read at keypoints."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.config import CELL, DetectionConfig
from superpoint_tf.config.scales_and_phases import OFFSETS, scaled_shape
from superpoint_tf.geometry.sample import sample
from superpoint_tf.networks.superpoint import normalize_descriptors


def logits_to_heatmap(logits: tf.Tensor, image_shape: tuple[int, int] | tf.Tensor) -> tf.Tensor:
    """Turn logits (B, Hc, Wc, 65) into keypoint probabilities (B, H, W), float32 (paper section 3.2).

    Softmax over all 65, then the dustbin is dropped: a cell's 64 probabilities need not add up to 1. `image_shape` is
    (H, W) of the image before the network padded it.
    """
    probabilities = tf.nn.softmax(tf.cast(logits, tf.float32), axis=-1)[..., :-1]
    heatmap = tf.nn.depth_to_space(probabilities, CELL)[..., 0]
    return heatmap[:, : image_shape[0], : image_shape[1]]


class Level(NamedTuple):
    """One look at images: at which size and where, and what the network returned beside the heatmaps."""

    image_shape: tuple[int, int]  # (H, W) of the resized image
    offset: tuple[int, int]  # (right, down), by which it was moved
    others: tuple[tf.Tensor, ...]


def look_at(
    images: tf.Tensor,
    detection: DetectionConfig,
    forward: Callable[[tf.Tensor], Sequence[tf.Tensor]],
    combine: Callable[[Sequence[tf.Tensor]], tf.Tensor] | None = None,
) -> tuple[tf.Tensor, list[Level]]:
    """Return the heatmaps (B, h, w) of images (B, H, W, 1) of a known size, and each look's other outputs.

    `forward` goes from images of any size to their heatmaps and whatever else the network returns. At each scale of
    `detection` the images are resized, in each phase moved; the heatmaps are moved back and combined at the size of the
    largest scale: by their geometric mean, unless `combine` says how. One look at one size is `forward` alone.
    """
    heatmaps: list[tf.Tensor] = []
    levels = []
    for scale in detection.scales:
        resized = resize_images(images, scale)
        height, width = (int(side) for side in resized.shape[1:3])
        for offset in OFFSETS[detection.phases]:
            with tf.control_dependencies(heatmaps[-1:]):  # one look after the other, in a graph too: less memory
                heatmap, *others = forward(move_images(resized, offset))
            if offset != (0, 0):
                heatmap = heatmap[:, offset[1] : offset[1] + height, offset[0] : offset[0] + width]
            heatmaps.append(heatmap)
            levels.append(Level((height, width), offset, tuple(others)))
    return (combine or combine_heatmaps)(heatmaps), levels


def move_images(images: tf.Tensor, offset: tuple[int, int]) -> tf.Tensor:
    """Move images (B, H, W, C) right and down by whole pixels: (B, H + down, W + right, C), their edge repeated."""
    for axis, distance in ((2, offset[0]), (1, offset[1])):
        if distance:
            first = images[:, :1] if axis == 1 else images[:, :, :1]
            repeats = [distance if axis == of else 1 for of in range(4)]
            images = tf.concat([tf.tile(first, repeats), images], axis)
    return images


def resize_images(images: tf.Tensor, scale: float) -> tf.Tensor:
    """Resize images (B, H, W, 1) in [0, 1] by bicubic interpolation, smoothed first where they shrink."""
    shape = scaled_shape((int(images.shape[1]), int(images.shape[2])), scale)
    if shape == tuple(images.shape[1:3]):
        return images
    return tf.clip_by_value(tf.image.resize(images, shape, "bicubic", antialias=scale < 1.0), 0.0, 1.0)


def combine_heatmaps(heatmaps: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return the geometric mean of heatmaps (B, h, w) of several looks at one image, of the size of the largest.

    A keypoint is what all of them see; where one says zero, there is none.
    """
    if len(heatmaps) == 1:
        return heatmaps[0]
    shape = max((tuple(heatmap.shape[1:3]) for heatmap in heatmaps), key=math.prod)
    logarithms = [tf.math.log(tf.image.resize(heatmap[..., None], shape)[..., 0]) for heatmap in heatmaps]
    return tf.exp(tf.add_n(logarithms) / float(len(heatmaps)))


def sample_descriptors(
    descriptor_map: tf.Tensor, keypoints: tf.Tensor, stride: int = CELL, first_px: float = (CELL - 1) / 2
) -> tf.Tensor:
    """Sample the coarse map at keypoints: (Hc, Wc, D) and (N, 2) give (N, D); batched, (B, Hc, Wc, D) and (B, K, 2).

    keypoints are xy pixels of the image, whose pixels `stride` i + `first_px` the map describes: SuperPoint's are read
    bilinearly at (x + 0.5) / 8 - 0.5. Clamped to the map's edge; descriptors are brought to unit length before and
    after. A keypoint that is NaN gives zeros. float32.
    """
    descriptor_map, keypoints = tf.convert_to_tensor(descriptor_map), tf.cast(keypoints, tf.float32)
    if keypoints.shape.rank == 2:
        return sample_descriptors(descriptor_map[tf.newaxis], keypoints[tf.newaxis], stride, first_px)[0]
    points = place_in_map(keypoints, stride, first_px)
    return normalize_descriptors(sample(descriptor_map, points, prepare=normalize_descriptors))


def place_in_map(points: tf.Tensor, stride: int, first_px: float) -> tf.Tensor:
    """Return where points xy of an image are read in a map that describes its pixels `stride` i + `first_px`."""
    half = (stride - 1) / 2  # the half-pixel rule, where the map's pixels are squares of the image's
    return (points + 0.5 - (first_px - half)) / stride - 0.5
