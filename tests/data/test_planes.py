"""Scenes of planes: held against rays cast one by one, and what happens where nothing corresponds."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from superpoint_tf.config import PlanesConfig
from superpoint_tf.data.planes import NOTHING, cast_rays, corresponding_points, planes_pair
from superpoint_tf.data.scenes import Scene, camera_matrix, draw_scene, segment

SHAPE = (24, 32)


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    noise = np.random.default_rng(0).uniform(0, 255, SHAPE).astype(np.float32)
    return cv2.GaussianBlur(noise, (0, 0), 3.0).astype(np.uint8)


def strips(count: int = 2) -> np.ndarray:
    return np.repeat(np.arange(count, dtype=np.int32), SHAPE[1] // count)[None].repeat(SHAPE[0], axis=0)


def scene_of(labels: np.ndarray, depths: list[float], translation: tuple[float, float, float]) -> Scene:
    planes = np.array([[0.0, 0.0, 1 / depth] for depth in depths])
    return Scene(labels, planes, np.eye(3), np.array(translation))


def ray_cast(scene: Scene) -> tuple[np.ndarray, np.ndarray]:
    """Follow the ray of every pixel of view 1 to every plane, in space: labels and places in view 0."""
    height, width = scene.labels.shape
    camera = camera_matrix(scene.labels.shape)
    labels, places = np.full((height, width), NOTHING), np.full((height, width, 2), np.nan)
    centre = -scene.rotation.T @ scene.translation  # of the second camera
    to_ray = scene.rotation.T @ np.linalg.inv(camera)
    for y in range(height):
        for x in range(width):
            ray = to_ray @ [x, y, 1.0]
            nearest = math.inf
            for number, plane in enumerate(scene.planes):
                depth = (1.0 - plane @ centre) / (plane @ ray)  # m . (centre + depth ray) = 1
                point = centre + depth * ray
                if not 0 < depth < nearest or point[2] <= 0:
                    continue
                column, row, _ = camera @ point / point[2]
                i, j = math.floor(row + 0.5), math.floor(column + 0.5)
                if 0 <= i < height and 0 <= j < width and scene.labels[i, j] == number:
                    nearest, labels[y, x], places[y, x] = depth, number, (column, row)
    return labels, places


@pytest.mark.parametrize("number", range(4))
def test_what_view_1_sees_is_what_rays_meet_first(picture, number):
    config = PlanesConfig(segments=(3, 8), baseline=0.6, depth_ratio=4.0, max_angle_deg=60.0)
    scene = draw_scene(picture, config, 5, number)
    cast = cast_rays(scene)
    labels, places = ray_cast(scene)
    np.testing.assert_array_equal(cast.labels, labels)
    np.testing.assert_allclose(cast.places, places, atol=1e-6)


def test_points_are_carried_to_the_pixels_that_show_them(picture):
    pair = planes_pair(picture, PlanesConfig(segments=(4, 8)), 1, 2)
    points0, points1 = corresponding_points(pair, 50, 1, 2)
    shown = np.isfinite(points0[:, 0])
    assert shown.sum() > 20
    np.testing.assert_array_equal(shown, np.isfinite(points1[:, 0]))
    scene, camera = pair.scene, camera_matrix(SHAPE)
    for x0, x1 in zip(points0[shown], points1[shown], strict=True):  # through space, point by point
        label = scene.labels[math.floor(x0[1] + 0.5), math.floor(x0[0] + 0.5)]
        ray = np.linalg.inv(camera) @ [*x0, 1.0]
        seen = camera @ (scene.rotation @ (ray / (scene.planes[label] @ ray)) + scene.translation)
        np.testing.assert_allclose(x1, seen[:2] / seen[2], atol=1e-4)
        for x in (math.floor(x1[0]), math.ceil(x1[0])):
            for y in (math.floor(x1[1]), math.ceil(x1[1])):
                assert pair.cast.labels[y, x] == label


def test_the_nearer_plane_hides_the_farther_one(picture):
    # Focal length 32: a step of 1/8 to the left moves a plane at depth d by 4 / d pixels.
    scene = scene_of(strips(), [4.0, 1.0], (-0.125, 0.0, 0.0))
    labels = cast_rays(scene).labels[0]
    assert labels.tolist() == [0] * 12 + [1] * 16 + [NOTHING] * 4  # the left one moved by 1, the right one by 4


def test_what_opens_up_behind_planes_is_marked_and_filled(picture):
    scene = scene_of(strips(), [1.0, 4.0], (-0.125, 0.0, 0.0))
    assert cast_rays(scene).labels[0].tolist() == [0] * 12 + [NOTHING] * 3 + [1] * 16 + [NOTHING]


def test_the_flow_is_nan_exactly_where_carry_shows_nothing(picture):
    pair = planes_pair(picture, PlanesConfig(segments=(4, 8)), 1, 3)
    flow, (height, width) = pair.flow_0to1, SHAPE
    carried = pair.carry(np.array([[x, y] for y in range(height) for x in range(width)])).reshape(height, width, 2)
    np.testing.assert_array_equal(np.isnan(flow), np.isnan(carried))
    assert np.isfinite(flow).any() and np.isnan(flow).any()


def test_one_segment_is_one_homography_of_the_whole_picture(picture):
    pair = planes_pair(picture, PlanesConfig(segments=(1, 1), baseline=0.2), 1, 0)
    assert len(pair.scene.homographies) == 1 and not pair.scene.labels.any()
    to_view, border = pair.scene.homographies[0], cv2.BORDER_REPLICATE
    warped = cv2.warpPerspective(picture, to_view, SHAPE[::-1], borderMode=border)
    inner = cv2.erode((~pair.filled1).astype(np.uint8), np.ones((3, 3))) > 0
    assert inner.any()
    assert np.abs(pair.image1.astype(int) - warped)[inner].max() <= 8  # OpenCV reads at steps of 1/32 pixel


def test_a_camera_that_does_not_move_sees_the_same_picture(picture):
    pair = planes_pair(picture, PlanesConfig(segments=(4, 4), baseline=0.0, max_angle_deg=0.0), 1, 0)
    turned = np.abs(pair.scene.rotation - np.eye(3)).max()
    assert turned < 0.1  # it aims elsewhere, by 5 % of a focal length at most
    scene = Scene(pair.scene.labels, pair.scene.planes, np.eye(3), np.zeros(3))
    np.testing.assert_array_equal(cast_rays(scene).labels, scene.labels)


def test_where_everything_is_hidden_there_are_no_points_and_the_view_is_filled(picture):
    scene = scene_of(strips(), [1.0, 1.0], (40.0, 0.0, 0.0))
    cast = cast_rays(scene)
    assert (cast.labels == NOTHING).all()
    pair = planes_pair(picture, PlanesConfig(), 1, 0)._replace(scene=scene, cast=cast)
    assert pair.filled1.all() and np.isnan(pair.flow_0to1).all()
    points0, points1 = corresponding_points(pair, 8, 1, 0)
    assert np.isnan(points0).all() and np.isnan(points1).all() and points0.shape == (8, 2)


def test_points_off_the_frame_or_not_finite_are_carried_nowhere(picture):
    pair = planes_pair(picture, PlanesConfig(), 1, 0)
    assert np.isnan(pair.carry(np.array([[-1.0, 3.0], [3.0, 24.0], [np.nan, 0.0]]))).all()
    assert pair.carry(np.zeros((0, 2))).shape == (0, 2)


def test_a_pair_is_a_function_of_key_and_number(picture):
    first, again = (planes_pair(picture, PlanesConfig(), 3, 7) for _ in range(2))
    np.testing.assert_array_equal(first.image1, again.image1)
    np.testing.assert_array_equal(first.flow_0to1, again.flow_0to1)
    others = planes_pair(picture, PlanesConfig(), 3, 8), planes_pair(picture, PlanesConfig(), 4, 7)
    assert all((first.image1 != other.image1).any() for other in others)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 2), (4, 40)])
def test_small_pictures_have_scenes_too(shape):
    image = np.arange(shape[0] * shape[1], dtype=np.uint8).reshape(shape)
    pair = planes_pair(image, PlanesConfig(), 0, 0)
    assert pair.image1.shape == shape and pair.flow_0to1.shape == (*shape, 2)


def test_segments_are_numbered_without_gaps_and_cover_the_picture(picture):
    labels = segment(np.zeros((40, 60), np.uint8), 6)
    assert labels.shape == (40, 60) and sorted(set(labels.ravel())) == list(range(labels.max() + 1))
    assert not segment(picture, 1).any()
