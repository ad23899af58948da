"""The benchmark of a GPU, its figures made up: order, limits of each precision, time and memory that do not do."""

from __future__ import annotations

import math

import pytest
import tensorflow as tf

from superpoint_tf.benchmarks import gpu
from superpoint_tf.benchmarks.entries import Entry
from superpoint_tf.benchmarks.limits import Limits
from superpoint_tf.benchmarks.settings import Settings
from superpoint_tf.config import Config

LIMITS = Limits(1e12, 1e10, 1e12)


def run_on_gpu() -> gpu.GpuRun:
    return gpu.GpuRun(Settings(Config(), repeats=1, on_gpu=True), LIMITS)


def test_each_precision_is_held_against_its_own_matrix_multiply(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {tf.bfloat16: 4e14, tf.float16: 3e14, tf.float32: 2e14}
    seen = []

    def matmul(side: int, repeats: int, dtype: tf.DType) -> float:
        seen.append((dtype, tf.config.experimental.tensor_float_32_execution_enabled()))
        return rates[dtype]

    monkeypatch.setattr(gpu, "measure_matmul", matmul)
    run = run_on_gpu()
    values = [entry.value for name in gpu.PRECISIONS for entry in run.peak(name)]
    assert values == [400, 200, 300, 200]
    assert seen == [(tf.bfloat16, False), (tf.float32, True), (tf.float16, False), (tf.float32, False)]
    assert run._limits["float16"].matmul_flops == 3e14 and run._limits["float16"].device_copy_bytes == 1e12


def test_the_fastest_batch_has_the_mark_and_is_that_of_the_other_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {8: 100.0, 16: 300.0, 32: 250.0, 64: 200.0, 128: math.nan}
    monkeypatch.setattr(
        gpu.GpuRun,
        "_joint_entry",
        lambda self, name, count, xla=False: Entry(f"{name} {count}", rates[count], "img/s", 600),
    )
    run = run_on_gpu()
    entries = list(run.joint_steps())
    assert [entry.name for entry in entries if entry.mark] == ["bfloat16 16"] and entries[1].met
    assert [entry.name for entry in run.joint_step("TF32")] == ["TF32 16"]


def test_a_batch_that_the_memory_does_not_hold_is_said_and_the_next_figure_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def exhausted(*_: object, **__: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "no memory")

    monkeypatch.setattr(gpu, "prepare_network", exhausted)
    run = gpu.GpuRun(Settings(Config(), repeats=1), LIMITS)  # without a GPU there are no memory figures to ask for
    entries = list(run.joint_steps())
    assert all(math.isnan(entry.value) and "memory of the device" in entry.note for entry in entries)


def test_what_there_is_no_time_for_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    groups = [lambda number=number: iter([Entry(f"figure {number}", 1.0, "img/s")]) for number in range(5)]
    monkeypatch.setattr(gpu.GpuRun, "groups", lambda self: groups)
    clock = iter([0.0, 1.0, 100.0, 221.0])
    monkeypatch.setattr(gpu.time, "monotonic", lambda: next(clock))
    entries = list(gpu.benchmark_gpu(Settings(Config(), repeats=1), LIMITS))
    assert [entry.name for entry in entries] == ["figure 0", "figure 1", "left out"]
    assert "the last 3 of 5 groups" in entries[-1].note


def test_without_a_gpu_it_is_small_and_leaves_out_what_cpus_do_not_compute() -> None:
    run = gpu.GpuRun(Settings(Config(), repeats=1), LIMITS)
    assert run._precisions == ["bfloat16", "float32"] and len(run.groups()) < len(run_on_gpu().groups())
