"""Planning the labelling of made-up photographs, a thousand to a million: listed, hashed, held out and put in chunks.

What is planned are real files of 15 bytes, each a picture of its own. Each number is planned in a process of its own.
Run as a module it is that process: python -m superpoint_tf.benchmarks.labels PHOTOGRAPHS LABELS
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from superpoint_tf.benchmarks.entries import Entry, Mark, rate_entry
from superpoint_tf.benchmarks.limits import Limits
from superpoint_tf.benchmarks.peak_memory import peak_resident_bytes
from superpoint_tf.benchmarks.settings import Settings
from superpoint_tf.benchmarks.timing import measure
from superpoint_tf.config import PhotographsSection
from superpoint_tf.data.labels.label_sets import LabelChunks
from superpoint_tf.data.labels.photograph_chunks import PhotographChunks, chunk_size, list_sha256
from superpoint_tf.data.photographs.photograph_sets import passed_over_beside, stream_photographs
from superpoint_tf.data.sources import index_of_sample

_NUMBERS, _QUICK_NUMBERS = (10**3, 10**4, 10**5, 10**6), (10**2, 10**3)
_IN_A_FOLDER = 1000
_MOST_SECONDS, _MOST_MEGABYTES = 60.0, 500.0  # for the largest number
_MOST_GROWTH = 1.25  # of the cost a photograph, from the smallest to the largest number
_SAMPLED, _SAMPLES = 10**8, 1000  # labels that samples are drawn of, and how many at once


def benchmark_labels(settings: Settings, limits: Limits) -> Iterator[Entry]:
    """Measure planning, and finding the label of a training sample among 10^8."""
    numbers = _QUICK_NUMBERS if settings.quick else _NUMBERS
    costs: dict[int, float] = {}
    for number in numbers:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            make_photographs(f"{folder}/photographs", number)
            figures = _plan_in_a_process(f"{folder}/photographs", f"{folder}/labels")
        last = number == numbers[-1]
        costs[number] = figures["cpu_s"] / number
        name, seconds, peak = f"plan {number:,} photographs", figures["wall_s"], figures["peak_bytes"]
        mark = Mark("value", at_most=_MOST_SECONDS) if last else None
        note = f"{1e6 * costs[number]:.0f} us of processor time a photograph"
        yield Entry(name, seconds, "s", mark=mark, peak_bytes=peak, note=note, details=figures)
    memory = figures["peak_bytes"] / 1e6
    yield Entry("  memory for the last", memory, "MB", mark=Mark("value", at_most=_MOST_MEGABYTES))
    growth = costs[numbers[-1]] / costs[numbers[0]]
    yield Entry("  its cost a photograph / the first's", growth, "", mark=Mark("value", at_most=_MOST_GROWTH))
    yield _sampling_entry(settings)


def make_photographs(root: str, number: int) -> None:
    """Write that many pictures of 2x2 pixels, no two alike, a thousand a folder."""
    for first in range(0, number, _IN_A_FOLDER):
        folder = Path(root) / f"{first // _IN_A_FOLDER:06d}"
        folder.mkdir(parents=True)
        for each in range(first, min(first + _IN_A_FOLDER, number)):
            (folder / f"{each:09d}.pgm").write_bytes(b"P5 2 2 255\n" + each.to_bytes(4, "big"))


def plan(photographs: str, labels: str) -> dict[str, float]:
    """Do what `homographic_adapt` does before it labels; return the seconds, and the peak memory of this process."""
    before, wall, processor = peak_resident_bytes(), time.perf_counter(), time.process_time()
    found = stream_photographs(PhotographsSection(), photographs).with_readable_validation()
    passed_over_beside(found)
    total = len(found.train)
    sha256 = list_sha256(found.train, found.validation)
    PhotographChunks(labels, total, chunk_size(total, 0)).write(found.train, found.validation, sha256)
    return {
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - processor,
        "peak_bytes": peak_resident_bytes(),
        "peak_bytes_before": before,
        "held_out": len(found.validation),
        "chunks": len(os.listdir(f"{labels}/photographs")),
    }


def _plan_in_a_process(photographs: str, labels: str) -> dict[str, Any]:
    command = [sys.executable, "-m", __name__, photographs, labels]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ValueError(f"planning {photographs} failed: {(done.stderr.strip().splitlines() or ['no message'])[-1]}")
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def _sampling_entry(settings: Settings) -> Entry:
    """Return how many samples a second are drawn of a label folder of 10^8 photographs, before anything is read."""
    size = chunk_size(_SAMPLED, 0)
    labels = LabelChunks("labels", 1, [size] * (_SAMPLED // size))
    numbers = iter(range(2**40))

    def draw() -> None:
        for _ in range(_SAMPLES):
            labels.place(index_of_sample(0, next(numbers), len(labels)))

    return rate_entry(f"samples of {len(labels):,} labels", measure(draw, settings.repeats), _SAMPLES, "sample/s")


if __name__ == "__main__":
    print(json.dumps(plan(*sys.argv[1:])))
