"""Synthesised views: where a keypoint of a view lies in the picture, and pictures that match by them alone."""

from __future__ import annotations

import functools
from typing import Any

import cv2
import numpy as np
import pytest

from superpoint_tf import SuperPoint
from superpoint_tf.demonstration import readme_pictures
from superpoint_tf.evaluation.metrics import match_errors
from superpoint_tf.features import NO_ANGLE, Features
from superpoint_tf.using.two_views import MIN_INLIERS_OF_VIEWS, Alignment, align
from superpoint_tf.using.views import VIEWS, extract_view, synthesise

LINEAR = [*VIEWS["rotations"].of_second[1:], *VIEWS["tilts"].of_first[1:]]
SHAPE = (121, 160)


@pytest.fixture(scope="module")
def model() -> SuperPoint:
    return SuperPoint.from_pretrained("superpoint-small")


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return cv2.resize(readme_pictures._frame(readme_pictures._path("astronaut.png")), (320, 240))


def blobs(points: np.ndarray, shape: tuple[int, int] = SHAPE, sigma: float = 3.0) -> np.ndarray:
    """Draw Gaussian blobs, whose middles can be measured to a fraction of a pixel, on black."""
    ys, xs = np.mgrid[: shape[0], : shape[1]]
    drawn = sum(np.exp(-((xs - x) ** 2 + (ys - y) ** 2) / (2 * sigma**2)) for x, y in points)
    return np.rint(230 * np.clip(drawn, 0, 1)).astype(np.uint8)


def find_blobs(image: np.ndarray, mask: np.ndarray | None = None) -> Features:
    """Return the middles of what is bright: the means of its pixels' places, weighed by their grey levels."""
    count, labels = cv2.connectedComponents((image > 8).astype(np.uint8))
    ys, xs = np.mgrid[: image.shape[0], : image.shape[1]]
    points = []
    for label in range(1, count):
        weights = np.where(labels == label, image, 0).astype(float)
        points.append([(weights * xs).sum() / weights.sum(), (weights * ys).sum() / weights.sum()])
    found = np.array(points, np.float32).reshape(-1, 2)
    kept = np.ones(len(found), bool)
    if mask is not None:
        kept = np.array([mask[int(y + 0.5), int(x + 0.5)] for x, y in found], bool)
    return Features(found, np.ones(len(found), np.float32)).take(kept)


def by_hand(points: np.ndarray, linear: np.ndarray, view_shape: tuple[int, ...]) -> np.ndarray:
    """Carry points of a view back about the middles of both frames, by no code of the package."""
    (view_h, view_w), (height, width) = view_shape, SHAPE
    a, b, c, d = linear.ravel()
    determinant = a * d - b * c
    x, y = points[:, 0] - (view_w - 1) / 2, points[:, 1] - (view_h - 1) / 2
    back_x, back_y = (d * x - b * y) / determinant, (a * y - c * x) / determinant
    return np.stack([back_x + (width - 1) / 2, back_y + (height - 1) / 2], axis=1)


@pytest.mark.parametrize("number", range(len(LINEAR)))
def test_a_keypoint_of_a_view_is_carried_back_to_where_the_picture_has_it(number: int):
    points = np.array([[30.0, 25.0], [121.25, 40.5], [75.5, 96.75], [79.5, 60.0]])
    image, linear = blobs(points), LINEAR[number]
    found = extract_view(find_blobs, image, linear).keypoints.astype(float)
    distances = np.linalg.norm(found[:, None] - points, axis=2)
    assert len(found) == 4 and distances.min(axis=0).max() < 0.06  # half a pixel would show, and a quarter
    view = synthesise(image, linear)
    seen = find_blobs(view.image).keypoints
    np.testing.assert_allclose(by_hand(seen, linear, view.image.shape), found, atol=1e-4)


@pytest.mark.parametrize(("number", "turns"), [(2, 1), (4, 2), (6, 3)])
def test_quarter_turns_move_pixels_and_interpolate_nothing(number: int, turns: int):
    image = np.random.default_rng(0).integers(0, 256, SHAPE, dtype=np.uint8)
    view = synthesise(image, VIEWS["rotations"].of_second[number])
    np.testing.assert_array_equal(view.image, np.rot90(image, -turns))  # clockwise, as y points down
    assert view.usable.all()
    places = np.array([[3.0, 7.0], [0.0, 0.0], [159.0, 120.0]])
    for (x, y), (to_x, to_y) in zip(places, places @ view.to_view[:2, :2].T + view.to_view[:2, 2], strict=True):
        assert to_x == int(to_x) and to_y == int(to_y)  # to the bit
        assert view.image[int(to_y), int(to_x)] == image[int(y), int(x)]


