"""The body of UCN: GoogLeNet to its module 4a, at one feature in 4 x 4 pixels (Choy et al. 2016, section 3.4).

GoogLeNet (Szegedy et al. 2015, table 1) has a stride of 16 there; the poolings after the first are at stride 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import tensorflow as tf

from superpoint_tf.networks.patch_layers import Convolution, Pooling, Start
from superpoint_tf.networks.patch_shapes import transformer_shapes
from superpoint_tf.networks.superpoint import PadToCells
from superpoint_tf.networks.transformers import convolutional_transformer
from superpoint_tf.systems import MapSpec

STRIDE_PX = 4


class Inception(NamedTuple):
    """Channels of a module: of the 1 x 1 branch, the 3 x 3 and 5 x 5 ones with what reduces before, and the pooled."""

    one: int
    reduce_three: int
    three: int
    reduce_five: int
    five: int
    pooled: int

    @property
    def channels(self) -> int:
        """Return the channels of all branches together."""
        return self.one + self.three + self.five + self.pooled


INCEPTIONS = {
    "inception_3a": Inception(64, 96, 128, 16, 32, 32),
    "inception_3b": Inception(128, 128, 192, 32, 96, 64),
    "inception_4a": Inception(192, 96, 208, 16, 48, 64),
}
_TRANSFORMED = "inception_4a"
_STEM = (("conv_1", 7, 64), ("conv_2_reduce", 1, 64), ("conv_2", 3, 192))  # name, side, channels


def build_googlenet(images: Any, spec: MapSpec, start: Start) -> dict[str, Any]:
    """Build the body and the last 1 x 1 convolution; with the option `transformed` 4a reads through affine maps."""
    convolve = _convolution(start)
    features = convolve(PadToCells("pad", STRIDE_PX)(images), *_STEM[0], 2)
    features = Pooling("pool_1", "max", 3, 2, ceil=True)(features)
    for name, side, channels in _STEM[1:]:
        features = convolve(features, name, side, channels)
    for number, (name, sizes) in enumerate(INCEPTIONS.items(), 2):
        if name != "inception_3b":
            features = _flat_pooling(f"pool_{number}")(features)
        transformed = start.seed if spec.options["transformed"] and name == _TRANSFORMED else None
        features = _inception(features, name, sizes, convolve, start, transformed)
    last = Convolution("descriptor", spec.dimension, 1, 1, 0, True, start.kernel("descriptor"))
    return {"descriptors": last(features)}


def googlenet_shapes(spec: MapSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all its weights by `layer/variable`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, side, inputs, outputs in _convolutions(spec):
        if spec.options["transformed"] and name.startswith(_TRANSFORMED) and side > 1:
            weights = transformer_shapes(side, inputs, outputs)
        else:
            weights = {"kernel": (side, side, inputs, outputs), "bias": (outputs,)}
        shapes.update({f"{name}/{weight}": shape for weight, shape in weights.items()})
    return shapes


def _convolutions(spec: MapSpec) -> Iterator[tuple[str, int, int, int]]:
    """Yield name, side, channels before and after of every convolution."""
    inputs = 1
    for name, side, channels in _STEM:
        yield name, side, inputs, channels
        inputs = channels
    for name, sizes in INCEPTIONS.items():
        yield f"{name}_1x1", 1, inputs, sizes.one
        yield f"{name}_3x3_reduce", 1, inputs, sizes.reduce_three
        yield f"{name}_3x3", 3, sizes.reduce_three, sizes.three
        yield f"{name}_5x5_reduce", 1, inputs, sizes.reduce_five
        yield f"{name}_5x5", 5, sizes.reduce_five, sizes.five
        yield f"{name}_pooled", 1, inputs, sizes.pooled
        inputs = sizes.channels
    yield "descriptor", 1, inputs, spec.dimension


Convolve = Callable[..., Any]


def _convolution(start: Start) -> Convolve:
    def convolve(features: Any, name: str, side: int, channels: int, stride: int = 1) -> Any:
        layer = Convolution(name, channels, side, stride, side // 2, True, start.kernel(name))
        return tf.keras.layers.Activation("relu", name=f"{name}_relu")(layer(features))

    return convolve


def _flat_pooling(name: str) -> tf.keras.layers.Layer:
    return tf.keras.layers.MaxPooling2D(3, 1, "same", name=name)


def _inception(
    features: Any, name: str, sizes: Inception, convolve: Convolve, start: Start, transformed: int | None
) -> Any:
    """Join the four branches; the larger kernels of a `transformed` module (its seed) move at each pixel."""

    def wide(side: int, reduced: int, channels: int) -> Any:
        own = f"{name}_{side}x{side}"
        before = convolve(features, f"{own}_reduce", 1, reduced)
        if transformed is None:
            return convolve(before, own, side, channels)
        layer = convolutional_transformer(own, channels, side, start.kernel(own), seed=transformed)
        return tf.keras.layers.Activation("relu", name=f"{own}_relu")(layer(before))

    pooled = convolve(_flat_pooling(f"{name}_pool")(features), f"{name}_pooled", 1, sizes.pooled)
    branches = [
        convolve(features, f"{name}_1x1", 1, sizes.one),
        wide(3, sizes.reduce_three, sizes.three),
        wide(5, sizes.reduce_five, sizes.five),
        pooled,
    ]
    return tf.keras.layers.Concatenate(name=name)(branches)
