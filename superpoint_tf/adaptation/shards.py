"""Several processes that label one folder: their manifests are merged by shard 0, the others wait for it."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable

from superpoint_tf.data.labels.labels import (
    LabelManifest,
    Part,
    add_digests,
    count_labels,
    read_manifest,
    write_manifest,
)
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Console
from superpoint_tf.runtime.waiting import wait_for


def merge_shards(output: str, shard: tuple[int, int], part: LabelManifest, console: Console) -> LabelManifest:
    """Write this shard's manifest; as shard 0 wait for the others and write the whole, else wait for the whole."""
    index, count = shard
    parts = [Part(part.final_round, each, count) for each in range(count)]
    if count > 1:
        write_manifest(output, part, parts[index])
    if index > 0:
        _wait(lambda: _has_round(output, part.final_round), f"shard 0 to merge round {part.final_round}", console)
        return read_manifest(output)
    for other in parts[1:]:
        finished = functools.partial(_is_finished, output, other, part)
        _wait(finished, f"shard {other.shard}/{count} to finish round {part.final_round}", console)
    merged = _merge([part, *(read_manifest(output, other) for other in parts[1:])])
    if not _has_round(output, merged.final_round + 1):  # a restart passes through rounds that are done
        write_manifest(output, merged)
    return merged


def _merge(parts: list[LabelManifest]) -> LabelManifest:
    """Return the manifest of all chunks, of which shard i of n has every nth from chunk i on."""
    counts = [part.counts for part in parts]
    chunks = [0] * sum(len(part.chunks) for part in parts)
    for index, part in enumerate(parts):
        chunks[index :: len(parts)] = part.chunks
    return dataclasses.replace(
        parts[0],
        counts=count_labels(
            sum(chunks),
            sum(each["keypoints"] for each in counts),
            add_digests(each["labels_sha256"] for each in counts),
            [item for each in counts for item in each["left_out"]],
            sum(each["num_left_out"] for each in counts),
        ),
        chunks=tuple(chunks),
    )


def _is_finished(output: str, other: Part, part: LabelManifest) -> bool:
    """Tell whether another shard has labelled this round with the same detector (not in an earlier run)."""
    with contextlib.suppress(FileNotFoundError):
        return bool(read_manifest(output, other).detector["sha256"] == part.detector["sha256"])
    return False


def _has_round(output: str, round: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return read_manifest(output).final_round >= round
    return False


def wait_for_file(path: str, whom: str, console: Console) -> None:
    """Wait until a file is there; say for whom."""
    _wait(lambda: storage.exists(path), whom, console)


def _wait(condition: Callable[[], bool], whom: str, console: Console) -> None:
    with StopRequest() as stop:
        wait_for(condition, lambda: whom, console, "adapt", stop)
