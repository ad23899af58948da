"""From numbered samples to training batches: workers draw and decode, one batched graph does all geometry.

The order of the stages matters. Photometric change comes before the warp, so that no black border is blurred into the
picture (by the backend `graph` it comes after what workers warp, planes and stereo pairs); by imgaug it runs in worker
processes, because that holds the interpreter lock. Homographies, warps, masks and cell labels, and the photometric
change of the backend `graph`, are one TensorFlow graph on whole batches. All are pure functions of the sample number,
so a run can start at any step.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from superpoint_tf.data.batches.batch import Batch, TensorBatch
from superpoint_tf.data.batches.kinds import BatchKind
from superpoint_tf.data.photometric_graph import change_pending
from superpoint_tf.data.sources import NumberedSource
from superpoint_tf.runtime.workers import ordered_map, resolve_workers, start_pool


class BatchStream:
    """Batches of a source from any step on, rendered ahead by worker processes; use it as a context manager.

    `key` is that of the stage (`random_streams.stage_key`), as the source's. With `share` (i, n) only the i-th of n
    equal parts of each batch is rendered, and given as the batch. `on_device` says where the graph of the batch runs:
    by itself, on TensorFlow's first device, or within tf.data, which knows the CPU alone; None: the former on a GPU.
    """

    def __init__(
        self,
        source: NumberedSource,
        kind: BatchKind,
        batch_size: int,
        key: int,
        settings: Any,
        workers: int,
        share: tuple[int, int] = (0, 1),
        on_device: bool | None = None,
    ) -> None:
        self._source, self._kind, self._batch_size, self._share = source, kind, batch_size, share
        self._key, self._settings = key, settings
        self._workers = resolve_workers(workers)
        self._pool = start_pool(self._workers)
        self._error: BaseException | None = None
        self._signature = kind.signature(source, batch_size // share[1])
        self._on_device = bool(tf.config.list_physical_devices("GPU")) if on_device is None else on_device

    def numbers(self, step: int) -> range:
        """Return the sample numbers of the whole batch of `step` (0-based)."""
        return range(step * self._batch_size, (step + 1) * self._batch_size)

    def own_numbers(self, step: int) -> range:
        """Return those of its numbers that are rendered here."""
        index, count = self._share
        size = self._batch_size // count
        return self.numbers(step)[index * size : (index + 1) * size]

    def _rendered(self, start_step: int) -> Iterator[Batch]:
        payloads = (self._source.payloads(self.own_numbers(step)) for step in itertools.count(start_step))
        try:
            yield from ordered_map(self._pool, self._source.render, payloads, window=2 * max(self._workers, 1))
        except Exception as error:  # tf.data would hide the message in a traceback; batches() raises it
            self._error = error

    def _assembled(self, batch: TensorBatch) -> TensorBatch:
        batch = change_pending(batch, self._source.pending, self._key)
        return self._kind.assemble(batch, self._key, self._settings)

    def batches(self, start_step: int = 0) -> Iterator[TensorBatch]:
        """Iterate over the batches from `start_step` on; an error in a worker is raised here as it was."""
        rendered = tf.data.Dataset.from_generator(lambda: self._rendered(start_step), output_signature=self._signature)
        if self._on_device:
            assembled = tf.function(self._assembled, input_signature=[self._signature], autograph=False)
            yield from map(assembled, rendered.prefetch(2))
        else:
            batches = rendered.map(self._assembled, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
            yield from batches.prefetch(2)
        if self._error is not None:
            raise self._error

    def __enter__(self) -> BatchStream:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            with contextlib.suppress(Exception):
                self._pool.shutdown(wait=True, cancel_futures=True)  # nothing of ours runs on after the block
