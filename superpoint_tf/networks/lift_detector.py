"""LIFT's detector: one convolution of 25 x 25 pixels with GHH, at one size on patches, at five on pictures."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from superpoint_tf.networks.patch_inputs import INPUTS
from superpoint_tf.networks.patch_layers import Convolution, HingingHyperplanes, Start

FILTER_PX, _FILTERS = 25, 16
SIGMA_PX = 2.0  # of a keypoint in what the filter sees: 24 sigmas of a patch are 48 pixels
FACTORS = tuple(2.0 ** (-octaves / 2) for octaves in range(5))  # of a picture's size: sigmas of 2 to 8 pixels
_NOWHERE = -1e4  # the score where the filter reaches beyond the picture


class Shrink(tf.keras.layers.Layer):
    """Pictures (B, H, W, 1) at `factor` times their size, without aliasing; at least one pixel."""

    def __init__(self, name: str, factor: float) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.factor = factor

    def call(self, images: tf.Tensor) -> tf.Tensor:
        if self.factor == 1.0:
            return images
        sides = tf.cast(tf.shape(images)[1:3], tf.float32)
        shape = tf.cast(tf.maximum(tf.round(self.factor * sides), 1.0), tf.int32)
        return tf.image.resize(images, shape, antialias=True)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], None, None, input_shape[-1])


class Surround(tf.keras.layers.Layer):
    """Pictures with `pixels` of zeros around."""

    def __init__(self, name: str, pixels: int) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.pixels = pixels

    def call(self, images: tf.Tensor) -> tf.Tensor:
        return tf.pad(images, [[0, 0], [self.pixels] * 2, [self.pixels] * 2, [0, 0]])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], None, None, input_shape[-1])


class ScoresWithin(tf.keras.layers.Layer):
    """Scores (B, h, w, 1) at the size of `images` (B, H, W, 1): -1e4 where the filter reached beyond the picture."""

    def __init__(self, name: str, reach_px: int) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.reach_px = reach_px

    def call(self, scores_and_images: list[tf.Tensor]) -> tf.Tensor:
        scores, images = scores_and_images
        height, width = tf.shape(scores)[1], tf.shape(scores)[2]
        inner = [tf.abs(2 * tf.range(side) - (side - 1)) < side - 2 * self.reach_px for side in (height, width)]
        within = (inner[0][:, tf.newaxis] & inner[1])[..., tf.newaxis]
        return tf.image.resize(tf.where(within, tf.cast(scores, tf.float32), _NOWHERE), tf.shape(images)[1:3])

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (*input_shape[1][:-1], 1)


def build_lift_detector(seed: int) -> tf.keras.Model:
    """Build the part `detector`: images (B, H, W, 1) to {"scores": (B, H, W, 5)}, one map for each of `FACTORS`.

    10,016 weights. Patches go through its layers `input`, `conv_1` and `conv_1_ghh` alone, see `scores_of`.
    """
    images = tf.keras.Input((None, None, 1), name="images")
    seen = INPUTS["grey 111 over 62"]("input")(images)
    kernel = Start("relu", seed, "detector/").kernel("conv_1")
    convolution = Convolution("conv_1", _FILTERS, FILTER_PX, 1, 0, True, kernel)
    hyperplanes, reach, maps = HingingHyperplanes("conv_1_ghh", 4, 4), FILTER_PX // 2, []
    for number, factor in enumerate(FACTORS, 1):
        around = Surround(f"around_{number}", reach)(Shrink(f"size_{number}", factor)(seen))
        maps.append(ScoresWithin(f"scores_{number}", reach)([hyperplanes(convolution(around)), images]))
    scores = tf.keras.layers.Concatenate(name="scores", dtype="float32")(maps)
    return tf.keras.Model(images, {"scores": scores}, name="detector")


def scores_of(detector: tf.keras.Model, patches: tf.Tensor) -> tf.Tensor:
    """Return the scores (P, S - 24, S - 24) of patches (P, S, S, 1) at their own size, where the filter is within."""
    answers = detector.get_layer("conv_1")(detector.get_layer("input")(patches))
    return tf.cast(detector.get_layer("conv_1_ghh")(answers)[..., 0], tf.float32)


def lift_detector_shapes() -> dict[str, tuple[int, ...]]:
    """Return the shapes of its weights by `layer/variable`."""
    return {"conv_1/kernel": (FILTER_PX, FILTER_PX, 1, _FILTERS), "conv_1/bias": (_FILTERS,)}
