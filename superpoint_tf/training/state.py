"""Everything that a training run carries from step to step, and the compiled step that changes it."""

from __future__ import annotations

import collections
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.config import ConfigError
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.networks.beginnings import first_layers
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.patch_network import set_input_statistics
from superpoint_tf.networks.superpoint import named_variables, precision_policy
from superpoint_tf.networks.weights import Weights, WeightsError, assign_weights, get_weights, load_weights
from superpoint_tf.networks.widening import can_widen, widen_weights
from superpoint_tf.runtime.quiet import start_xla
from superpoint_tf.systems import SYSTEMS, CropSpec, MapSpec
from superpoint_tf.training.finiteness import FailureRecord, NonFiniteLoss
from superpoint_tf.training.freezing import train_only
from superpoint_tf.training.gradients import BatchGradients
from superpoint_tf.training.log_fields import LogFields
from superpoint_tf.training.optimizers import OPTIMIZERS
from superpoint_tf.training.reduction_statistics import set_reduction
from superpoint_tf.training.replicas import Replicas, single_replica
from superpoint_tf.training.schedule import learning_rate
from superpoint_tf.training.tasks import Task

_FLOAT16_LOSS_SCALE = 1024.0  # constant: losses here start near 4 and fall
_MAX_OVERFLOWS = 20  # steps in a row that float16 may skip: after more of them nothing is learnt any more