@pytest.mark.parametrize("number", range(len(LINEAR)))
def test_a_view_shows_the_whole_picture_and_its_edge_gives_no_keypoint(number: int):
    view = synthesise(np.full(SHAPE, 90, np.uint8), LINEAR[number])
    corners = np.array([[0, 0], [159, 0], [159, 120], [0, 120]]) @ view.to_view[:2, :2].T + view.to_view[:2, 2]
    assert (corners > -0.5 - 1e-9).all() and (corners < np.array(view.image.shape[::-1]) - 0.5 + 1e-9).all()
    rows, columns = np.nonzero(view.usable)
    back = by_hand(np.stack([columns, rows], axis=1).astype(float), LINEAR[number], view.image.shape)
    assert (back > -0.51).all() and (back < np.array([159.51, 120.51])).all()
    assert view.usable.sum() > 0.75 * abs(np.linalg.det(LINEAR[number])) * 121 * 160


def test_tilts_make_a_picture_narrower_and_do_not_turn_it():
    assert len(VIEWS["tilts"].of_first) == 10 and VIEWS["tilts"].num_extractions == 20
    for linear in VIEWS["tilts"].of_first:
        np.testing.assert_allclose(linear, linear.T, atol=1e-15)  # no turn
        assert sorted(np.linalg.eigvalsh(linear).round(6))[1] == 1.0
    narrower = sorted({round(1 / np.linalg.eigvalsh(linear)[0], 3) for linear in VIEWS["tilts"].of_first})
    assert narrower == [1.0, 1.414, 2.0]


def test_a_narrow_view_does_not_alias():
    stripes = np.tile(np.array([0, 255], np.uint8), (120, 80))  # one pixel wide: half as wide, nothing is left
    across = next(linear for linear in VIEWS["tilts"].of_first if np.allclose(linear, np.diag([0.5, 1.0])))
    assert np.ptp(synthesise(stripes, across).image.astype(int)[:, 8:-8]) < 90


def test_sizes_and_angles_are_those_of_the_picture():
    def extract(image: np.ndarray, mask: np.ndarray | None = None) -> Features:
        middle = np.array([[image.shape[1], image.shape[0]]] * 2, np.float32) / 2
        both = np.array([20.0, NO_ANGLE], np.float32)
        return Features(middle, np.ones(2, np.float32), None, np.full(2, 6, np.float32), both)

    quarter = extract_view(extract, np.zeros(SHAPE, np.uint8), VIEWS["rotations"].of_second[2])
    np.testing.assert_allclose(quarter.angles_deg, [290.0, NO_ANGLE], atol=1e-3)  # the view is turned clockwise
    np.testing.assert_allclose(quarter.sizes, 6.0, atol=1e-5)
    tilted = extract_view(extract, np.zeros(SHAPE, np.uint8), np.diag([0.5, 1.0]))
    np.testing.assert_allclose(tilted.sizes, 6 * np.sqrt(2), atol=1e-5)
    expected = np.rad2deg(np.arctan2(np.sin(np.deg2rad(20)), 2 * np.cos(np.deg2rad(20))))
    np.testing.assert_allclose(tilted.angles_deg, [expected, NO_ANGLE], atol=1e-3)


@pytest.mark.parametrize("number", range(len(LINEAR)))
def test_nothing_of_a_view_lies_under_the_pictures_mask(number: int, model: SuperPoint, astronaut: np.ndarray):
    mask = np.zeros(astronaut.shape, bool)
    mask[60:200, 90:250] = True
    extract = functools.partial(model.extract, max_keypoints=40)
    found = extract_view(extract, astronaut, LINEAR[number], mask)
    assert len(found.keypoints) > 30  # the budget is of what the mask leaves
    assert all(mask[int(np.floor(y + 0.5)), int(np.floor(x + 0.5))] for x, y in found.keypoints.tolist())


