"""The doors to the projective transform; `test_warp.py` goes through each of them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.geometry.projective import DOOR, DOORS, transform_with_tensorflow

IMAGES = tf.random.stateless_uniform((2, 9, 11, 3), (0, 1))
TRANSFORMS = tf.constant([[0.9, 0.1, 0.4, -0.1, 1.1, 0.3, 0.001, -0.002], [1.0, 0.0, 2.5, 0.0, 1.0, -1.5, 0.0, 0.0]])


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("door", DOORS)
def test_all_doors_give_the_same_bits(door: str, interpolation: str) -> None:
    found = DOORS[door](IMAGES, TRANSFORMS, interpolation, (7, 12))
    assert found.shape == (2, 7, 12, 3)
    np.testing.assert_array_equal(found, transform_with_tensorflow(IMAGES, TRANSFORMS, interpolation, (7, 12)))


def test_a_transform_takes_output_pixels_to_input_pixels_and_zero_lies_outside() -> None:
    left_by_one = tf.constant([[1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]])
    row = tf.reshape(tf.constant([1.0, 2.0, 3.0]), (1, 1, 3, 1))
    for door in DOORS.values():
        assert door(row, left_by_one, "bilinear", (1, 3)).numpy().ravel().tolist() == [2.0, 3.0, 0.0]


def test_the_door_in_use_is_said_once_at_debug_level() -> None:
    code = (
        "import logging; logging.basicConfig(level='DEBUG', format='%(name)s %(message)s')\n"
        "from superpoint_tf.geometry import projective, warp_images"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    said = [line for line in done.stderr.splitlines() if "projective" in line]
    assert said == [f"superpoint_tf.geometry.projective projective transform by {DOOR}"]
