"""What is said of the devices that TensorFlow has, and of those it does not have."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from superpoint_tf.runtime import devices
from superpoint_tf.runtime.devices import MissingDevice, check_devices, describe_devices
from superpoint_tf.training.replicas import build_local_replicas

SMI = """#!/bin/sh
echo "NVIDIA H100 80GB HBM3, 81559"
"""


@pytest.fixture
def without_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without any GPU, whatever this one has."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(devices, "_DRIVER", tmp_path / "absent")
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [] if kind == "GPU" else [FakeDevice("CPU")])


@pytest.fixture
def driver(without_gpu: None, tmp_path: Path) -> None:
    """The driver's program, which knows one GPU."""
    (tmp_path / "nvidia-smi").write_text(SMI)
    (tmp_path / "nvidia-smi").chmod(0o755)


class FakeDevice:
    def __init__(self, device_type: str) -> None:
        self.device_type, self.name = device_type, f"/physical_device:{device_type}:0"


@pytest.mark.parametrize(("units", "words"), [(True, "cpu, 3 threads, with bfloat16 units"), (False, "cpu, 3 threads")])
def test_a_cpu_is_named_with_its_threads(without_gpu: None, monkeypatch: pytest.MonkeyPatch, units: bool, words: str):
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    monkeypatch.setattr(tf.config.threading, "get_intra_op_parallelism_threads", lambda: 0)
    monkeypatch.setattr(devices, "multiplies_bfloat16", lambda: units)
    assert describe_devices() == words


def test_a_gpu_is_named_with_its_memory(driver: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [FakeDevice(kind)])
    details = {"device_name": "NVIDIA H100 80GB HBM3"}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    assert describe_devices() == "GPU 0: NVIDIA H100 80GB HBM3, 86 GB"
    assert check_devices({}) == ""


@pytest.mark.parametrize("environment", [{}, {"CUDA_VISIBLE_DEVICES": ""}, {"CUDA_VISIBLE_DEVICES": "-1"}])
def test_a_machine_without_a_gpu_has_nothing_to_be_warned_of(without_gpu: None, environment: dict[str, str]):
    assert check_devices(environment) == ""


def test_a_gpu_that_tensorflow_does_not_see_is_explained(driver: None, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: False)
    assert "built without CUDA" in check_devices({})
    assert check_devices({"CUDA_VISIBLE_DEVICES": "-1"}) == ""  # hidden on purpose
    said = "2026-01-01 12:00:00.0: W x/y.cc:2256] Cannot dlopen some GPU libraries. Please make sure ...\n"
    monkeypatch.setattr(tf.test, "is_built_with_cuda", lambda: True)
    real: Callable = devices.subprocess.run

    def answer(command: list[str], **options: object) -> object:
        found = real(command if command[0].endswith("nvidia-smi") else ["true"], **{**options, "env": None})
        found.stderr = said
        return found

    monkeypatch.setattr(devices.subprocess, "run", answer)
    monkeypatch.setenv("PATH", f"{devices.os.environ['PATH']}:/usr/bin:/bin")
    assert check_devices({}) == "Cannot dlopen some GPU libraries. Please make sure ..."


def test_a_gpu_that_the_environment_names_must_be_there(without_gpu: None):
    with pytest.raises(MissingDevice, match=r"CUDA_VISIBLE_DEVICES=0,1 asks for 2 GPUs, .* none: no NVIDIA driver"):
        check_devices({"CUDA_VISIBLE_DEVICES": "0,1"})


def test_mirrored_needs_several_devices(without_gpu: None):
    with pytest.raises(MissingDevice, match="--strategy mirrored: asks for several devices, TensorFlow sees one CPU"):
        build_local_replicas("mirrored")
