"""The projective image transform behind `warp_images`: two doors to one operation, and the choice between them.

tensorflow-addons, where it can be had, is what this project was built on; it ended with TensorFlow 2.15. The operation
itself is TensorFlow's own.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from typing import Any

import tensorflow as tf

Transform = Callable[[tf.Tensor, tf.Tensor, str, tuple[Any, Any]], tf.Tensor]
"""From images (B, H, W, C), transforms float32 (B, 8), "bilinear" or "nearest" and (H', W') to (B, H', W', C).

A transform [a0, a1, a2, b0, b1, b2, c0, c1] takes an **output** pixel (x, y) to the input's ((a0 x + a1 y + a2) / k,
(b0 x + b1 y + b2) / k), k = c0 x + c1 y + 1. What lies outside the input is 0.
"""


def transform_with_tensorflow(
    images: tf.Tensor, transforms: tf.Tensor, interpolation: str, output_shape: tuple[Any, Any]
) -> tf.Tensor:
    """Do what `Transform` says by TensorFlow's own operation."""
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=transforms,
        output_shape=tf.convert_to_tensor(output_shape, tf.int32),
        interpolation=interpolation.upper(),
        fill_mode="CONSTANT",
        fill_value=0.0,
    )


def _doors() -> dict[str, Transform]:
    """Return the doors that can be had here by the name of their library, the preferred one first."""
    doors: dict[str, Transform] = {}
    try:
        with warnings.catch_warnings():  # it announces its end of life, and that it never heard of this TensorFlow
            warnings.simplefilter("ignore")
            import tensorflow_addons as tfa
    except ImportError:  # not installed, or for a TensorFlow of before Keras 3
        pass
    else:

        def transform_with_addons(
            images: tf.Tensor, transforms: tf.Tensor, interpolation: str, output_shape: tuple[Any, Any]
        ) -> tf.Tensor:
            return tfa.image.transform(images, transforms, interpolation=interpolation, output_shape=list(output_shape))

        doors["tensorflow-addons"] = transform_with_addons
    doors["tensorflow"] = transform_with_tensorflow
    return doors


DOORS = _doors()
DOOR = next(iter(DOORS))
transform_images: Transform = DOORS[DOOR]
logging.getLogger(__name__).debug("projective transform by %s", DOOR)
