"""Scores of many pairs of the same patches: each patch is described once, where the network describes patches."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

PairScorer = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def pair_scorer(
    network: tf.keras.Model, patches0: tf.Tensor, patches1: tf.Tensor, training: bool = False
) -> PairScorer:
    """Return a function of rows int (K,), (K,) of patches (N, S, S, 1) and (M, S, S, 1) in [0, 1] to scores (K,)."""
    layers = {layer.name: layer for layer in network.layers}
    if "head" not in layers:  # a network that sees both patches from its first layer on

        def see_both(rows0: tf.Tensor, rows1: tf.Tensor) -> tf.Tensor:
            pairs = [tf.gather(patches0, rows0), tf.gather(patches1, rows1)]
            return network(pairs, training=training)["score"]

        return see_both
    first = layers["branch0"](patches0, training=training)
    second = layers.get("branch1", layers["branch0"])(patches1, training=training)

    def compare(rows0: tf.Tensor, rows1: tf.Tensor) -> tf.Tensor:
        return layers["head"]([tf.gather(first, rows0), tf.gather(second, rows1)], training=training)

    return compare
