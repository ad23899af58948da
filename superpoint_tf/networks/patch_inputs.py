"""What patch networks do to grey levels before their first layer: the rows of `INPUTS`."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

_SHORTEST_DEVIATION = 1e-7
_INSTANCE_EPSILON = 1e-5 / 255**2  # TFeat adds it to the variance of grey levels between 0 and 255
_GREY = 0.5  # a mean image before anything is known of the data
_DEVIATION = 0.2  # and a deviation image; both in [0, 1]


class PatchInput(tf.keras.layers.Layer):
    """Patches (P, S, S, 1) in [0, 1] to what the first layer sees, of the same shape, float32 under every policy."""

    images: tuple[str, ...] = ()  # names of its weights, one image of the data each

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)

    def call(self, patches: tf.Tensor) -> tf.Tensor:
        return self.prepare(tf.cast(patches, tf.float32))

    def prepare(self, patches: tf.Tensor) -> tf.Tensor:
        raise NotImplementedError

    def set_statistics(self, patches: np.ndarray) -> None:
        """Take the images of these patches, if there are any to take."""

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


class Unit(PatchInput):
    """As they are."""

    def prepare(self, patches: tf.Tensor) -> tf.Tensor:
        return patches


class MinusMean(PatchInput):
    """Minus the mean of the patch (DeepCompare)."""

    def prepare(self, patches: tf.Tensor) -> tf.Tensor:
        return patches - tf.reduce_mean(patches, (1, 2, 3), keepdims=True)


class Standardise(PatchInput):
    """Give each patch mean 0 and deviation 1: (x - mean) / (unbiased deviation + 1e-7).

    Mean and deviation are constants to the gradient (HardNet's code).
    """

    def prepare(self, patches: tf.Tensor) -> tf.Tensor:
        return _standardised(patches)


class InstanceNorm(PatchInput):
    """(x - mean) / sqrt(biased variance + 1e-5), the variance that of grey levels between 0 and 255 (TFeat)."""

    def prepare(self, patches: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(patches, (1, 2, 3), keepdims=True)
        return (patches - mean) * tf.math.rsqrt(variance + _INSTANCE_EPSILON)


class Grey128Over160(PatchInput):
    """(grey level - 128) / 160, for levels between 0 and 255 (MatchNet)."""

    def prepare(self, patches: tf.Tensor) -> tf.Tensor:
        return (255.0 * patches - 128.0) / 160.0


class Grey111Over62(PatchInput):
    """(grey level - 110.754) / 61.537, for levels between 0 and 255 (LIFT)."""

    def prepare(self, patches: tf.Tensor) -> tf.Tensor:
        return (255.0 * patches - 110.754) / 61.537


class MinusImage(PatchInput):
    """Minus the mean image of the data, a weight that `set_input_statistics` sets (GLoss-Net).

    In [0, 1]: the authors subtract grey levels up to 255, which `tools/import_weights.py` takes into the first kernel.
    """

    images: tuple[str, ...] = ("mean_image",)

    def build(self, input_shape: Any) -> None:
        for image, start in zip(self.images, (_GREY, _DEVIATION), strict=False):
            initializer = tf.keras.initializers.Constant(start)
            shape = (*input_shape[1:3], 1)
            setattr(self, image, self.add_weight(name=image, shape=shape, initializer=initializer, trainable=False))
        self.built = True

    def prepare(self, patches: tf.Tensor) -> tf.Tensor:
        return patches - tf.convert_to_tensor(self.mean_image)

    def set_statistics(self, patches: np.ndarray) -> None:
        self.mean_image.assign(patches.mean(axis=0))


class MinusImageStandardise(MinusImage):
    """Minus the mean image of the data, then mean 0 and deviation 1 as `Standardise` (L2-Net)."""

    def prepare(self, patches: tf.Tensor) -> tf.Tensor:
        return _standardised(super().prepare(patches))


class StandardiseByImages(MinusImage):
    """(x - mean image) / deviation image of the data (DeepDesc)."""

    images = ("mean_image", "deviation_image")

    def prepare(self, patches: tf.Tensor) -> tf.Tensor:
        return super().prepare(patches) / tf.convert_to_tensor(self.deviation_image)

    def set_statistics(self, patches: np.ndarray) -> None:
        super().set_statistics(patches)
        self.deviation_image.assign(np.maximum(patches.std(axis=0), 1.0 / 255.0))


def _standardised(patches: tf.Tensor) -> tf.Tensor:
    mean = tf.stop_gradient(tf.reduce_mean(patches, (1, 2, 3), keepdims=True))
    others = tf.cast(math.prod(patches.shape[1:]) - 1, tf.float32)
    squares = tf.reduce_sum(tf.square(patches - mean), (1, 2, 3), keepdims=True)
    deviation = tf.stop_gradient(tf.sqrt(squares / others))
    return (patches - mean) / (deviation + _SHORTEST_DEVIATION)


INPUTS: dict[str, type[PatchInput]] = {
    "unit": Unit,
    "minus mean": MinusMean,
    "standardised": Standardise,
    "instance": InstanceNorm,
    "grey 128 over 160": Grey128Over160,
    "grey 111 over 62": Grey111Over62,
    "mean image": MinusImage,
    "mean image, standardised": MinusImageStandardise,
    "mean and deviation image": StandardiseByImages,
}
