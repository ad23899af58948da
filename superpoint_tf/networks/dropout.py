"""Dropout whose mask is a pure function of the seed and of the batch: a resumed run drops what the other would have."""

from __future__ import annotations

import hashlib
from typing import Any

import tensorflow as tf

from superpoint_tf.networks.stateless import STEPS, draw_steps


class Dropout(tf.keras.layers.Layer):
    """In training set a share of the features (P, ...) to zero and divide the others by the rest (Srivastava 2014).

    Called with [features, patches]: what the network sees, (P, S, S, 1), decides the mask, not the features, whose last
    bits may depend on the device. Keras keeps the state of its random numbers outside the weights, each version in its
    own way, and checkpoints would lose it. The output has the features' type.
    """

    def __init__(self, share: float, seed: int, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.share = share
        digest = hashlib.sha256(f"{seed} {name}".encode()).digest()
        self._word = int.from_bytes(digest[:8], "little") >> 1

    def call(self, inputs: list[tf.Tensor], training: bool = False) -> tf.Tensor:
        features, patches = inputs
        if not training:
            return features
        seed = tf.stack([tf.constant(self._word, tf.int64), _content_word(patches)])
        drawn = draw_steps(tf.shape(features), seed)
        kept = drawn >= int(self.share * STEPS)
        return tf.where(kept, features / (1.0 - self.share), tf.zeros_like(features))

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape[0]


def _content_word(patches: tf.Tensor) -> tf.Tensor:
    """Return a number int64 that hardly another batch has: the sum of the bits of the patches' middle rows."""
    middle = tf.cast(patches[:, patches.shape[1] // 2], tf.float32)
    return tf.reduce_sum(tf.cast(tf.bitcast(tf.stop_gradient(middle), tf.int32), tf.int64))
