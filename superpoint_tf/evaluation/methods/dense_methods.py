"""What can describe every place of a picture, by name: SIFT and DAISY on a grid, a blind control, weights of ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from skimage.feature import daisy as daisy_descriptors

from superpoint_tf.evaluation.methods.controls import RANDOM_DIM, generator_of
from superpoint_tf.evaluation.methods.dense_method import DenseMethod, Describe
from superpoint_tf.evaluation.methods.methods import check_names, split_existing
from superpoint_tf.evaluation.pck_metrics import DescriptorMap

STRIDE_PX = 4  # of the classical grids
SIFT_DIAMETER_PX = 8.0  # of a keypoint; its descriptor sees six times as much
DAISY_RADIUS_PX = 15
_OFFSET_PX = STRIDE_PX // 2


def dense_sift(image: np.ndarray) -> DescriptorMap:
    """Return upright SIFT of one size, every fourth pixel, of unit length."""
    height, width = image.shape
    rows, columns = (max((side - _OFFSET_PX - 1) // STRIDE_PX + 1, 1) for side in (height, width))
    grid = [
        cv2.KeyPoint(float(_OFFSET_PX + STRIDE_PX * j), float(_OFFSET_PX + STRIDE_PX * i), SIFT_DIAMETER_PX, 0)
        for i in range(rows)
        for j in range(columns)
    ]
    found = cv2.SIFT.create().compute(image, grid)[1].reshape(rows, columns, -1)
    return _map(found)


def dense_root_sift(image: np.ndarray) -> DescriptorMap:
    """Return the square roots of L1-normalised SIFT (Arandjelovic and Zisserman, 2012), every fourth pixel."""
    return _map(np.sqrt(np.maximum(dense_sift(image).descriptors, 0.0)))


def daisy(image: np.ndarray) -> DescriptorMap:
    """Return DAISY (Tola et al. 2010; scikit-image's, radius 15 px), every fourth pixel; beyond the edge reflected."""
    last = tuple(_OFFSET_PX + (max(side - _OFFSET_PX - 1, 0) // STRIDE_PX) * STRIDE_PX for side in image.shape)
    after = [max(end - side + 1, 0) + DAISY_RADIUS_PX for end, side in zip(last, image.shape, strict=True)]
    padded = np.pad(image, [(DAISY_RADIUS_PX, end) for end in after], "symmetric")
    around = padded[_OFFSET_PX:, _OFFSET_PX:]
    rows, columns = ((end - _OFFSET_PX) // STRIDE_PX + 1 for end in last)
    found = daisy_descriptors(around / 255.0, step=STRIDE_PX, radius=DAISY_RADIUS_PX, normalization="l2")
    return _map(found[:rows, :columns])


def position(image: np.ndarray) -> DescriptorMap:
    """Return each place as its own descriptor: every point is put where it was."""
    empty = DescriptorMap(np.zeros((*_grid_shape(image), 1), np.float32), STRIDE_PX, _OFFSET_PX)
    return empty._replace(descriptors=empty.places.reshape(*_grid_shape(image), 2).astype(np.float32))


def random_vectors(image: np.ndarray) -> DescriptorMap:
    """Return random unit vectors, seeded by the picture's content."""
    generator = generator_of(np.ascontiguousarray(image).tobytes())
    return _map(generator.standard_normal((*_grid_shape(image), RANDOM_DIM), np.float32))


def _grid_shape(image: np.ndarray) -> tuple[int, int]:
    rows, columns = (max((side - _OFFSET_PX - 1) // STRIDE_PX + 1, 1) for side in image.shape)
    return rows, columns


def _map(descriptors: np.ndarray) -> DescriptorMap:
    lengths = np.linalg.norm(descriptors, axis=-1, keepdims=True)
    unit = (descriptors / np.maximum(lengths, 1e-12)).astype(np.float32)
    return DescriptorMap(unit, STRIDE_PX, _OFFSET_PX)


CLASSICAL: dict[str, Describe] = {"SIFT": dense_sift, "RootSIFT": dense_root_sift, "DAISY": daisy}
CONTROLS: dict[str, Describe] = {"random (control)": random_vectors, "position (control)": position}
GROUPS = {"classical": tuple(CLASSICAL), "controls": tuple(CONTROLS)}


def load_dense_methods(names: Sequence[str]) -> list[DenseMethod]:
    """Return methods by what `--methods` names: `classical`, `controls`, one of either, WHAT or `ROW NAME=WHAT`.

    WHAT is weights of a network that gives a map of descriptors (a file, run folder, checkpoint or shipped name), or
    `config.yaml`, that network untrained. Raises ValueError that names what cannot be used.
    """
    methods = [_load(part) for given in names for part in GROUPS.get(given, (given,))]
    check_names(methods)
    return methods


def _load(given: str) -> DenseMethod:
    built_in = CLASSICAL | CONTROLS
    if given in built_in:
        kind = "classical" if given in CLASSICAL else "control"
        identity: dict[str, Any] = {"kind": kind, "opencv": cv2.__version__, "stride_px": STRIDE_PX}
        return DenseMethod(given, identity, built_in[given])
    name, what = split_existing(given, [*GROUPS, *built_in], "weights or config.yaml")
    from superpoint_tf.evaluation.methods.dense_networks import load_dense_network  # TensorFlow: only where asked for

    return load_dense_network(name, what)
