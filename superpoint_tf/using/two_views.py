"""Two pictures: their matches, and the homography that most of them agree on."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from superpoint_tf.evaluation.metrics import match_errors
from superpoint_tf.evaluation.pair_protocol import estimate_homography
from superpoint_tf.features import Features
from superpoint_tf.features.matching import match_descriptors
from superpoint_tf.geometry.numpy_reference import warp_points_numpy
from superpoint_tf.runtime import storage
from superpoint_tf.using.views import AS_IT_IS, VIEWS, Extract, extract_view

MIN_INLIERS = 10  # wrong matches agree on some homography too, rarely in so many
MIN_INLIERS_OF_VIEWS = 20  # the best of a hundred pairs of views had up to 10 where all matches were wrong
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
    extract: Extract,
    image0: np.ndarray,
    image1: np.ndarray,
    ratio: float | None = None,
    threshold_px: float = 3.0,
    views: str = "",
    masks: tuple[np.ndarray | None, np.ndarray | None] = (None, None),
) -> Alignment:
    """Match two grey uint8 images (H, W), and estimate their homography by RANSAC within `threshold_px` of view 1.

    `extract` is called with an image, and with `mask` where there is one; `SuperPoint.extract` is such. `ratio` is that
    of `match_descriptors`, `masks` are bool (H, W) of the images. With `views`, a row of VIEWS, each synthesised view
    of one image is matched with each of the other, and the pair whose homography has the most inliers is the answer,
    in pixels of the images; where an image as it is has no keypoint, no other view is looked at. Raises ValueError
    for an extractor without descriptors.
    """
    chosen = VIEWS[views] if views else AS_IT_IS
    found0, found1 = (
        _extract_views(extract, image0, chosen.of_first[:1], masks[0]),
        _extract_views(extract, image1, chosen.of_second[:1], masks[1]),
    )
    empty = not all(len(found[0].keypoints) for found in (found0, found1))
    if not empty:  # of 13 faint pictures without a keypoint no other view had more than 2
        found0 += _extract_views(extract, image0, chosen.of_first[1:], masks[0])
        found1 += _extract_views(extract, image1, chosen.of_second[1:], masks[1])
    pairs = itertools.product(found0, found1)
    least = MIN_INLIERS_OF_VIEWS if views else MIN_INLIERS
    alignments = [align_features(*pair, image0.shape, ratio, threshold_px, least) for pair in pairs]
    best = max(alignments, key=lambda alignment: int(alignment.inliers.sum()))  # the first of equals: as they are
    if best.homography_0to1 is None and views and empty:
        return best._replace(
            reason=f"{best.reason}; one picture as it is has no keypoint, so no other view was looked at"
        )
    if best.homography_0to1 is None and views:
        return best._replace(reason=f"{best.reason}, nor do those of {len(alignments) - 1} other pairs of views")
    return best


def _extract_views(
    extract: Extract, image: np.ndarray, views: Sequence[np.ndarray], mask: np.ndarray | None
) -> list[Features]:
    return [extract_view(extract, image, linear, mask) for linear in views]


def align_features(
    features0: Features,
    features1: Features,
    image_shape: tuple[int, ...],
    ratio: float | None = None,
    threshold_px: float = 3.0,
    min_inliers: int = MIN_INLIERS,
) -> Alignment:
    """Do `align` for the features of two images, of which the first has the shape (H, W)."""
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
    reason = _why_not(homography, len(matches), int(inliers.sum()), image_shape, min_inliers)
    if reason:
        homography, inliers = None, np.zeros(len(matches), bool)
    return Alignment(features0, features1, matches, homography, inliers, reason)


def _why_not(
    homography: np.ndarray | None, matches: int, inliers: int, image_shape: tuple[int, ...], min_inliers: int
) -> str:
    """Return why a homography is not to be trusted, or nothing."""
    if homography is None:
        return f"{matches} matches do not determine one"
    if inliers < min_inliers:
        return f"{inliers} of {matches} matches agree on one, fewer than {min_inliers}"
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