class TrainingState:
    """Network, optimizer, moving average, step, and the sums since the last report: one checkpoint holds them all."""

    def __init__(self, task: Task, replicas: Replicas | None = None) -> None:
        settings = task.settings
        self._task, self.settings = task, settings
        self.replicas = replicas or single_replica()
        self.replicas.check(settings)
        self._loss_scale = _FLOAT16_LOSS_SCALE if settings.precision == "mixed_float16" else 1.0
        scope = self.replicas.strategy.scope
        with scope(), precision_policy(settings.precision):
            self.model = build_network(task.config.network, task.config.seed)
            train_only(self.model, settings.trainable)
        # Outside the scope, a network of this worker alone: the chief validates it without waiting for the others.
        self.averaged = build_network(task.config.network)  # float32: validated and saved
        self._variables, self._averages = named_variables(self.model), named_variables(self.averaged)
        self._trainable = named_variables(self.model, only_trainable=True)
        self._statistics = [v for name, v in self._variables.items() if name not in self._trainable]
        with scope():
            self.optimizer = OPTIMIZERS[settings.optimizer](self._trainable, settings)
        self.step = tf.Variable(0, dtype=tf.int64)
        self._next_step = 0  # the same, known without waiting for the device
        self._stops: collections.deque[tf.Tensor] = collections.deque(maxlen=2)
        self.best_step = tf.Variable(0, dtype=tf.int64)
        self.best_value = tf.Variable(-math.inf, dtype=tf.float64)
        self._gradients = BatchGradients(task, self.replicas, self.model, self._trainable, self._loss_scale)
        self.log = LogFields(self._gradients.names)
        self.num_skipped = tf.Variable(0, dtype=tf.int64)  # float16 overflows
        self._overflows_in_a_row = tf.Variable(0, dtype=tf.int64)
        self._record: FailureRecord | None = None  # made for the first batch
        self.checkpoint = tf.train.Checkpoint(
            model=self._variables,
            averaged=self._averages,
            optimizer=self.optimizer,
            step=self.step,
            best_step=self.best_step,
            best_value=self.best_value,
            sums=self.log.sums,
            num_summed=self.log.num_summed,
            num_skipped=self.num_skipped,
            overflows_in_a_row=self._overflows_in_a_row,
        )
        if settings.xla:
            start_xla()
        self._whole, self._begin, self._add, self._end = (
            tf.function(part, jit_compile=settings.xla or None, reduce_retracing=True)
            for part in (self._whole_step, self._begin_step, self._gradients.add, self._end_step)
        )
        self.origin = self._initialize(settings.init)
        self._copy_average()

    def _initialize(self, path: str) -> str:
        """Copy the weights of `path`, if there is one, widened where the network is wider; say what they are."""
        if not path:
            return "random weights"
        weights, config = load_weights(path), self._task.config
        origin = path
        other = weights.network.system != config.network.system
        if other and isinstance(SYSTEMS[config.network.system].network, MapSpec):
            arrays, taken = first_layers(weights, config.network, path)
            for name, array in arrays.items():
                self._variables[name].assign(array)
            return f"{taken} of {path}, the others random"
        if other and isinstance(SYSTEMS[config.network.system].network, CropSpec):
            raise WeightsError(
                f"{path}: weights of {weights.network.system}; {config.network.system} begins with its own alone: give "
                f"those as {config.train}.init, or leave it out"
            )
        if can_widen(weights, config.network):
            origin = f"{path}, widened from {weights.network.width:g} to {config.network.width:g}"
            weights = widen_weights(weights, config.network, config.seed)
        elif weights.network.pooling != config.network.pooling:
            origin = f"{path}, made with {weights.network.pooling} pooling, here {config.network.pooling}"
        assign_weights(self.model, weights, path, allow_new_head=True)
        return origin

    # -------------------------------------------------------------------------------------------- one step

    def train_step(self, batch: TensorBatch, stop: bool = False) -> None:
        """Make one optimizer update of this worker's share of a batch; nothing is waited for.

        `stop` tells the other workers that this one was asked to stop, see `stop_agreed`.
        """
        self.optimizer.learning_rate.assign(learning_rate(self.settings, self._next_step))
        self._next_step += 1
        tensors = {name: tensor for name, tensor in batch.items() if name != "numbers"}
        if self._record is None:
            self._record = FailureRecord(tensors, list(self.log.names), list(self._trainable))
        asked = tf.constant(float(stop))
        if self.settings.accumulate == 1:
            self._stops.append(self._whole(tensors, asked))
            return
        # Compiled piece by piece, not as one graph: so the activations of one micro-batch are gone before the next.
        counts, share, statistics = self._begin(tensors)
        for index in range(self.settings.accumulate):
            share = self._add(tensors, tf.constant(index), counts, share)
        self._stops.append(self._end(tensors, share, statistics, asked))

    def stop_agreed(self) -> bool:
        """Tell whether a worker said `stop` at the step before the last, the same on all workers after the same step.

        The last step may still be running: reading what it was told would wait for it.
        """
        return len(self._stops) == 2 and bool(self._stops[0] > 0)

    # A method `_replica_...` runs on each replica, on its samples; the others run once for all of them.

    def _whole_step(self, batch: TensorBatch, stop: tf.Tensor) -> tf.Tensor:
        statistics = self.replicas.strategy.run(self._replica_statistics)
        return self._end_step(batch, self._gradients.of_batch(batch), statistics, stop)

    def _begin_step(self, batch: TensorBatch) -> Any:
        counts, share = self._gradients.begin(batch)
        return counts, share, self.replicas.strategy.run(self._replica_statistics)

    # A forward pass moves the averages of batch norm before anyone knows whether the step counts: kept to be put back.

    def _replica_statistics(self) -> list[tf.Tensor]:
        return [tf.identity(variable) for variable in self._statistics]

    def _put_back(self, statistics: Any) -> None:
        self.replicas.strategy.run(self._replica_put_back, (statistics,))

    def _replica_put_back(self, statistics: list[tf.Tensor]) -> None:
        for variable, before in zip(self._statistics, statistics, strict=True):
            variable.assign(before)

    def _end_step(self, batch: TensorBatch, share: Any, statistics: Any, stop: tf.Tensor) -> tf.Tensor:
        """Update from the shares of all replicas, if everything is finite; return how many were asked to stop."""
        assert self._record is not None  # made before the first step
        gradients, results = self._gradients.reduce(share, stop)
        norms, (norm, values, stops) = results[0], (self.replicas.local(result) for result in results)
        finite = tf.math.is_finite(norm)
        overflow = ~finite & (self._loss_scale != 1.0) & (self._overflows_in_a_row < _MAX_OVERFLOWS)
        sound = tf.reduce_all(tf.math.is_finite(values)) & (finite | overflow)
        usable = sound & ~self._record.failed
        local_gradients = [self.replicas.local(gradient) for gradient in gradients]
        note = functools.partial(self._record.note, batch, values, local_gradients)
        tf.cond(~sound & ~self._record.failed, note, lambda: None)
        tf.cond(usable & ~overflow, lambda: self._update(gradients, norms), lambda: self._put_back(statistics))
        tf.cond(usable, lambda: self._count(values, overflow), lambda: None)
        return stops

    def _replica_apply(self, gradients: list[tf.Tensor], norm: tf.Tensor) -> None:
        if self.settings.clip_norm:
            gradients, _ = tf.clip_by_global_norm(gradients, self.settings.clip_norm, use_norm=norm)
        self.optimizer.update_replica(self.optimizer.with_decay(gradients))  # they are added up

    def _update(self, gradients: Any, norms: Any) -> None:
        self.replicas.strategy.run(self._replica_apply, (gradients, norms))
        self.optimizer.count()
        decay = self.settings.ema_decay
        if decay:
            # the usual correction: a short history is averaged over what there is
            step = tf.cast(self.step + 1, tf.float32)
            rate = 1.0 - tf.minimum(decay, step / (10.0 + step))
            for average, variable in self._average_pairs():
                average.assign_add(rate * (tf.cast(self.replicas.local(variable), tf.float32) - average))

    def _count(self, values: tf.Tensor, overflow: tf.Tensor) -> None:
        self.step.assign_add(1)
        self.log.add(values)
        self.num_skipped.assign_add(tf.cast(overflow, tf.int64))
        self._overflows_in_a_row.assign(tf.where(overflow, self._overflows_in_a_row + 1, 0))

    # -------------------------------------------------------------------------------------------- between steps

    def check_finite(self, numbers_of_step: range) -> None:
        """Raise NonFiniteLoss with step, samples, pictures and what failed, if a step since the last check did."""
        if self._record is None or not self._record.failed.numpy():
            return
        size = len(numbers_of_step) // self.replicas.workers
        own_numbers = numbers_of_step[self.replicas.worker * size :][:size]
        found = self._record.describe(numbers_of_step, own_numbers, self._task.source.picture_name)
        overflows = int(self._overflows_in_a_row)
        again = f", after {overflows} skipped steps in a row" if overflows >= _MAX_OVERFLOWS else ""
        raise NonFiniteLoss(
            f"step {int(self.step) + 1}: {found}{again}; the weights before this step are kept. "
            "Look at these pictures, lower the learning rate, or use precision float32"
        )

    def _average_pairs(self) -> Iterator[tuple[tf.Variable, tf.Variable]]:
        return ((average, self._variables[name]) for name, average in self._averages.items())

    def set_input_statistics(self, patches: np.ndarray) -> None:
        """Set the images of the data that a network of patches begins with, from patches (N, S, S, 1) in [0, 1]."""
        set_input_statistics(self.model, patches)
        self._copy_average()

    def set_reduction(self) -> None:
        """Set the principal components that a network's descriptors are reduced to, if it is the time for it."""
        set_reduction(self._task, self.model)
        self._copy_average()

    def _copy_average(self) -> None:
        for average, variable in self._average_pairs():
            average.assign(tf.cast(self.replicas.local(variable), tf.float32))

    def network_to_use(self) -> tf.keras.Model:
        """Return the network to validate and save: the moving average where there is one, else the present weights."""
        if not self.settings.ema_decay:
            self._copy_average()
        return self.averaged

    def weights(self) -> Weights:
        """Copy the weights of `network_to_use`."""
        network = self.network_to_use()
        return get_weights(network, self._task.config.network, int(self.step))

    def restore(self, path: str | Path) -> None:
        """Continue from a checkpoint, made under whatever versions of TensorFlow and Keras.

        Raises ConfigError if it holds other variables.
        """
        try:
            self.checkpoint.restore(str(path)).assert_consumed()
        except AssertionError as error:
            raise ConfigError(
                f"{path}: cannot be resumed, it holds other variables than this version of the project keeps; "
                f"start a new run from its weights: --set {self._task.config.train}.init=RUN_FOLDER --output ANOTHER"
            ) from error
        self._next_step = int(self.step)
