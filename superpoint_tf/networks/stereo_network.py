"""Networks of rectified pairs: a description of every pixel, and how unlike two descriptions are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from superpoint_tf.networks.patch_layers import Start, keras_layers, named_layers
from superpoint_tf.systems import Layer, StereoSpec

_LEAST_DEVIATION = 1e-6  # of a picture in [0, 1]: one grey level everywhere becomes zeros


def standardise_pictures(pictures: tf.Tensor) -> tf.Tensor:
    """Return pictures (B, H, W, 1) each with mean 0 and deviation 1, as these networks see them."""
    mean, variance = tf.nn.moments(tf.cast(pictures, tf.float32), [1, 2, 3], keepdims=True)
    return (pictures - mean) / tf.maximum(tf.sqrt(variance), _LEAST_DEVIATION)


class MinusDot(tf.keras.layers.Layer):
    """Minus the dot product of two descriptions (B, H, W, C), (B, H, W)."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)

    def call(self, descriptions: Sequence[tf.Tensor]) -> tf.Tensor:
        return -tf.reduce_sum(descriptions[0] * descriptions[1], axis=-1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0][:-1]


class OneChannel(tf.keras.layers.Layer):
    """The one channel of features (B, H, W, 1) as float32 (B, H, W)."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)

    def call(self, features: tf.Tensor) -> tf.Tensor:
        return tf.cast(features[..., 0], tf.float32)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[:-1]


def build_stereo_network(spec: StereoSpec, system: str, seed: int = 0) -> tf.keras.Model:
    """Build the network of a row; the seed decides its weights, `system` is the name of the model.

    Two standardised pictures or patches (B, H, W, 1), a list, to {"mismatch": float32 (B, h, w)}, where h and w are
    smaller by `side_px` - 1: minus the dot product of the descriptions, or the logit of "these are two points" (target
    0 = match: Zbontar and LeCun 2016, section 3.2). Its layer `describe` maps one picture to descriptions (B, h, w, C),
    and `head` two of them, a list, to mismatches.
    """
    start = Start(spec.start, seed)
    pictures = [tf.keras.Input((None, None, 1), name=name) for name in ("left", "right")]
    picture = tf.keras.Input((None, None, 1), name="picture")
    describe = tf.keras.Model(picture, _apply(spec.layers, picture, start._replace(scope="describe/")), name="describe")
    descriptions = [describe(each) for each in pictures]
    head = _head(spec, descriptions[0].shape[-1], start._replace(scope="head/")) if spec.head else MinusDot("head")
    return tf.keras.Model(pictures, {"mismatch": head(descriptions)}, name=system)


def stereo_weight_shapes(spec: StereoSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights of `build_stereo_network`, by `layer/variable`, without building it."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 1
    for part, layers in (("describe", spec.layers), ("head", spec.head)):
        if part == "head":
            channels *= 2
        for name, layer in named_layers(layers):
            if layer.kind == "conv":
                values = layer.values
                shapes[f"{part}/{name}/kernel"] = (values["side"], values["side"], channels, values["channels"])
                channels = values["channels"]
                shapes[f"{part}/{name}/bias"] = (channels,)
    return shapes


def _head(spec: StereoSpec, channels: int, start: Start) -> tf.keras.Model:
    descriptions = [tf.keras.Input((None, None, channels), name=name) for name in ("left", "right")]
    joined = tf.keras.layers.Concatenate(name="joined")(descriptions)
    logits = OneChannel("mismatch")(_apply(spec.head, joined, start))
    head = tf.keras.Model(descriptions, logits, name="head")
    _start_with_differences(head)
    return head


def _start_with_differences(head: tf.keras.Model) -> None:
    """Give the first full layer opposite weights for the two descriptions: it begins with their differences.

    With independent ones the loss stayed at ln 2 for the first 50 steps and more.
    """
    kernel = head.get_layer("conv_1").kernel
    left, _ = tf.split(tf.convert_to_tensor(kernel), 2, axis=2)
    kernel.assign(tf.concat([left, -left], axis=2))


def _apply(layers: Sequence[Layer], features: Any, start: Start) -> Any:
    for name, layer in named_layers(layers):
        for part in keras_layers(name, layer, start):
            features = part(features)
    return features
