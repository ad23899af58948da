"""Making the synthetic sets: say what it costs, show what is drawn, write the files."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import cv2

from superpoint_tf.cluster.cluster import Cluster
from superpoint_tf.config import Config
from superpoint_tf.data.shapes.record_folder import CONTACT_SHEET, RecordFile, RecordFolder
from superpoint_tf.data.shapes.synthetic_sets import (
    SPLITS,
    drawn_primitives,
    encode_samples,
    split_size,
    synthetic_sample,
)
from superpoint_tf.drawing.layout import contact_sheet, panel_scale
from superpoint_tf.drawing.visualization import draw_keypoints, save_png
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.progress import FROM_SCRATCH, Console, Progress, announce_cost, format_bytes
from superpoint_tf.runtime.quiet import import_tensorflow
from superpoint_tf.runtime.waiting import wait_for
from superpoint_tf.runtime.workers import resolve_workers

_TIMED_PICTURES = 20
_SHEET_COLUMNS = 6
_SHEET_PICTURE_WIDTH_PX = 320


def generate_synthetic_sets(
    config: Config,
    shard: tuple[int, int] = (0, 1),
    overwrite: bool = False,
    console: Console | None = None,
    stop: StopRequest | None = None,
    cluster: Cluster | None = None,
) -> None:
    """Write train, validation and test sets of synthetic shapes and a contact sheet to `synthetic.root`.

    Shard (i, n) writes every n-th file; shard 0 then waits for the others and writes the manifest. On a `cluster` its
    workers write the files. Finished files are skipped. Raises RecordFolderError if the folder was made with other
    settings, Interrupted when `stop` asks for it.
    """
    console = console or Console()
    folder = RecordFolder(config.synthetic.root, config)
    folder.prepare(shard, overwrite)
    own = folder.files[shard[0] :: shard[1]]
    todo = folder.unfinished(own)
    processes = resolve_workers(config.workers) if cluster is None else cluster.capacity
    _announce(config, folder, shard, todo, console, processes)
    sheet = storage.join(folder.root, CONTACT_SHEET)
    if shard[0] == 0 and (todo or not storage.exists(sheet)):
        save_contact_sheet(config, sheet)  # before the long work: wrong labels show here
        console.line("data", f"look at {sheet}")
    if todo:
        import_tensorflow()  # only now, after the plan was shown
        from superpoint_tf.data.shapes.record_writer import write_record_files, write_records_on_cluster

        total, rest = (sum(file.pictures for file in files) for files in (own, todo))
        with Progress(total, "data", "pictures", initial=total - rest, console=console) as progress:
            if cluster is None:
                write_record_files(folder, todo, config, progress, stop)
            else:
                write_records_on_cluster(folder, todo, config, cluster, progress, stop)
    if shard[0] == 0:
        _wait_for_shards(folder, shard[1], console, stop or StopRequest())
        folder.write_manifest()
    written = sum(Path(folder.path(file)).stat().st_size for file in own)
    console.line("data", f"{folder.root}: {len(own)} files, {format_bytes(written)} | labels to look at: {sheet}")


def _announce(
    config: Config,
    folder: RecordFolder,
    shard: tuple[int, int],
    todo: Sequence[RecordFile],
    console: Console,
    processes: int,
) -> None:
    """Print the plan line, and what it will cost after timing a few pictures."""
    sizes = ", ".join(f"{split} {split_size(config, split)}" for split in SPLITS)
    height, width = config.synthetic.draw.image_shape
    part = f" | shard {shard[0]}/{shard[1]} of {len(folder.files)} files" if shard[1] > 1 else ""
    console.line("data", f"{sizes} pictures, {height}x{width} | seed {config.seed} | workers {processes}{part}")
    if not todo:
        console.line("data", "every file is there and sound: nothing to draw")
        return
    seconds, size = _measure(config)
    rest = sum(file.pictures for file in todo)
    console.quick_command = f"{how_to_run('generate_synthetic')} --config {FROM_SCRATCH}"
    announce_cost(console, rest * seconds / max(processes, 1), rest * size)


def _wait_for_shards(folder: RecordFolder, shards: int, console: Console, stop: StopRequest) -> None:
    def whom() -> str:
        missing = folder.missing()
        waiting = sorted({folder.files.index(file) % shards for file in missing})
        names = ", ".join(f"{shard}/{shards}" for shard in waiting)
        return f"{len(missing)} files of shard {names} in {folder.root}"

    wait_for(lambda: not folder.missing(), whom, console, "data", stop, "; finished files are kept")


def _measure(config: Config) -> tuple[float, float]:
    """Return seconds and bytes a picture, on one core, as a process of several draws."""
    encode_samples(config, ("train", 0, 1))  # the first one loads libraries
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    start = time.perf_counter()
    encoded = encode_samples(config, ("train", 0, _TIMED_PICTURES))
    seconds = time.perf_counter() - start
    cv2.setNumThreads(threads)
    return seconds / _TIMED_PICTURES, sum(map(len, encoded)) / _TIMED_PICTURES


def save_contact_sheet(config: Config, path: str) -> None:
    """Draw the first validation pictures with their keypoints, a row a primitive."""
    primitives = drawn_primitives(config.synthetic.draw)
    scale = panel_scale(config.synthetic.draw.image_shape, _SHEET_PICTURE_WIDTH_PX)
    rows = []
    for position in range(len(primitives)):
        indices = range(position, position + _SHEET_COLUMNS * len(primitives), len(primitives))
        samples = [synthetic_sample(config, "validation", index) for index in indices]
        rows.append([draw_keypoints(image, keypoints, scale=scale) for image, keypoints, _ in samples])
    save_png(path, contact_sheet(rows, primitives))
