"""Memory over pictures of many sizes, and what is computed whether or not TensorFlow fuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf import SuperPoint
from superpoint_tf.models import inference

ROOT = Path(__file__).resolve().parents[2]

_GROWTH = """
import sys
from pathlib import Path
import tensorflow as tf
from superpoint_tf.models.inference import CompiledInference

def resident_mb():
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024

kernels = [tf.random.stateless_normal((3, 3, 16, 16), (0, number)) for number in range(6)]

def network(images):
    for kernel in kernels:  # fused, a convolution of each leaves some 50 kB behind when it is made again
        images = tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(images, kernel, 1, "SAME"), tf.ones(16)))
        images = tf.nn.max_pool2d(images, 2, 1, "VALID")
    return images

forward = CompiledInference(network, tf.TensorSpec((None, None, None, 16), tf.float32))
sizes = [(12 + number % 45, 12 + number // 45) for number in range(int(sys.argv[1]))]
found = []
for number, (height, width) in enumerate(sizes):
    forward(tf.zeros((1, height, width, 16)))
    if number in (len(sizes) // 2, len(sizes) - 1):
        found.append(resident_mb())
print(found[1] - found[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux")
def test_memory_is_flat_once_many_sizes_came_by():
    """1600 sizes of six convolutions: every one of the second half falls out of TensorFlow's stores."""
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", _GROWTH, "1600"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=True)
    assert float(done.stdout.split()[-1]) < 40


def test_features_are_the_same_before_and_after_many_sizes(monkeypatch: pytest.MonkeyPatch):
    model = SuperPoint.from_pretrained("superpoint-small")
    image = np.random.default_rng(0).integers(0, 256, (72, 88), dtype=np.uint8)
    fused = model.heatmap(image)
    monkeypatch.setattr(inference, "_MAX_FUSED_SIZES", 0)
    seen = []
    real = inference._without_fusing
    monkeypatch.setattr(inference, "_without_fusing", lambda: seen.append(1) or real())
    np.testing.assert_allclose(model.heatmap(image), fused, atol=1e-6)
    assert seen == [1]
    assert tf.config.optimizer.get_experimental_options().get("remapping", True)  # as it was, for other functions


def test_few_sizes_are_fused_and_many_no_more(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inference, "_seen", set())
    monkeypatch.setattr(inference, "_MAX_FUSED_SIZES", 2)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [])
    forward = inference.CompiledInference(lambda x: x + 1.0, tf.TensorSpec((None,), tf.float32))
    seen = []
    real = inference._without_fusing
    monkeypatch.setattr(inference, "_without_fusing", lambda: seen.append(1) or real())
    for count in (1, 2, 1, 2):
        assert forward(tf.zeros(count)).shape == (count,)
    assert not seen
    forward(tf.zeros(3))
    forward(tf.zeros(1))
    assert len(seen) == 2


def test_patches_are_seen_at_few_counts_and_what_fills_up_is_cut_off():
    seen = []

    def run(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        seen.append(int(first.shape[0]))
        return first + second

    run_at_few = inference.with_few_counts(run)
    for count in (0, 1, 2, 8, 33, 64, 500):
        numbers = tf.range(count, dtype=tf.float32)
        np.testing.assert_array_equal(run_at_few(numbers, numbers), 2 * np.arange(count))
    assert seen == [1, 1, 8, 8, 64, 64, 512]