def matched(model: SuperPoint, image: np.ndarray, homography: np.ndarray, views: str) -> tuple[Alignment, int]:
    """Match a picture with its warp; return what was found and how many matches are right within 3 px."""
    warped = cv2.warpPerspective(image, homography, (400, 400))
    found = align(functools.partial(model.extract, max_keypoints=500), image, warped, views=views)
    errors = match_errors(found.features0.keypoints, found.features1.keypoints, found.matches, homography)
    return found, int((errors <= 3).sum())


def about_the_middle(linear: np.ndarray) -> np.ndarray:
    homography = np.eye(3)
    homography[:2, :2] = linear
    homography[:2, 2] = 199.5 - linear @ np.array([159.5, 119.5])
    return homography


def error_at_corners(estimated: np.ndarray, homography: np.ndarray) -> float:
    corners = np.array([[[0, 0], [319, 0], [319, 239], [0, 239]]], np.float64)
    steps = cv2.perspectiveTransform(corners, estimated) - cv2.perspectiveTransform(corners, homography)
    return float(np.linalg.norm(steps, axis=-1).mean())


@pytest.mark.parametrize("angle_deg", [100, 200, 292.5])
def test_a_picture_turned_anyhow_is_matched_by_rotations_alone(
    angle_deg: float, model: SuperPoint, astronaut: np.ndarray
):
    angle = np.deg2rad(angle_deg)
    homography = about_the_middle(0.9 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]))
    _, right = matched(model, astronaut, homography, "")
    turned, more = matched(model, astronaut, homography, "rotations")
    assert more > 100 and more > 3 * right and more > 0.85 * len(turned.matches)
    assert turned.homography_0to1 is not None and error_at_corners(turned.homography_0to1, homography) < 2


def test_a_picture_seen_aslant_is_matched_better_by_tilts(model: SuperPoint, astronaut: np.ndarray):
    along = np.array([[np.cos(0.5)], [np.sin(0.5)]])
    homography = about_the_middle(np.eye(2) - (1 - 1 / 3.5) * along @ along.T)
    _, right = matched(model, astronaut, homography, "")
    tilted, more = matched(model, astronaut, homography, "tilts")
    assert more > 2 * right and more > 0.75 * len(tilted.matches)
    assert tilted.homography_0to1 is not None and error_at_corners(tilted.homography_0to1, homography) < 4


def test_the_quarter_turn_of_the_readmes_failure_is_matched(model: SuperPoint):
    pair = readme_pictures._quarter_turn(readme_pictures._frame(readme_pictures._path("chelsea.png")))
    right, matches = {}, {}
    for views in ("", "rotations"):
        extract = functools.partial(model.extract, threshold=1e-4, max_keypoints=300)  # as that picture is drawn
        found = align(extract, pair.image0, pair.image1, views=views)
        errors = match_errors(found.features0.keypoints, found.features1.keypoints, found.matches, pair.homography_0to1)
        right[views], matches[views] = int((errors <= 3).sum()), len(found.matches)
    assert right[""] < 5 and right["rotations"] == matches["rotations"] == 300


def test_pictures_of_nothing_in_common_stay_so_however_many_views_are_tried(model: SuperPoint, astronaut: np.ndarray):
    other = readme_pictures._frame(readme_pictures._path("chelsea.png"))
    extract = functools.partial(model.extract, max_keypoints=300)
    for views, tried in (("rotations", 7), ("tilts", 99)):
        found = align(extract, astronaut, other, views=views)
        assert found.homography_0to1 is None and not found.inliers.any()
        assert f"nor do those of {tried} other pairs of views" in found.reason
        assert f"fewer than {MIN_INLIERS_OF_VIEWS}" in found.reason or "fold or mirror" in found.reason


@pytest.mark.parametrize("first_is_empty", [True, False])
def test_of_a_picture_without_a_keypoint_no_other_view_is_looked_at(
    first_is_empty: bool, model: SuperPoint, astronaut: np.ndarray
):
    looked_at = []

    def extract(image: np.ndarray, **given: Any) -> Features:
        looked_at.append(image.shape)
        return model.extract(image, max_keypoints=300, **given)

    images = [np.full_like(astronaut, 128), astronaut]
    found = align(extract, *(images if first_is_empty else images[::-1]), views="tilts")
    assert len(looked_at) == 2 and "one picture as it is has no keypoint, so no other view" in found.reason
