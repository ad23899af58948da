"""LIFT's chain on patches: where the keypoint is, how it is turned, and the descriptor of what that crop shows."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from superpoint_tf.geometry.grids import frame_grid, frames_towards
from superpoint_tf.geometry.sample import sample
from superpoint_tf.geometry.soft_argmax import soft_argmax
from superpoint_tf.networks.lift_detector import FILTER_PX, scores_of

PATCH_SIDE_PX = 128  # of a patch of 24 x 24 sigmas
CROP_SIDE_PX = 64  # of what orientation and descriptor see of it, 12 x 12 sigmas
DETECTOR_SIDE_PX = 48  # of the whole patch as the detector sees it: two of its pixels are a sigma
SOFT_ARGMAX_STRENGTH = 10.0


def score_maps(network: tf.keras.Model, patches: tf.Tensor) -> tf.Tensor:
    """Return the detector's scores (P, 24, 24) of patches (P, 128, 128, 1), where its filter lies within the patch."""
    shrink = tf.constant(_area_weights(PATCH_SIDE_PX, DETECTOR_SIDE_PX))
    seen = tf.einsum("ij,pjkc,lk->pilc", shrink, tf.cast(patches, tf.float32), shrink)
    return scores_of(network.get_layer("detector"), seen)


def locate(scores: tf.Tensor) -> tf.Tensor:
    """Return where the scores (P, 24, 24) are large: xy (P, 2) in pixels of the patch, by soft-argmax."""
    at = soft_argmax(scores, SOFT_ARGMAX_STRENGTH) + (FILTER_PX - 1) / 2
    return (at + 0.5) * (PATCH_SIDE_PX / DETECTOR_SIDE_PX) - 0.5


def middle(patches: tf.Tensor) -> tf.Tensor:
    """Return the middles xy (P, 2) of patches."""
    return tf.fill((tf.shape(patches)[0], 2), (PATCH_SIDE_PX - 1) / 2)


def directions(network: tf.keras.Model, patches: tf.Tensor, places: tf.Tensor, training: bool = False) -> tf.Tensor:
    """Return cosine and sine (P, 2) of the orientation of the upright crops about places xy (P, 2)."""
    upright = tf.broadcast_to(tf.constant([1.0, 0.0]), tf.shape(places))
    crops = crop(patches, places, upright)
    result: tf.Tensor = network.get_layer("orientation")(crops, training=training)
    return result


def describe(
    network: tf.keras.Model, patches: tf.Tensor, places: tf.Tensor, towards: tf.Tensor, training: bool = False
) -> tf.Tensor:
    """Return the descriptors (P, D) of crops about places xy (P, 2), turned to unit vectors (P, 2)."""
    result: tf.Tensor = network.get_layer("descriptor")(crop(patches, places, towards), training=training)
    return result


def crop(patches: tf.Tensor, places: tf.Tensor, towards: tf.Tensor) -> tf.Tensor:
    """Read crops (P, 64, 64, 1) of patches (P, 128, 128, 1) about places, turned; gradients reach all three.

    A crop in the middle that is not turned is the patch's inner half itself. Beyond the patch its edge is repeated.
    """
    frames = frames_towards(places, CROP_SIDE_PX / 2, towards)
    return sample(patches, frame_grid(frames, CROP_SIDE_PX))


def _area_weights(before: int, after: int) -> np.ndarray:
    """Return the matrix (after, before) by which a row is resized: each new pixel is the mean of what it covers."""
    edges = np.arange(after + 1) * (before / after)
    pixels = np.arange(before)
    low, high = np.maximum(edges[:-1, None], pixels), np.minimum(edges[1:, None], pixels + 1)
    return (np.clip(high - low, 0, None) * (after / before)).astype(np.float32)
