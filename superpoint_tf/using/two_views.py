"""Two pictures: their matches, and the homography that most of them agree on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from superpoint_tf.evaluation.metrics import match_errors
from superpoint_tf.evaluation.pair_protocol import estimate_homography
from superpoint_tf.features import Features
from superpoint_tf.features.matching import match_descriptors
from superpoint_tf.geometry.numpy_reference import warp_points_numpy
from superpoint_tf.runtime import storage

MIN_INLIERS = 10  # wrong matches agree on some homography too, rarely in so many
MATCH_SUFFIXES = (".npz", ".txt")


class Alignment(NamedTuple):
    """What two pictures have in common."""

    features0: Features
    features1: Features
    matches: np.ndarray  # (M, 2) rows of both features
    homography_0to1: np.ndarray | None  # (3, 3); None: the matches do not agree on one
    inliers: np.ndarray  # (M,) bool: within the threshold of it
    reason: str  # why there is no homography, with what was found


class NoHomography(Exception):
    """Two pictures whose matches agree on no homography; the message says what was found."""


def align(
    extract: Callable[[np.ndarray], Features],
    image0: np.ndarray,
    image1: np.ndarray,
    ratio: float | None = None,
    threshold_px: float = 3.0,
) -> Alignment:
    """Match two grey uint8 images (H, W), and estimate their homography by RANSAC within `threshold_px` of view 1.

    `ratio` is that of `match_descriptors`. Raises ValueError for an extractor without descriptors.
    """
    features0, features1 = extract(image0), extract(image1)
    if features0.descriptors is None or features1.descriptors is None:
        raise ValueError(
            "a detector alone has no descriptors to match; name weights of a joint model or a --descriptor"
        )
    matches = match_descriptors(features0.descriptors, features1.descriptors, ratio)
    points0, points1 = features0.keypoints[matches[:, 0]], features1.keypoints[matches[:, 1]]
    homography = estimate_homography(points0, points1, threshold_px)
    inliers = np.zeros(len(matches), bool)
    if homography is not None:
        inliers = match_errors(features0.keypoints, features1.keypoints, matches, homography) <= threshold_px
    reason = _why_not(homography, len(matches), int(inliers.sum()), image0.shape)
    if reason:
        homography, inliers = None, np.zeros(len(matches), bool)
    return Alignment(features0, features1, matches, homography, inliers, reason)


def _why_not(homography: np.ndarray | None, matches: int, inliers: int, image_shape: tuple[int, ...]) -> str:
    """Return why a homography is not to be trusted, or nothing."""
    if homography is None:
        return f"{matches} matches do not determine one"
    if inliers < MIN_INLIERS:
        return f"{inliers} of {matches} matches agree on one, fewer than {MIN_INLIERS}"
    if not keeps_orientation(homography, image_shape):
        return f"the one that {inliers} of {matches} matches agree on would fold or mirror the picture"
    return ""


def keeps_orientation(homography_0to1: np.ndarray, image_shape: tuple[int, ...]) -> bool:
    """Tell whether the frame of view 0 (H, W) stays in front of the camera and is not mirrored."""
    corners = warp_points_numpy(frame_corners(image_shape), homography_0to1)
    return bool(np.isfinite(corners).all() and np.linalg.det(homography_0to1) > 0)


def frame_corners(image_shape: tuple[int, ...]) -> np.ndarray:
    """Return the outer corners (4, 2) of a picture (H, W), xy, round it from the top left."""
    right, bottom = image_shape[1] - 0.5, image_shape[0] - 0.5
    return np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]])


def save_matches(path: str | Path, alignment: Alignment) -> None:
    """Write matches as .npz (all arrays) or .txt (x0 y0 x1 y1 inlier a line, the homography above); else ValueError."""
    suffix = Path(path).suffix.lower()
    if suffix not in MATCH_SUFFIXES:
        raise ValueError(f"{path}: matches are written as {' or '.join(MATCH_SUFFIXES)}; name such a file")
    content = storage.npz_bytes(**_arrays(alignment)) if suffix == ".npz" else _text(alignment).encode()
    storage.write_bytes(path, content)


def format_homography(homography: np.ndarray) -> list[str]:
    """Return the rows of a matrix (3, 3), scaled to H[2, 2] = 1, with digits that give a position to .001 px."""
    return [" ".join(f"{value:14.8g}" for value in row) for row in homography / homography[2, 2]]


def _arrays(alignment: Alignment) -> dict[str, np.ndarray]:
    arrays = {"matches": alignment.matches, "inliers": alignment.inliers}
    for view, features in enumerate((alignment.features0, alignment.features1)):
        arrays |= {f"keypoints{view}": features.keypoints, f"scores{view}": features.scores}
    if alignment.homography_0to1 is not None:
        arrays["homography_0to1"] = alignment.homography_0to1
    return arrays


def _text(alignment: Alignment) -> str:
    lines = ["# x0 y0 x1 y1 inlier, pixels; the centre of the top-left pixel is (0, 0)"]
    if alignment.homography_0to1 is not None:
        lines += ["# homography_0to1", *("# " + row for row in format_homography(alignment.homography_0to1))]
    points0 = alignment.features0.keypoints[alignment.matches[:, 0]]
    points1 = alignment.features1.keypoints[alignment.matches[:, 1]]
    for (x0, y0), (x1, y1), inlier in zip(points0, points1, alignment.inliers, strict=True):
        lines.append(f"{x0:.3f} {y0:.3f} {x1:.3f} {y1:.3f} {int(inlier)}")
    return "\n".join(lines) + "\n"
