"""Networks that describe a patch or compare two, built of the layers that a system's row names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.networks.patch_inputs import INPUTS, PatchInput
from superpoint_tf.networks.patch_layers import STARTS, Score, Start, Vector, keras_layers, named_layers
from superpoint_tf.systems import Layer, PatchSpec

_INPUT_OF_THE_WHOLE = ("minus mean",)  # done before the two streams part (DeepCompare); others to each of them


def build_patch_network(spec: PatchSpec, system: str, seed: int = 0) -> tf.keras.Model:
    """Build the network of a row; the seed decides its weights, `system` is the name of the model.

    Without a head: patches (P, S, S, 1) in [0, 1] to {"vector": (P, D)}, beside which `taps` of the row give "taps", a
    list of features (P, ...), those of the centre first where there are two streams.

    With a head: two such patches, a list, to {"score": (P,)}, larger = more alike. Where the patches are not seen
    together, its layers `branch0` (and `branch1` if each has its own) map patches to vectors and `head` maps two
    vectors, a list, to scores: each patch can be described once and compared often.

    Vectors and scores are float32 under every precision policy. Layers are named `conv_1` ..., `fc_1` ..., and those
    after them `conv_1_bn`, `conv_1_relu` ...; two streams are `centre_conv_1` ... and `whole_conv_1` .... Raises
    ValueError for an input, a start or a kind of layer that is not known.
    """
    for value, known, what in ((spec.input, INPUTS, "input"), (spec.start, STARTS, "start")):
        if value not in known:
            raise ValueError(f"{what} {value!r} of {system} is not known; use {', '.join(known)}")
    start = Start(spec.start, seed)
    if not spec.head:
        patches = _patches(spec, "patches")
        vector, taps = _describe(spec, [patches], start)
        return tf.keras.Model(patches, {"vector": vector} | ({"taps": taps} if taps else {}), name=system)
    pair = [_patches(spec, f"patches{number}") for number in (0, 1)]
    if spec.branches == "two channels":
        features, _ = _describe(spec, pair, start)
        score = Score("score")(apply_layers(spec.head, features, "head_", start, pair[0])[-1])
    else:
        names = ["branch0", "branch1"][: 1 + (spec.branches == "untied")]
        branches = [build_branch(spec, name, start) for name in names]
        vectors = [branches[0](pair[0]), branches[-1](pair[1])]
        score = _head(spec, vectors[0].shape[-1], start)(vectors)
    return tf.keras.Model(pair, {"score": score}, name=system)


def set_input_statistics(network: tf.keras.Model, patches: np.ndarray) -> None:
    """Set the images of the data that some rows subtract, or divide by, from patches (N, S, S, 1) in [0, 1].

    They are weights and kept in files of weights; some hundred patches do. Networks of other rows stay as they are.
    """
    for layer in network.layers:
        if isinstance(layer, tf.keras.Model):
            set_input_statistics(layer, patches)
        elif isinstance(layer, PatchInput):
            stream = layer.name.removesuffix("input").removesuffix("_")
            layer.set_statistics(np.asarray(_view(stream, patches.shape[1])(patches) if stream else patches))


def _patches(spec: PatchSpec, name: str) -> Any:
    side = None if spec.any_side else spec.side_px
    return tf.keras.Input((side, side, 1), name=name)


def build_branch(spec: PatchSpec, name: str, start: Start) -> tf.keras.Model:
    """Build what maps patches (P, S, S, 1) in [0, 1] to vectors (P, D), as a part of a larger network."""
    patches = _patches(spec, "patches")
    vector, _ = _describe(spec, [patches], start._replace(scope=f"{name}/"))
    return tf.keras.Model(patches, vector, name=name)


def _head(spec: PatchSpec, dimension: int, start: Start) -> tf.keras.Model:
    vectors = [tf.keras.Input((dimension,), name=f"vectors{number}") for number in (0, 1)]
    joined = tf.keras.layers.Concatenate(name="joined", dtype="float32")(vectors)
    score = apply_layers(spec.head, joined, "", start._replace(scope="head/"), vectors[0])[-1]
    return tf.keras.Model(vectors, Score("score")(score), name="head")


def _describe(spec: PatchSpec, patches: list[Any], start: Start) -> tuple[Any, list[Any]]:
    """Return the vector of one patch, or of two that are seen together, and the outputs of the taps."""
    raw, whole = patches[0], spec.input in _INPUT_OF_THE_WHOLE
    patches = _normalised(spec.input, "input", patches) if whole else patches
    vectors, taps = [], []
    for prefix, views in _streams(spec, patches):
        views = views if whole else _normalised(spec.input, f"{prefix}input", views)
        seen = views[0] if len(views) == 1 else tf.keras.layers.Concatenate(name=f"{prefix}two_channels")(views)
        outputs = apply_layers(spec.layers, seen, prefix, start, raw)
        vectors.append(Vector(f"{prefix}vector")(outputs[-1]))
        taps += [outputs[number] for number in spec.taps]
    if len(vectors) == 1:
        return vectors[0], taps
    joined = tf.keras.layers.Concatenate(name="streams", dtype="float32")(vectors)
    return Vector("vector")(apply_layers(spec.join, joined, "joined_", start, raw)[-1] if spec.join else joined), taps


def _normalised(kind: str, name: str, patches: list[Any]) -> list[Any]:
    layer = INPUTS[kind](name)
    return [layer(patch) for patch in patches]


def _streams(spec: PatchSpec, patches: list[Any]) -> list[tuple[str, list[Any]]]:
    """Return what each stream sees of the patches, with the beginning of its layers' names."""
    if spec.streams == "one":
        return [("", patches)]
    views = {stream: _view(stream, spec.side_px) for stream in ("centre", "whole")}
    return [(f"{stream}_", [view(patch) for patch in patches]) for stream, view in views.items()]


def _view(stream: str, side_px: int) -> tf.keras.layers.Layer:
    """Return the cut of the `centre`, or the average of 2 x 2 pixels of the `whole`: both of half the side."""
    if stream == "centre":
        return tf.keras.layers.Cropping2D(side_px // 4, name=stream, dtype="float32")
    return tf.keras.layers.AveragePooling2D(2, name=stream, dtype="float32")


def apply_layers(layers: Sequence[Layer], features: Any, prefix: str, start: Start, seen: Any) -> list[Any]:
    """Return the output of every layer, in order; what the network sees decides what dropout drops."""
    outputs = []
    for name, layer in named_layers(layers):
        for part in keras_layers(prefix + name, layer, start):
            features = part([features, seen] if layer.kind == "dropout" else features)
        outputs.append(features)
    return outputs
