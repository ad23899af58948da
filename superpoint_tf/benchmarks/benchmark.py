"""One run of `tools/benchmark.py`: limits, then the entries of each benchmark, to the console and to a file."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any

from superpoint_tf.benchmarks.adaptation import benchmark_adaptation
from superpoint_tf.benchmarks.entries import FORMAT, Entry, format_entries, format_number
from superpoint_tf.benchmarks.extract import benchmark_extract
from superpoint_tf.benchmarks.gpu import benchmark_gpu
from superpoint_tf.benchmarks.labels import benchmark_labels
from superpoint_tf.benchmarks.limits import Limits, measure_limits
from superpoint_tf.benchmarks.loss import benchmark_loss
from superpoint_tf.benchmarks.machine import describe_machine
from superpoint_tf.benchmarks.network import benchmark_network
from superpoint_tf.benchmarks.peak_memory import peak_resident_bytes
from superpoint_tf.benchmarks.pipeline import benchmark_pipeline
from superpoint_tf.benchmarks.settings import Settings
from superpoint_tf.benchmarks.synthetic import benchmark_synthetic
from superpoint_tf.config.config_files import config_to_dict
from superpoint_tf.evaluation.results import without_nan
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console, format_duration

Benchmark = Callable[[Settings, Limits], Iterator[Entry]]
BENCHMARKS: dict[str, Benchmark] = {
    "synthetic": benchmark_synthetic,
    "pipeline": benchmark_pipeline,
    "network": benchmark_network,
    "loss": benchmark_loss,
    "adaptation": benchmark_adaptation,
    "extract": benchmark_extract,
    "gpu": benchmark_gpu,
    "labels": benchmark_labels,
}

_SAY_EVERY_S = 15.0


def run_benchmarks(names: Sequence[str], settings: Settings, output: str, command: str, console: Console) -> None:
    """Run benchmarks by name; print a table and write the JSON file after each, so that a stopped run leaves some."""
    peak_resident_bytes()  # an error now, where a system does not tell it, not after the first figures
    _quiet_retracing()
    machine = describe_machine()
    settings = replace(settings, on_gpu=bool(machine["gpus"]))
    console.line("bench", f"{machine['device']} | {machine['cores']} cores | load {machine['load_average']:.2f}")
    report: dict[str, Any] = {
        "format": FORMAT,
        "command": command,
        **machine,
        "settings": {"repeats": settings.repeats, "quick": settings.quick, "config": config_to_dict(settings.config)},
        "benchmarks": {},
    }
    for name in names:
        report["benchmarks"][name] = _run(name, settings, console)
        storage.write_json(output, without_nan(report))
    missed = [
        entry["name"].strip()
        for result in report["benchmarks"].values()
        for entry in result["entries"]
        if entry["met"] is False
    ]
    console.line("bench", f"marks missed: {'; '.join(missed) or 'none'}")
    console.line("bench", f"every repeat is in {output}")


def _quiet_retracing() -> None:
    """Keep TensorFlow from warning that one piece of code makes many graphs: here each case wants its own."""
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")


def _run(name: str, settings: Settings, console: Console) -> dict[str, Any]:
    began = time.monotonic()
    limits = measure_limits(settings.quick)  # anew each time: a processor's clock drifts
    entries, said = [], began
    for entry in BENCHMARKS[name](settings, limits):
        entries.append(entry)
        if time.monotonic() - said > _SAY_EVERY_S:
            said = time.monotonic()
            console.line("bench", f"{name} | {len(entries)} figures | {entry.name.strip()}")
    seconds = time.monotonic() - began
    console.line("bench", f"{name} | {_format_limits(limits)} | {format_duration(seconds)}")
    print(format_entries(entries) + "\n", flush=True)
    return {"seconds": seconds, "limits": asdict(limits), "entries": [entry.as_json() for entry in entries]}


def _format_limits(limits: Limits) -> str:
    text = f"matmul {format_number(limits.matmul_flops / 1e9)} GFLOP/s | copy {limits.copy_bytes / 1e9:.1f} GB/s"
    if limits.device_copy_bytes != limits.copy_bytes:
        text += f" | device copy {limits.device_copy_bytes / 1e9:.0f} GB/s"
    return text
