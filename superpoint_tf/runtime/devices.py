"""Which devices TensorFlow computes on, in words, and why a GPU of the machine is not among them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from superpoint_tf.runtime.hardware import multiplies_bfloat16
from superpoint_tf.runtime.operating_system import count_cores

_VISIBLE = "CUDA_VISIBLE_DEVICES"
_NONE = ("", "-1", "NoDevFiles")  # values that hide every GPU
_DRIVER = Path("/proc/driver/nvidia/gpus")  # a folder a GPU, on Linux
_TELLING = re.compile(r"cannot dlopen|could not load|dlerror|failed call to cuinit|CUDA_ERROR|Cannot register", re.I)
_ASK = "import tensorflow as tf; tf.config.list_physical_devices('GPU')"
_TIMEOUT_S = 60


class MissingDevice(ValueError):
    """A GPU that was asked for and that TensorFlow does not see; the message says why."""


def describe_devices() -> str:
    """Return what TensorFlow computes on, `cpu, 2 threads` or `GPU 0: NVIDIA H100, 80 GB`; starts nothing on it."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        threads = tf.config.threading.get_intra_op_parallelism_threads() or _num_threads()
        units = ", with bfloat16 units" if multiplies_bfloat16() else ""
        return f"cpu, {threads} thread{'s' * (threads > 1)}{units}"
    memories = dict(_query_gpus())
    names = [str(tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)) for gpu in gpus]
    return "; ".join(f"GPU {number}: {name}{memories.get(name, '')}" for number, name in enumerate(names))


def check_devices(environment: Mapping[str, str] = os.environ) -> str:
    """Return why TensorFlow does not see the GPUs of this machine; nothing where it does, or where there is none.

    Raises MissingDevice if CUDA_VISIBLE_DEVICES asks for more than it sees. One that hides all is obeyed in silence.
    """
    import tensorflow as tf

    asked, seen = environment.get(_VISIBLE), len(tf.config.list_physical_devices("GPU"))
    if asked is not None and asked.strip() in _NONE:
        return ""
    wanted = len(asked.split(",")) if asked else 0
    if wanted > seen:
        sees = f"TensorFlow sees {seen}" if seen else f"TensorFlow sees none: {reason_without_gpu()}"
        raise MissingDevice(f"{_VISIBLE}={asked} asks for {wanted} GPU{'s' * (wanted > 1)}, {sees}; -1 means the CPU")
    return reason_without_gpu() if not seen and gpus_of_machine() else ""


def gpus_of_machine() -> list[str]:
    """Return the NVIDIA GPUs that the driver knows, whether or not TensorFlow can use them."""
    if names := [name for name, _ in _query_gpus()]:
        return names
    return [folder.name for folder in sorted(_DRIVER.iterdir())] if _DRIVER.is_dir() else []


def reason_without_gpu() -> str:
    """Return why TensorFlow sees no GPU, in its own words: another process asks, as this one was told to be quiet."""
    import tensorflow as tf

    if not gpus_of_machine():
        return "no NVIDIA driver with a GPU is in this machine"
    if not tf.test.is_built_with_cuda():
        return "this TensorFlow is built without CUDA; pip install 'tensorflow[and-cuda]' has it"
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "0"}
    try:
        asked = _run([sys.executable, "-c", _ASK], env=environment)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"it could not be asked ({error})"
    telling = [line.rpartition("] ")[2].strip() for line in asked.stderr.splitlines() if _TELLING.search(line)]
    return telling[-1] if telling else "it does not say why; TF_CPP_MIN_LOG_LEVEL=0 shows all it has to say"


def _query_gpus() -> list[tuple[str, str]]:
    """Return the name of each GPU, and `, 80 GB`, as nvidia-smi has them; none where it is not installed or fails."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return []
    query = [program, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
    try:
        lines = _run(query).stdout.splitlines()
    except (OSError, subprocess.SubprocessError):
        return []
    rows = [line.rpartition(",") for line in lines if "," in line]
    return [(name.strip(), _gigabytes(mebibytes.strip())) for name, _, mebibytes in rows]


def _run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False, **options)


def _gigabytes(mebibytes: str) -> str:
    return f", {round(int(mebibytes) * 2**20 / 1e9)} GB" if mebibytes.isdigit() else ""


def _num_threads() -> int:
    """Return how many threads TensorFlow takes by itself: the cores that this process may use."""
    given = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if given.isdigit() and int(given):
        return int(given)
    return count_cores()
