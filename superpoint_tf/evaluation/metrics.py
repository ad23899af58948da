"""The numbers of the evaluation, each defined once, as pure NumPy functions of keypoints, matches and homographies.

Pixels are xy with the centre of the top-left pixel at (0, 0); the frame reaches from 0 to W - 1 and from 0 to H - 1,
its edge included. Distances are measured in view 1. Nothing found is a failure, never a missing row: no keypoints, no
matches and no homography give 0 or an infinite error. The two exceptions are means over nothing and say so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from superpoint_tf.features.matching import squared_distances
from superpoint_tf.geometry.numpy_reference import warp_points_numpy

MMA_THRESHOLDS_PX = tuple(range(1, 11))


# ------------------------------------------------------------------------------------------------ keypoints


def in_shared_area(keypoints: np.ndarray, homography: np.ndarray, image_shape: tuple[int, int]) -> np.ndarray:
    """Tell which keypoints (N, 2) the homography puts inside the other frame; never those it puts behind the camera."""
    height, width = image_shape
    x, y = warp_points_numpy(keypoints, homography).T
    with np.errstate(invalid="ignore"):  # NaN is behind the camera
        inside: np.ndarray = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    return inside


def partner_distances(
    keypoints0: np.ndarray,
    keypoints1: np.ndarray,
    homography_0to1: np.ndarray,
    image_shape: tuple[int, int],
    max_keypoints: int | None = 300,
) -> tuple[np.ndarray, np.ndarray]:
    """Return, for the strongest keypoints of the shared area of each view, the distance to the nearest of the other's.

    Keypoints (N, 2) come strongest first and before any budget: those outside the shared area are dropped first, then
    the strongest `max_keypoints` are kept. Distances (N0,) and (N1,) are pixels of view 1, inf if the other has none.
    """
    shared0 = in_shared_area(keypoints0, homography_0to1, image_shape)
    shared1 = in_shared_area(keypoints1, np.linalg.inv(homography_0to1), image_shape)
    projected0 = warp_points_numpy(keypoints0[shared0][:max_keypoints], homography_0to1)
    distances = pairwise_distances(projected0, keypoints1[shared1][:max_keypoints])
    return distances.min(axis=1, initial=np.inf), distances.min(axis=0, initial=np.inf)


def repeatability(distances0: np.ndarray, distances1: np.ndarray, distance_px: float = 3.0) -> float:
    """Return the fraction of both keypoint sets with a partner within `distance_px` (paper appendix A).

    Takes `partner_distances`. No keypoints in the shared area of either view is 0.
    """
    distances = np.concatenate([distances0, distances1])
    return float(np.mean(distances <= distance_px)) if len(distances) else 0.0


def localization_error(distances0: np.ndarray, distances1: np.ndarray, distance_px: float = 3.0) -> float:
    """Return the mean distance in pixels of the partners that `repeatability` counts; NaN if there are none."""
    distances = np.concatenate([distances0, distances1])
    partners = distances[distances <= distance_px]
    return float(partners.mean()) if len(partners) else float("nan")


# ------------------------------------------------------------------------------------------------ known truth


def match_detections(
    keypoints: np.ndarray, scores: np.ndarray, truth: np.ndarray, distance_px: float = 3.0
) -> tuple[np.ndarray, np.ndarray]:
    """Give each detection (N, 2) the nearest true keypoint (M, 2) within `distance_px` that no stronger one has taken.

    Equal scores are served in the order given. Returns correct (N,) bool and the distances (N,), inf where not correct.
    """
    distances = pairwise_distances(np.asarray(keypoints, np.float64), np.asarray(truth, np.float64))
    error = np.full(len(keypoints), np.inf)
    if not len(truth):
        return np.zeros(len(keypoints), bool), error
    for index in np.argsort(-np.asarray(scores), kind="stable"):
        nearest = int(distances[index].argmin())
        if distances[index, nearest] <= distance_px:
            error[index] = distances[index, nearest]
            distances[:, nearest] = np.inf
    return np.isfinite(error), error


def average_precision(scores: np.ndarray, correct: np.ndarray, num_truth: int) -> float:
    """Return the area under the precision-recall curve of scored answers, of which `num_truth` could be correct.

    Precision is made non-increasing from the right and summed over the steps of recall, as PASCAL VOC since 2010 and
    the reference evaluation of SuperPoint do. Equal scores form one point of the curve, so their
    order is without effect. No answers: 0. NaN if `num_truth` is 0: there was nothing to find.
    """
    if num_truth == 0:
        return float("nan")
    scores = np.asarray(scores, np.float64)
    order = np.argsort(-scores, kind="stable")
    last_of_ties = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True)[: len(scores)])
    hits = np.cumsum(np.asarray(correct)[order])[last_of_ties]
    precision = np.maximum.accumulate((hits / (last_of_ties + 1))[::-1])[::-1]
    recall_steps = np.diff(hits, prepend=0) / num_truth
    return float(np.sum(precision * recall_steps))


class Judged(NamedTuple):
    """The detections of one picture, compared with its true keypoints."""

    scores: np.ndarray  # (N,)
    correct: np.ndarray  # (N,) bool
    errors_px: np.ndarray  # of the correct ones
    num_truth: int


def judge_detections(keypoints: np.ndarray, scores: np.ndarray, truth: np.ndarray, distance_px: float = 3.0) -> Judged:
    """Judge the detections (N, 2) of one picture by its true keypoints (M, 2), as `match_detections` does."""
    correct, errors = match_detections(keypoints, scores, truth, distance_px)
    return Judged(np.asarray(scores), correct, errors[correct], len(truth))


def pooled_precision(pictures: Sequence[Judged]) -> float:
    """Return the synthetic mAP: the average precision of all detections of the pictures together.

    A picture without true keypoints counts too: all it has is wrong.
    """
    scores = np.concatenate([np.zeros(0), *(picture.scores for picture in pictures)])
    correct = np.concatenate([np.zeros(0, bool), *(picture.correct for picture in pictures)])
    return average_precision(scores, correct, sum(picture.num_truth for picture in pictures))


def pooled_localization_error(pictures: Sequence[Judged]) -> float:
    """Return the mean distance in px of the pictures' correct detections; NaN if there are none."""
    errors = np.concatenate([np.zeros(0), *(picture.errors_px for picture in pictures)])
    return float(errors.mean()) if len(errors) else float("nan")


