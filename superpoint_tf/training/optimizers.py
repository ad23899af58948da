"""The optimizers, by TensorFlow's fused operations; those of Keras 2 and 3 differ in use and in checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

from superpoint_tf.config import TrainingConfig

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


class Optimizer(tf.Module):
    """The weights that are updated, the rate and the number of updates; a checkpoint holds its state by their names.

    Make it in the scope of the strategy that made the variables.
    """

    def __init__(self, name: str, variables: Mapping[str, tf.Variable], settings: TrainingConfig) -> None:
        super().__init__(name=name)
        self._settings = settings
        self._targets = list(variables.values())
        self.iterations = tf.Variable(0, trainable=False, dtype=tf.int64)
        self._decays = [name.endswith("kernel") for name in variables]
        self.learning_rate = tf.Variable(0.0, trainable=False)

    def with_decay(self, gradients: Sequence[tf.Tensor]) -> list[tf.Tensor]:
        """Add the weight decay to the gradients of kernels: of half its product with the squares of the weights."""
        decay = self._settings.weight_decay
        if not decay:
            return list(gradients)
        return [
            gradient + decay * tf.convert_to_tensor(target) if decays else gradient
            for target, decays, gradient in zip(self._targets, self._decays, gradients, strict=True)
        ]

    def update_replica(self, gradients: Sequence[tf.Tensor]) -> None:
        """Update this replica's copies; gradients are in the variables' order and the same on all replicas."""
        raise NotImplementedError

    def count(self) -> None:
        """Note that all replicas have made an update; call it outside of them."""
        self.iterations.assign_add(1)


class Adam(Optimizer):
    """Kingma and Ba, algorithm 1, in the order of operations at the end of its section 2 (epsilon there is "hat")."""

    def __init__(self, variables: Mapping[str, tf.Variable], settings: TrainingConfig) -> None:
        super().__init__("adam", variables, settings)
        self.gradients, self.squares = _zeros_like(variables), _zeros_like(variables)

    def update_replica(self, gradients: Sequence[tf.Tensor]) -> None:
        done = tf.cast(self.iterations + 1, tf.float32)
        shared = {
            "beta1_power": tf.pow(BETA_1, done),
            "beta2_power": tf.pow(BETA_2, done),
            "lr": tf.convert_to_tensor(self.learning_rate),
            "beta1": BETA_1,
            "beta2": BETA_2,
            "epsilon": EPSILON,
        }
        averages = zip(self.gradients.values(), self.squares.values(), strict=True)
        for target, (mean, square), gradient in zip(self._targets, averages, gradients, strict=True):
            tf.raw_ops.ResourceApplyAdam(
                var=target.handle, m=mean.handle, v=square.handle, grad=gradient, use_locking=True, **shared
            )


class Momentum(Optimizer):
    """Gradient descent with momentum: v <- m v + g, w <- w - rate v (Sutskever et al. 2013, in the form of torch)."""

    def __init__(self, variables: Mapping[str, tf.Variable], settings: TrainingConfig) -> None:
        super().__init__("momentum", variables, settings)
        self.velocities = _zeros_like(variables)

    def update_replica(self, gradients: Sequence[tf.Tensor]) -> None:
        rate, momentum = tf.convert_to_tensor(self.learning_rate), self._settings.momentum
        for target, velocity, gradient in zip(self._targets, self.velocities.values(), gradients, strict=True):
            tf.raw_ops.ResourceApplyMomentum(
                var=target.handle, accum=velocity.handle, lr=rate, grad=gradient, momentum=momentum, use_locking=True
            )


def _zeros_like(variables: Mapping[str, tf.Variable]) -> dict[str, tf.Variable]:
    return {name: tf.Variable(tf.zeros(variable.shape), trainable=False) for name, variable in variables.items()}


OPTIMIZERS: dict[str, Callable[[Mapping[str, tf.Variable], TrainingConfig], Optimizer]] = {
    "adam": Adam,
    "momentum": Momentum,
}
