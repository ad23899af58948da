"""Writing the sets of synthetic shapes as TFRecord files: same seed, same bytes, however many processes or machines."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor
from pathlib import Path

import tensorflow as tf

from superpoint_tf.cluster.cluster import Cluster
from superpoint_tf.cluster.worker import unshared
from superpoint_tf.config import Config
from superpoint_tf.data.shapes.record_folder import RecordFile, RecordFolder
from superpoint_tf.data.shapes.record_reader import RecordError, SyntheticRecords
from superpoint_tf.data.shapes.synthetic_sets import encode_samples
from superpoint_tf.runtime import operating_system, storage
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Progress
from superpoint_tf.runtime.workers import ordered_map, resolve_workers, start_pool

__all__ = ["RecordError", "SyntheticRecords", "write_record_files", "write_records_on_cluster"]

_TASK_PICTURES = 50  # a task of a worker: long against the cost of sending it, short against a wait for Ctrl-C


def write_record_files(
    folder: RecordFolder,
    files: Sequence[RecordFile],
    config: Config,
    progress: Progress,
    stop: StopRequest | None = None,
) -> None:
    """Draw and write `files` one after the other, drawing in `config.workers` processes.

    Raises Interrupted when `stop` asks for it (files written so far are kept), and WriteError if the disk refuses.
    """
    spans = [span for file in files for span in _spans(file)]
    workers = min(resolve_workers(config.workers), len(spans))
    pool = start_pool(workers)
    try:
        samples = _encoded(pool, config, spans, 4 * max(workers, 1), progress, stop or StopRequest())
        for file in files:
            _write_file(folder, file, samples)
    finally:
        if pool is not None:
            pool.shutdown(wait=True, cancel_futures=True)


def write_records_on_cluster(
    folder: RecordFolder,
    files: Sequence[RecordFile],
    config: Config,
    cluster: Cluster,
    progress: Progress,
    stop: StopRequest | None = None,
) -> None:
    """Let workers draw and write `files`, each a file at a time; they need the folder at the same place.

    Raises Interrupted when `stop` asks for it (files written so far are kept), and WriteError if the disk refuses.
    """
    stopped = f"{folder.root}: stopped; finished files are kept"
    start = functools.partial(_start_writing, config)
    names = cluster.map(start, files, len(files), stop or StopRequest(), stopped, lambda file: file.name)
    for file, _ in zip(files, names, strict=True):
        progress.update(file.pictures)


def _start_writing(config: Config) -> Callable[[RecordFile], str]:
    """Return, in a worker, the function that draws and writes a file and returns its name."""
    folder = RecordFolder(config.synthetic.root, config)
    if not folder.is_claimed():
        raise unshared(folder.root)

    def write(file: RecordFile) -> str:
        _write_file(folder, file, (sample for span in _spans(file) for sample in encode_samples(config, span)))
        return file.name

    return write


def _spans(file: RecordFile) -> Iterator[tuple[str, int, int]]:
    for start in range(0, file.pictures, _TASK_PICTURES):
        yield file.split, file.first + start, min(_TASK_PICTURES, file.pictures - start)


def _encoded(
    pool: Executor | None,
    config: Config,
    spans: Iterable[tuple[str, int, int]],
    window: int,
    progress: Progress,
    stop: StopRequest,
) -> Iterator[bytes]:
    """Yield the samples of all spans; the pool draws ahead over the ends of files."""
    for encoded in ordered_map(pool, functools.partial(encode_samples, config), spans, window):
        stop.raise_if_requested(f"stopped at {progress.done} of {progress.total} pictures; finished files are kept")
        progress.update(len(encoded))
        yield from encoded


def _write_file(folder: RecordFolder, file: RecordFile, samples: Iterator[bytes]) -> None:
    """Write one file under a temporary name, rename it, then note its checksum."""
    path = folder.path(file)
    folder.discard_unfinished(file)
    temporary = f"{path}.{os.getpid()}{storage.TEMPORARY_SUFFIX}"
    try:
        with storage.writing(path):
            with tf.io.TFRecordWriter(temporary) as writer:
                for _ in range(file.pictures):
                    writer.write(next(samples))
            with open(temporary, "rb+") as written:
                os.fsync(written.fileno())
            operating_system.replace(temporary, path)
    finally:
        with contextlib.suppress(OSError):
            Path(temporary).unlink(missing_ok=True)
    folder.record_finished(file)