# ------------------------------------------------------------------------------------------------ matches


def match_errors(
    keypoints0: np.ndarray, keypoints1: np.ndarray, matches: np.ndarray, homography_0to1: np.ndarray
) -> np.ndarray:
    """Return how far, in pixels of view 1, each match (M, 2) is from the true homography; inf behind the camera."""
    projected = warp_points_numpy(keypoints0[matches[:, 0]], homography_0to1)
    return np.nan_to_num(np.linalg.norm(projected - keypoints1[matches[:, 1]], axis=1), nan=np.inf)


def mean_matching_accuracy(errors: np.ndarray, thresholds_px: Sequence[float] = MMA_THRESHOLDS_PX) -> np.ndarray:
    """Return the fraction of a pair's matches with an error (M,) within each threshold: MMA; no matches: 0."""
    within = np.asarray(errors)[:, None] <= np.asarray(thresholds_px, np.float64)
    return within.mean(axis=0) if len(within) else np.zeros(len(thresholds_px))


def matching_score(
    keypoints0: np.ndarray,
    keypoints1: np.ndarray,
    matches: np.ndarray,
    homography_0to1: np.ndarray,
    image_shape: tuple[int, int],
    distance_px: float = 3.0,
) -> float:
    """Return correct matches over keypoints in the shared area, the mean of both views (paper appendix B).

    `matches` (M, 2) are mutual nearest neighbours among all keypoints. A view whose shared area holds none gives 0.
    """
    correct = matches[match_errors(keypoints0, keypoints1, matches, homography_0to1) <= distance_px]
    shared0 = in_shared_area(keypoints0, homography_0to1, image_shape)
    shared1 = in_shared_area(keypoints1, np.linalg.inv(homography_0to1), image_shape)
    score0 = shared0[correct[:, 0]].sum() / max(shared0.sum(), 1)
    score1 = shared1[correct[:, 1]].sum() / max(shared1.sum(), 1)
    return float(score0 + score1) / 2


