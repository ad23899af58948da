"""Features on disk: HDF5 with a group an image, the layout of hloc.

A group holds `keypoints` float32 (N, 2) xy, `scores` float32 (N,), `descriptors` (D, N) if the method describes, and
`image_size` (width, height) of the picture whose pixels the keypoints are. Descriptors are floats; uint8 means bit
strings, eight bits a byte. `sizes` and `angles_deg` float32 (N,), if the detector finds them, are ours: hloc reads past
them.
"""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from superpoint_tf.features.features import Features

_FRAMES = ("sizes", "angles_deg")  # fields of Features that go by their own names
_DATASETS = ("keypoints", "scores", "keypoint_scores", "descriptors", "image_size", *_FRAMES)
_MAX_BYTES = 2**30  # of one array: a file of a kilobyte may claim a terabyte of zeros, never written
INSIDE_DAMAGE = (OSError, RuntimeError, KeyError)  # what h5py raises for a file that opens and is broken within


def open_features(path: str | Path, mode: str = "r") -> h5py.File:
    """Open a feature file for reading (`r`) or for adding to it (`a`).

    Raises FileNotFoundError, or ValueError naming a file that another process is writing, or one that is damaged.
    """
    if mode == "r" and not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file; expected features in HDF5")
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    try:
        return h5py.File(path, mode)
    except BlockingIOError as error:
        raise ValueError(f"{path}: another process is writing it; wait for it or choose another folder") from error
    except OSError as error:
        # a disk without locks, a full one and many others fail too: only what the content itself shows is damage
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        if not full and Path(path).is_file() and ("truncated file" in str(error) or not h5py.is_hdf5(path)):
            raise DamagedFeatures(f"{path}: damaged or not HDF5 ({error}); delete it and extract again") from error
        raise OSError(error.errno, f"{path}: cannot be opened ({error})") from error


class DamagedFeatures(ValueError):
    """A feature file that cannot be read, as a killed writer may leave it; the message names it."""


def write_features(
    parent: h5py.Group, name: str, features: Features, image_shape: tuple[int, int], **extra: np.ndarray
) -> h5py.Group:
    """Write the features of one picture of (height, width) as a group, in place of an earlier one; return it.

    `extra` arrays are stored beside the standard ones.
    """
    if name in parent:
        del parent[name]
    group = parent.create_group(name)
    group["keypoints"] = np.asarray(features.keypoints, np.float32)
    group["scores"] = np.asarray(features.scores, np.float32)
    group["image_size"] = np.array(image_shape[::-1], np.int32)
    if features.descriptors is not None:
        group["descriptors"] = np.ascontiguousarray(features.descriptors.T)
    for field in _FRAMES:
        if (values := getattr(features, field)) is not None:
            group[field] = np.asarray(values, np.float32)
    for key, value in extra.items():
        group[key] = value
    return group


def read_features(parent: h5py.Group, name: str) -> tuple[Features, tuple[int, int] | None]:
    """Return the features of a picture, in the order of the file, and its (height, width) if the file says.

    Files of other programs are read too: half precision becomes float32, `keypoint_scores` are scores, and without any
    the order in the file is the ranking. Raises ValueError naming the file, the picture and what is wrong: no such
    picture, arrays that do not fit each other or of absurd size, values that are not finite, damage.
    """
    where = f"{parent.file.filename}: {name}"
    try:
        group = parent.get(name)
        there = isinstance(group, h5py.Group) and "keypoints" in group
        arrays = {key: _read_array(group[key], f"{where}/{key}") for key in _DATASETS if key in group} if there else {}
    except INSIDE_DAMAGE as error:
        raise damaged(where, error) from error
    if not there:
        raise ValueError(f"{where}: no features of this picture in the file")
    count = len(arrays["keypoints"])
    scores = arrays.get("scores", arrays.get("keypoint_scores", np.arange(count, 0, -1)))
    descriptors = arrays.get("descriptors")
    if descriptors is not None and (descriptors.ndim != 2 or descriptors.shape[1] != count):
        shapes = f"descriptors have shape {descriptors.shape} for {count} keypoints"
        raise ValueError(f"{where}: {shapes}; expected (D, {count}), a column a keypoint")
    features = check_features(arrays["keypoints"], scores, None if descriptors is None else descriptors.T, where)
    frames = {field: _check_frames(arrays[field], count, f"{where}/{field}") for field in _FRAMES if field in arrays}
    features = features._replace(**frames)
    size = arrays.get("image_size")
    if size is not None and (size.shape != (2,) or not (size > 0).all()):
        raise ValueError(f"{where}: image_size is {size.tolist()}; expected (width, height) in pixels")
    return features, None if size is None else (int(size[1]), int(size[0]))


def _check_frames(values: np.ndarray, count: int, where: str) -> np.ndarray:
    if values.shape != (count,) or not np.isfinite(values).all():
        raise ValueError(f"{where}: has shape {values.shape} or is not finite; expected ({count},), one a keypoint")
    return values.astype(np.float32)


def _read_array(item: Any, where: str) -> np.ndarray:
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiu":
        raise ValueError(f"{where}: not an array of numbers; extract again")
    if item.nbytes > _MAX_BYTES:
        raise ValueError(f"{where}: claims {item.shape} numbers, more than any picture has; extract again")
    return np.asarray(item)


def damaged(where: str, error: Exception) -> DamagedFeatures:
    """Return the error for a place in a file that cannot be read or written."""
    return DamagedFeatures(f"{where}: damaged ({type(error).__name__}: {error}); delete the file and extract again")


def check_features(keypoints: Any, scores: Any, descriptors: Any, where: str) -> Features:
    """Return arrays from outside as Features; raises ValueError, beginning with `where`, for what does not fit.

    keypoints (N, 2), scores (N,), descriptors (N, D) or None: uint8 stays, any float becomes float32. Order is kept.
    """
    try:
        keypoints, scores = np.asarray(keypoints, np.float32), np.asarray(scores, np.float32)
        descriptors = None if descriptors is None else np.asarray(descriptors)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: not arrays of numbers in main memory ({error})") from error
    if keypoints.size == 0:
        keypoints = keypoints.reshape(0, 2)
    if keypoints.ndim != 2 or keypoints.shape[1] != 2:
        raise ValueError(f"{where}: keypoints have shape {keypoints.shape}; expected (N, 2), xy in pixels")
    if scores.shape != (len(keypoints),):
        raise ValueError(f"{where}: scores have shape {scores.shape} for {len(keypoints)} keypoints; expected one each")
    if not (np.isfinite(keypoints).all() and np.isfinite(scores).all()):
        raise ValueError(f"{where}: keypoints or scores hold NaN or infinity")
    if descriptors is None:
        return Features(keypoints, scores)
    if descriptors.size == 0 and not len(keypoints):
        descriptors = descriptors.reshape(0, descriptors.shape[-1] if descriptors.ndim == 2 else 0)
    if descriptors.ndim != 2 or len(descriptors) != len(keypoints):
        expected = f"expected ({len(keypoints)}, D), one a keypoint"
        raise ValueError(f"{where}: descriptors have shape {descriptors.shape}; {expected}")
    if descriptors.dtype != np.uint8:
        descriptors = descriptors.astype(np.float32)
    return Features(keypoints, scores, descriptors)


def in_frame(keypoints: np.ndarray, image_shape: tuple[int, ...]) -> np.ndarray:
    """Tell which keypoints (N, 2) lie on a pixel of a picture (height, width)."""
    height, width = image_shape[:2]
    inside: np.ndarray = ((keypoints >= -0.5) & (keypoints < (width - 0.5, height - 0.5))).all(axis=1)
    return inside
