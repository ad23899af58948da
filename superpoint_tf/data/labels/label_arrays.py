"""The arrays of a label file: what each must be, whoever wrote it."""

from __future__ import annotations

import numpy as np

from superpoint_tf.data.labels.label_origin import remedy
from superpoint_tf.data.labels.label_votes import MAX_VOTES, packed_shape, unpack_votes, votes_before_format_2

LABEL_FORMAT = 2  # 1 had no `format`, `votes` and `num_votes`
_MAX_SIDE_PX = 8192  # that of `photographs.image_shape`
_KINDS = {"f": "floats", "iu": "whole numbers", "u": "unsigned whole numbers", "U": "text"}  # by NumPy's letters


class LabelError(ValueError):
    """A label file or manifest that cannot be used; the message names the file and the remedy."""


def check_arrays(path: str, arrays: dict[str, np.ndarray]) -> None:
    """Raise LabelError unless the arrays are there, of their types and shapes, and hold what a label can."""
    for name, kinds, shape in (
        ("keypoints", "f", (None, 2)),
        ("scores", "f", (None,)),
        ("image_shape", "iu", (2,)),
        ("image_to_label", "f", (3, 3)),
        ("sha256", "U", ()),
    ):
        check_array(path, arrays, name, kinds, shape)
    if len(arrays["keypoints"]) != len(arrays["scores"]):
        counts = f"{len(arrays['keypoints'])} keypoints but {len(arrays['scores'])} scores"
        raise LabelError(f"{path}: {counts}; {remedy(path)}")
    for name in ("keypoints", "scores", "image_to_label"):
        if not np.isfinite(arrays[name]).all():
            raise LabelError(f"{path}: {name} are not finite; {remedy(path)}")
    sides = arrays["image_shape"]
    if not ((sides > 0) & (sides <= _MAX_SIDE_PX)).all():
        raise LabelError(f"{path}: image_shape is {sides.tolist()}, expected 1 to {_MAX_SIDE_PX} px; {remedy(path)}")


def check_array(
    path: str,
    arrays: dict[str, np.ndarray],
    name: str,
    kinds: str,
    shape: tuple[int | None, ...],
    what: str = "a label file",
) -> None:
    """Raise LabelError unless there is such an array of one of the kinds, and of the shape; None is any number."""
    if name not in arrays:
        raise LabelError(f"{path}: not {what} ({name} missing); {remedy(path)}")
    array = arrays[name]
    fits = len(shape) == array.ndim and all(a in (None, b) for a, b in zip(shape, array.shape, strict=True))
    if not fits or array.dtype.kind not in kinds:
        expected = f"{_KINDS[kinds]} ({', '.join('N' if side is None else str(side) for side in shape)})"
        raise LabelError(f"{path}: {name} is {array.dtype} {array.shape}, expected {expected}; {remedy(path)}")


def read_votes(path: str, arrays: dict[str, np.ndarray], image_shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Return votes (H, W) and the number of homographies, for either format; raises LabelError."""
    version = arrays.get("format", np.asarray(1))
    if version.shape or version.dtype.kind not in "iu" or version not in (1, LABEL_FORMAT):
        shown = str(version)[:40]
        raise LabelError(f"{path}: label format {shown!r}, this version reads 1 and {LABEL_FORMAT}; {remedy(path)}")
    if version == 1:
        return votes_before_format_2(image_shape), 1
    check_array(path, arrays, "num_votes", "iu", ())
    check_array(path, arrays, "votes", "u", packed_shape(image_shape))
    number = int(arrays["num_votes"])
    if not 1 <= number <= MAX_VOTES:
        raise LabelError(f"{path}: num_votes is {number}, expected 1 to {MAX_VOTES}; {remedy(path)}")
    return unpack_votes(arrays["votes"], image_shape), number
