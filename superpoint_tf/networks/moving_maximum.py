"""Maps divided by the moving average of their largest value, so that scores of several maps can be compared."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

_DECAY = 0.99
_SMALLEST = 1e-6


class MovingMaximum(tf.keras.layers.Layer):
    """Divide features (B, H, W, C) by the moving average of the largest value of a batch, a weight that training moves.

    (ASLFeat, Luo et al. 2020.) The first batch sets it; before there was one, the largest of what is seen divides. A
    constant to the gradient. float32 under every precision policy.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)

    def build(self, input_shape: Any) -> None:
        self.moving_maximum = self.add_weight(name="moving_maximum", shape=(1,), initializer="zeros", trainable=False)
        self.built = True

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        features = tf.cast(features, tf.float32)
        average = tf.convert_to_tensor(self.moving_maximum)
        own = tf.reshape(tf.stop_gradient(tf.reduce_max(features)), (1,))
        if training and self.trainable:
            if tf.distribute.get_strategy().num_replicas_in_sync > 1:
                own = tf.distribute.get_replica_context().all_reduce("mean", own)
            average = tf.where(average > 0.0, _DECAY * average + (1.0 - _DECAY) * own, own)
            variable = self.moving_maximum
            handle = variable.handle if hasattr(variable, "handle") else variable.value.handle
            tf.raw_ops.AssignVariableOp(resource=handle, value=average)
        else:
            average = tf.where(average > 0.0, average, own)
        return features / tf.maximum(average, _SMALLEST)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape
