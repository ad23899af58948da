"""What can describe or compare patches, by name: pixels, classical descriptors, a blind control, weights of ours.

Classical descriptors are OpenCV's, at the patch's centre and upright, each of a size at which it sees the whole patch:
SIFT's keypoint is a sixth of the patch in diameter, as in the frames of HPatches, BRISK's a half, and ORB, which reads
31x31 pixels whatever the diameter, sees patches of that side. What they need beyond the patch is reflected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np

from superpoint_tf.evaluation.methods.controls import RANDOM_DIM, generator_of
from superpoint_tf.evaluation.methods.methods import check_names, is_function, split_name
from superpoint_tf.evaluation.methods.opencv_algorithms import check_row, opencv_algorithm, rows_here
from superpoint_tf.evaluation.methods.patch_method import Describe, PatchMethod
from superpoint_tf.evaluation.methods.plug_ins import load_function
from superpoint_tf.geometry.patches import resize_patches
from superpoint_tf.networks.pretrained import exists

PIXELS_SIDE = 16
ORB_SIDE = 31
_BORDER_PX = 32  # around a patch; ORB and BRISK answer nothing nearer to an edge


def pixels(patches: np.ndarray) -> np.ndarray:
    """Return the grey levels at 16x16, less their mean and of length 1, float32 (N, 256)."""
    levels = resize_patches(patches, PIXELS_SIDE).reshape(len(patches), -1).astype(np.float32)
    levels -= levels.mean(axis=1, keepdims=True)
    return levels / np.maximum(np.linalg.norm(levels, axis=1, keepdims=True), 1e-9)


def sift(patches: np.ndarray) -> np.ndarray:
    """Return SIFT, float32 (N, 128)."""
    return _at_centre(cv2.SIFT.create(), patches, patches.shape[1] / 6)


def root_sift(patches: np.ndarray) -> np.ndarray:
    """Return the square root of L1-normalised SIFT (Arandjelovic and Zisserman, 2012)."""
    descriptors = sift(patches)
    return np.sqrt(descriptors / np.maximum(descriptors.sum(axis=1, keepdims=True), 1e-12))


def orb(patches: np.ndarray) -> np.ndarray:
    """Return ORB's bit strings of patches at 31x31, uint8 (N, 32)."""
    return _at_centre(cv2.ORB.create(), resize_patches(patches, ORB_SIDE), ORB_SIDE)


def brisk(patches: np.ndarray) -> np.ndarray:
    """Return BRISK's bit strings, uint8 (N, 64)."""
    return _at_centre(opencv_algorithm("BRISK").create(), patches, patches.shape[1] / 2)


def random_vectors(patches: np.ndarray) -> np.ndarray:
    """Return random vectors, seeded by each patch's content."""
    found = np.empty((len(patches), RANDOM_DIM), np.float32)
    for patch, vector in zip(patches, found, strict=True):
        generator = generator_of(np.ascontiguousarray(patch).tobytes())
        vector[:] = generator.standard_normal(RANDOM_DIM, np.float32)
    return found


CLASSICAL: dict[str, Describe] = {
    "pixels": pixels,
    "SIFT": sift,
    "RootSIFT": root_sift,
    "ORB": orb,
    "BRISK": brisk,
}
CONTROLS: dict[str, Describe] = {"random (control)": random_vectors}
GROUPS = {"classical": rows_here(CLASSICAL), "controls": tuple(CONTROLS)}


def load_patch_methods(names: Sequence[str]) -> list[PatchMethod]:
    """Return methods by what `--methods` names: `classical`, `controls`, one of either, WHAT or `ROW NAME=WHAT`.

    WHAT is weights of a patch system (a file, run folder or checkpoint), or `module:function` or `file.py:function`,
    from patches uint8 (N, S, S) to descriptors (N, D). Raises ValueError that names what cannot be used.
    """
    methods = [_load(part) for given in names for part in GROUPS.get(given, (given,))]
    check_names(methods)
    return methods


def _load(given: str) -> PatchMethod:
    built_in = CLASSICAL | CONTROLS
    if given in built_in:
        check_row(given)
        kind = "classical" if given in CLASSICAL else "control"
        return PatchMethod(given, {"kind": kind, "opencv": cv2.__version__}, built_in[given])
    title, what = split_name(given)
    name = title or what
    if is_function(what):
        function, identity = load_function(what)
        return PatchMethod(name, {"kind": "plug-in", **identity}, _checked(function, what))
    if not exists(what):
        known = ", ".join([*GROUPS, *built_in])
        raise ValueError(
            f"--methods {given}: no file or folder {what}, and no method of that name; there are {known}, and "
            "ROW NAME= before weights of a patch system or module:function"
        )
    from superpoint_tf.evaluation.methods.patch_networks import load_patch_network  # TensorFlow: only where asked for

    return load_patch_network(name, what)


def _checked(function: Callable[[np.ndarray], Any], target: str) -> Describe:
    def describe(patches: np.ndarray) -> np.ndarray:
        found = np.asarray(function(patches))
        if found.ndim != 2 or len(found) != len(patches) or found.dtype.kind not in "fiu":
            kind = f"{found.dtype} {found.shape}"
            raise ValueError(
                f"{target} returned {kind} for {len(patches)} patches; expected numbers ({len(patches)}, D)"
            )
        return found if found.dtype == np.uint8 else found.astype(np.float32)

    return describe


def _at_centre(extractor: Any, patches: np.ndarray, diameter_px: float) -> np.ndarray:
    """Describe the centre of each patch by an extractor of OpenCV; raises ValueError for patches it cannot describe."""
    side = patches.shape[1]
    centre = (side - 1) / 2 + _BORDER_PX
    kind = np.float32 if extractor.descriptorType() == cv2.CV_32F else np.uint8
    found = np.empty((len(patches), extractor.descriptorSize()), kind)
    for patch, descriptor in zip(patches, found, strict=True):
        larger = np.pad(patch, _BORDER_PX, "reflect")
        described = extractor.compute(larger, [cv2.KeyPoint(centre, centre, diameter_px, 0)])[1]
        if described is None:
            raise ValueError(f"{extractor.getDefaultName()} cannot describe patches of {side}x{side} pixels")
        descriptor[:] = described[0]
    return found