def nearest_neighbour_map(
    keypoints0: np.ndarray,
    keypoints1: np.ndarray,
    descriptors0: np.ndarray,
    descriptors1: np.ndarray,
    homography_0to1: np.ndarray,
    image_shape: tuple[int, int],
    distance_px: float = 3.0,
) -> float:
    """Return the mean over both directions of the average precision of nearest neighbours (paper appendix B).

    Every keypoint of the shared area answers with its nearest neighbour among all the other view's, by the distances
    of `match_descriptors`; one whose descriptor is not finite gives no answer and is none. Answers are ranked by
    descriptor distance and correct by the true homography, within `distance_px` of view 1. Recall is of the keypoints
    of the shared area that have any true partner; if there are none, or nothing to answer with, it is 0.
    """
    errors = pairwise_distances(warp_points_numpy(keypoints0, homography_0to1), keypoints1)
    distances = squared_distances(descriptors0, descriptors1)
    shared0 = in_shared_area(keypoints0, homography_0to1, image_shape)
    shared1 = in_shared_area(keypoints1, np.linalg.inv(homography_0to1), image_shape)
    precision0 = _one_way_map(errors[shared0], distances[shared0], distance_px)
    precision1 = _one_way_map(errors.T[shared1], distances.T[shared1], distance_px)
    return (precision0 + precision1) / 2


def _one_way_map(errors: np.ndarray, distances: np.ndarray, distance_px: float) -> float:
    num_truth = int((errors <= distance_px).any(axis=1).sum())
    if not num_truth:
        return 0.0
    rows = np.flatnonzero(np.isfinite(distances).any(axis=1))  # those that answer; num_truth counts the others too
    nearest = distances[rows].argmin(axis=1)
    return average_precision(-distances[rows, nearest], errors[rows, nearest] <= distance_px, num_truth)


def pairwise_distances(points0: np.ndarray, points1: np.ndarray) -> np.ndarray:
    """Return the distances (N0, N1) of points; inf to a point that is NaN."""
    points0, points1 = np.asarray(points0, np.float64), np.asarray(points1, np.float64)
    distances, dy = (points0[:, None, axis] - points1[None, :, axis] for axis in (0, 1))
    distances *= distances
    distances += np.multiply(dy, dy, out=dy)
    np.sqrt(distances, out=distances)
    distances[np.isnan(distances)] = np.inf
    return distances


# ------------------------------------------------------------------------------------------------ homographies


def homography_error(estimated: np.ndarray | None, homography_0to1: np.ndarray, image_shape: tuple[int, int]) -> float:
    """Return the mean distance, in pixels of view 1, of the frame's four corners under both homographies.

    No estimate (None), one with a value that is not finite, or one that puts a corner behind the camera: inf.
    """
    if estimated is None or not np.isfinite(estimated).all():
        return float("inf")
    height, width = image_shape
    corners = np.array([[0, 0], [width - 1, 0], [0, height - 1], [width - 1, height - 1]], np.float64)
    difference = warp_points_numpy(corners, estimated) - warp_points_numpy(corners, homography_0to1)
    return float(np.nan_to_num(np.linalg.norm(difference, axis=1).mean(), nan=np.inf))


def homography_accuracy(errors: Sequence[float] | np.ndarray, threshold_px: float) -> float:
    """Return the fraction of pairs whose corner error is within `threshold_px`; a failure is inf. No pairs: 0."""
    return float(np.mean(np.asarray(errors) <= threshold_px)) if len(errors) else 0.0


def homography_auc(errors: Sequence[float] | np.ndarray, threshold_px: float) -> float:
    """Return the area under the accuracy curve from 0 to `threshold_px`, divided by it; not the accuracy there.

    The curve joins (error of the n-th best pair, n / pairs) by straight lines and is level after the last, as
    SuperGlue's evaluation defined it and later ones kept it.
    """
    ordered = np.sort(np.asarray(errors, np.float64))
    within = int(np.searchsorted(ordered, threshold_px, side="right"))
    if not within:
        return 0.0
    accuracy = np.arange(within + 1) / len(ordered)
    curve_x = np.concatenate([[0.0], ordered[:within], [threshold_px]])
    curve_y = np.append(accuracy, accuracy[-1])
    return area_below(curve_y, curve_x) / threshold_px


def area_below(curve_y: np.ndarray, curve_x: np.ndarray) -> float:
    """Return the area below a curve of straight lines, by the trapezoidal rule."""
    return float((np.diff(curve_x) * (curve_y[1:] + curve_y[:-1]) / 2.0).sum())
