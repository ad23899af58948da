"""Which machine and versions measured: whatever a reader needs to compare figures."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
from typing import Any

import superpoint_tf
from superpoint_tf.runtime.hardware import cpu_name, multiplies_bfloat16
from superpoint_tf.runtime.workers import resolve_workers

_PACKAGES = {"numpy": "numpy", "tensorflow": "tensorflow", "opencv": "opencv-python", "imgaug": "imgaug"}


def describe_machine() -> dict[str, Any]:
    """Return device, cores, load and versions as JSON values; starts TensorFlow."""
    import tensorflow as tf

    devices = tf.config.list_physical_devices("GPU")
    gpus = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in devices]
    return {
        "device": gpus[0] if gpus else cpu_name(),
        "cpu": cpu_name(),
        "bfloat16_units": multiplies_bfloat16(),
        "cores": resolve_workers(-1),
        "gpus": gpus,
        "tf32": bool(gpus) and tf.config.experimental.tensor_float_32_execution_enabled(),
        "load_average": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,  # others at work disturb figures
        "system": platform.platform(terse=True),
        "environment": {key: value for key, value in os.environ.items() if key in _THREADS},
        "date": datetime.date.today().isoformat(),
        "versions": _versions(),
    }


_THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "TF_ENABLE_ONEDNN_OPTS")


def _versions() -> dict[str, str | None]:
    versions: dict[str, str | None] = {
        "superpoint_tf": superpoint_tf.__version__,
        "python": platform.python_version(),
    }
    for name, package in _PACKAGES.items():
        try:
            versions[name] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # OpenCV comes under several names
            versions[name] = None
    return versions
