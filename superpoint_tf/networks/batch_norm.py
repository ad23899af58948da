"""Batch normalisation by TensorFlow's fused operation; Keras 3 has left it, and keeps another moving variance."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

EPSILON = 1e-3  # as in both public checkpoints
MOMENTUM = 0.99


class BatchNormalization(tf.keras.layers.Layer):
    """Normalise (B, H, W, C) over all but the channels; under a strategy over the batches of all its replicas.

    Statistics and weights are float32 under every precision policy, the output has the input's type. The moving
    variance averages the unbiased estimates of the batches. Not `affine`, it has neither scale nor offset.
    """

    def __init__(self, name: str, affine: bool = True, epsilon: float = EPSILON, momentum: float = MOMENTUM) -> None:
        super().__init__(name=name, dtype="float32", autocast=False)
        self.affine, self.epsilon, self.momentum = affine, epsilon, momentum

    def build(self, input_shape: Any) -> None:
        shape = (input_shape[-1],)
        if self.affine:
            self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
            self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")
        self.moving_mean = self.add_weight(name="moving_mean", shape=shape, initializer="zeros", trainable=False)
        self.moving_variance = self.add_weight(name="moving_variance", shape=shape, initializer="ones", trainable=False)
        self.built = True

    def call(self, features: tf.Tensor, training: bool = False) -> tf.Tensor:
        gamma, beta = self._scale_and_offset()
        if not (training and self.trainable):  # one that is frozen normalises as in use
            moving = tf.convert_to_tensor(self.moving_mean), tf.convert_to_tensor(self.moving_variance)
            return _fused(features, gamma, beta, *moving, self.epsilon, is_training=False)[0]
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            normalised, mean, variance = _over_replicas(features, gamma, beta, self.epsilon)
        else:  # the fused kernel, which adds in another order: on one device the last bits are always its own
            normalised, mean, variance = _fused(features, gamma, beta, (), (), self.epsilon, is_training=True)
        _move(self.moving_mean, mean, self.momentum)
        _move(self.moving_variance, variance, self.momentum)
        return normalised

    def _scale_and_offset(self) -> tuple[tf.Tensor, tf.Tensor]:
        if self.affine:
            return tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        channels = self.moving_mean.shape
        return tf.ones(channels), tf.zeros(channels)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return input_shape


def _fused(
    features: tf.Tensor,
    gamma: tf.Tensor,
    beta: tf.Tensor,
    mean: Any,
    variance: Any,
    epsilon: float,
    is_training: bool,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the output with the mean and the unbiased variance of this batch, or those given."""
    return tf.raw_ops.FusedBatchNormV3(
        x=features,
        scale=gamma,
        offset=beta,
        mean=tf.convert_to_tensor(mean, tf.float32),
        variance=tf.convert_to_tensor(variance, tf.float32),
        epsilon=epsilon,
        is_training=is_training,
    )[:3]


def _over_replicas(
    features: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the same for the batches of all replicas together; each of them must call it."""
    wide = tf.cast(features, tf.float32)
    count = tf.cast(tf.size(wide) / tf.shape(wide)[-1], tf.float32)
    own = [tf.reduce_sum(wide, (0, 1, 2)), tf.reduce_sum(tf.square(wide), (0, 1, 2)), count]
    total, squared, count = tf.distribute.get_replica_context().all_reduce("sum", own)
    mean = total / count
    variance = tf.maximum(squared / count - tf.square(mean), 0.0)
    normalised = tf.nn.batch_normalization(wide, mean, variance, beta, gamma, epsilon)
    return tf.cast(normalised, features.dtype), mean, variance * count / tf.maximum(count - 1.0, 1.0)


def _move(average: Any, value: tf.Tensor, momentum: float) -> None:
    """Move this replica's copy of an average; as all see the same statistics, the copies stay equal."""
    change = (1.0 - momentum) * (tf.convert_to_tensor(average) - tf.stop_gradient(value))
    tf.raw_ops.AssignSubVariableOp(resource=average.handle, value=change)
