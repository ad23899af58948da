"""The arrays of a label file: what each must be, so that nothing damaged or foreign is taken for a label."""

from __future__ import annotations

import numpy as np

from superpoint_tf.data.labels.label_votes import MAX_VOTES, packed_shape, unpack_votes, votes_before_format_2

LABEL_FORMAT = 2  # 1 had no `format`, `votes` and `num_votes`
REMEDY = "delete it and run tools/homographic_adapt.py again"
_MAX_SIDE_PX = 8192  # that of `photographs.image_shape`
_SHAPES: dict[str, tuple[int | None, ...]] = {
    "keypoints": (None, 2),
    "scores": (None,),
    "image_shape": (2,),
    "image_to_label": (3, 3),
    "sha256": (),
}


class LabelError(ValueError):
    """A label file or manifest that cannot be used; the message names the file and the remedy."""


def check_arrays(path: str, arrays: dict[str, np.ndarray]) -> None:
    """Raise LabelError unless the arrays are there, of their types and shapes, and hold what a label can."""
    missing = [name for name in _SHAPES if name not in arrays]
    if missing:
        raise LabelError(f"{path}: not a label file ({', '.join(missing)} missing); {REMEDY}")
    for name, shape in _SHAPES.items():
        found = arrays[name].shape
        if len(found) != len(shape) or any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
            wanted = f"({', '.join('N' if side is None else str(side) for side in shape)})"
            raise LabelError(f"{path}: {name} has shape {found}, expected {wanted}; {REMEDY}")
    kinds = {"keypoints": "f", "scores": "f", "image_shape": "iu", "image_to_label": "f", "sha256": "U"}
    for name, kind in kinds.items():
        if arrays[name].dtype.kind not in kind:
            raise LabelError(f"{path}: {name} has type {arrays[name].dtype}; {REMEDY}")
    if len(arrays["keypoints"]) != len(arrays["scores"]):
        count, scores = len(arrays["keypoints"]), len(arrays["scores"])
        raise LabelError(f"{path}: {count} keypoints but {scores} scores; {REMEDY}")
    numbers = [arrays[name] for name in ("keypoints", "scores", "image_to_label")]
    if not all(np.isfinite(values).all() for values in numbers) or (arrays["image_shape"] <= 0).any():
        raise LabelError(f"{path}: holds numbers that are not finite or a shape that is not positive; {REMEDY}")
    if (arrays["image_shape"] > _MAX_SIDE_PX).any():
        raise LabelError(f"{path}: a frame of {arrays['image_shape']} is beyond {_MAX_SIDE_PX} px; {REMEDY}")


def read_votes(path: str, arrays: dict[str, np.ndarray], image_shape: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Return votes (H, W) and the number of homographies, for either format; raises LabelError."""
    version = arrays.get("format", np.asarray(1))
    if version.shape or version.dtype.kind not in "iu" or version not in (1, LABEL_FORMAT):
        found = str(version)[:40]
        raise LabelError(f"{path}: label format {found!r}, this version reads 1 and {LABEL_FORMAT}; {REMEDY}")
    if version == 1:
        return votes_before_format_2(image_shape), 1
    packed, number = (arrays.get(name, np.zeros(0)) for name in ("votes", "num_votes"))
    if number.shape or number.dtype.kind not in "iu" or not 1 <= number <= MAX_VOTES:
        raise LabelError(f"{path}: num_votes is not a number from 1 to {MAX_VOTES}; {REMEDY}")
    if packed.shape != packed_shape(image_shape) or packed.dtype not in (np.uint8, np.uint16):
        raise LabelError(f"{path}: votes {packed.dtype} {packed.shape} do not fit a frame of {image_shape}; {REMEDY}")
    votes = unpack_votes(packed, image_shape)
    if votes.max() > number:
        raise LabelError(f"{path}: {votes.max()} votes of {number}; {REMEDY}")
    return votes, int(number)
