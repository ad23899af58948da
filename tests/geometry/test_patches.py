"""Patches cut from a picture: against loops, against the training's own read, and at edges."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.geometry.grids import frame_grid, frames_of
from superpoint_tf.geometry.patches import build_levels, cut_patches, keypoint_frames, resize_patches
from superpoint_tf.geometry.pyramid import build_pyramid, sample_pyramid

ROUNDING = 0.02  # of positions to 1/32 px, in a picture whose neighbours differ by up to about .6


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    rough = np.random.default_rng(0).random((24, 32), np.float32)
    return cv2.resize(rough, (96, 72), interpolation=cv2.INTER_CUBIC).clip(0, 1)


def frames(*rows: tuple[float, float, float, float]) -> np.ndarray:
    """Return frames of keypoints x, y, half side, degrees."""
    x, y, half_side, angle = np.array(rows, np.float64).T
    return keypoint_frames(np.stack([x, y], axis=1), half_side, angle)


def read(level: np.ndarray, x: float, y: float) -> float:
    """Read bilinearly a picture that is reflected about its edges."""

    def pixel(column: int, row: int) -> float:
        folded = []
        for place, side in ((row, level.shape[0]), (column, level.shape[1])):
            place %= 2 * side
            folded.append(place if place < side else 2 * side - 1 - place)
        return float(level[folded[0], folded[1]])

    column, row = int(np.floor(x)), int(np.floor(y))
    u, v = x - column, y - row
    top = (1 - u) * pixel(column, row) + u * pixel(column + 1, row)
    return (1 - v) * top + v * ((1 - u) * pixel(column, row + 1) + u * pixel(column + 1, row + 1))


def cut_by_loops(picture: np.ndarray, frame: np.ndarray, side: int, level: int) -> np.ndarray:
    """Average four samples a pixel; the level is that of the brute mean over squares of 2**level pixels."""
    size = 2**level
    height, width = (n // size for n in picture.shape)
    small = picture[: height * size, : width * size].reshape(height, size, width, size).mean(axis=(1, 3))
    patch = np.zeros((side, side))
    for i in range(side):
        for j in range(side):
            for a in (0.25, 0.75):
                for b in (0.25, 0.75):
                    u, v = 2 * (j + b) / side - 1, 2 * (i + a) / side - 1
                    x, y = frame[:, :2] @ [u, v] + frame[:, 2]
                    patch[i, j] += read(small, (x + 0.5) / size - 0.5, (y + 0.5) / size - 0.5) / 4
    return patch


def test_frames_are_those_of_the_training():
    points, half_sides, degrees = np.array([[3.0, 4.0], [5.0, 1.0]]), np.array([2.0, 7.0]), np.array([30.0, 300.0])
    expected = frames_of(tf.constant(points), tf.constant(half_sides), tf.constant(np.deg2rad(degrees)))
    np.testing.assert_allclose(keypoint_frames(points, half_sides, degrees), expected, atol=1e-5)


@pytest.mark.parametrize(("half_side", "level"), [(4.0, 0), (8.4, 0), (9.0, 1), (16.0, 1), (30.0, 2)])
def test_a_patch_is_the_mean_of_four_samples_at_the_level_that_suits_it(picture, half_side: float, level: int):
    """At 8 pixels a side samples are half_side / 8 apart: up to 2**.1 they are read in the picture itself."""
    one = frames((45.3, 33.6, half_side, 25.0))
    (patch,) = cut_patches(build_levels(picture), one, 8)
    np.testing.assert_allclose(patch, cut_by_loops(picture, one[0], 8, level), atol=ROUNDING)


def test_a_patch_is_what_the_training_reads(picture):
    rows = frames((40.2, 30.7, 11.0, 0.0), (50.0, 40.0, 20.0, 77.0))
    patches = cut_patches(build_levels(picture), rows, 16)
    pyramid = build_pyramid(tf.constant(picture[None, ..., None]), 3)
    for patch, frame, level in zip(patches, rows, (0, 1), strict=True):
        points = tf.reshape(frame_grid(tf.constant(frame, tf.float32), 32), (1, -1, 2))
        samples = sample_pyramid(pyramid, points, tf.fill((1, 32 * 32), level)).numpy().reshape(16, 2, 16, 2)
        np.testing.assert_allclose(patch, samples.mean(axis=(1, 3)), atol=ROUNDING)


def test_a_patch_of_a_ramp_is_the_ramp_turned():
    x = np.arange(200, dtype=np.float32)
    ramp = np.broadcast_to(x / 200, (150, 200)).copy()
    (patch,) = cut_patches(build_levels(ramp), frames((100.0, 70.0, 16.0, 90.0)), 32)
    # the patch's right is the picture's down, hence its down is the picture's left, a pixel a pixel
    expected = (100.0 - (np.arange(32) - 15.5)) / 200
    np.testing.assert_allclose(patch, np.broadcast_to(expected[:, None], (32, 32)), atol=1e-4)


def test_beyond_the_edges_the_picture_is_reflected(picture):
    one = frames((1.0, 70.5, 6.0, 40.0))
    (patch,) = cut_patches(build_levels(picture), one, 8)
    np.testing.assert_allclose(patch, cut_by_loops(picture, one[0], 8, 0), atol=ROUNDING)
    np.testing.assert_array_equal(*(cut_patches(build_levels(picture), frames(row), 4) for row in (
        (-0.5, 30.0, 2.0, 0.0), (-0.5, 30.0, 2.0, 0.0)
    )))  # fmt: skip
    (mirrored,) = cut_patches(build_levels(picture), frames((-0.5, 30.0, 4.0, 0.0)), 8)
    np.testing.assert_allclose(mirrored, mirrored[:, ::-1], atol=1e-5)  # the edge is in the middle


def test_what_is_finer_than_a_patchs_pixels_becomes_grey():
    rows, columns = np.mgrid[:256, :256]
    checkerboard = ((rows + columns) % 2).astype(np.float32)
    (patch,) = cut_patches(build_levels(checkerboard), frames((128.0, 128.0, 100.0, 17.0)), 32)
    np.testing.assert_allclose(patch, 0.5, atol=0.01)


def test_odd_sides_are_continued_by_their_edge():
    levels = build_levels(np.arange(11 * 9, dtype=np.float32).reshape(11, 9))
    assert [level.shape for level in levels] == [(11, 9), (6, 5)]
    assert levels[1][5, 4] == 98 and levels[1][0, 0] == pytest.approx((0 + 1 + 9 + 10) / 4)


def test_a_picture_that_opencv_cannot_warp_is_refused_with_its_size():
    with pytest.raises(ValueError, match="40000x2 pixels; patches are cut up to 32766 a side"):
        build_levels(np.zeros((2, 40000), np.float32))


def test_patches_are_resized_by_area():
    patches = np.random.default_rng(0).integers(0, 256, (2, 64, 64)).astype(np.float32)
    np.testing.assert_allclose(resize_patches(patches, 32), patches.reshape(2, 32, 2, 32, 2).mean((2, 4)), rtol=1e-5)
    assert resize_patches(patches, 64) is patches


@pytest.fixture(scope="module")
def their_cut(shared_photographs: Path) -> ModuleType:
    path = shared_photographs.parent / "cut_patches.py"
    specification = importlib.util.spec_from_file_location("cut_patches", path)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def test_another_programs_patches_of_the_same_frames_look_the_same(their_cut: ModuleType, shared_photographs: Path):
    image = cv2.imread(str(next((shared_photographs.parent / "hpatches_dev").glob("v_graf/1.*"))), 0)
    pyramid = [image]
    while min(pyramid[-1].shape) > 32:
        half = tuple(side // 2 for side in pyramid[-1].shape[::-1])
        pyramid.append(cv2.resize(pyramid[-1], half, interpolation=cv2.INTER_AREA))
    rows = np.stack(their_cut.frames(image, 10))  # 6 diameters a side, as ours
    ours = cut_patches(build_levels(image / np.float32(255)), rows, 32)
    inner = rows.copy()
    inner[:, :, :2] *= 64 / 65  # its outer pixels have their centres on the frame, ours their edges
    theirs = [cv2.resize(their_cut.cut(pyramid, row), (32, 32), interpolation=cv2.INTER_AREA) / 255 for row in inner]
    correlations = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(ours, theirs, strict=True)]
    assert len(ours) == 60 and np.mean(correlations) > 0.998 and min(correlations) > 0.97
