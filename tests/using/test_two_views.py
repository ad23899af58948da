"""Two views whose keypoints are known: matches, inliers, the homography, and why there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.features import Features
from superpoint_tf.geometry.numpy_reference import warp_points_numpy
from superpoint_tf.using.two_views import align, keeps_orientation, save_matches

HOMOGRAPHY = np.array([[0.9, -0.2, 30.0], [0.1, 1.1, -5.0], [1e-4, -2e-4, 1.0]])
IMAGE = np.zeros((200, 300), np.uint8)


def extractor(count: int, homography: np.ndarray = HOMOGRAPHY, wrong: int = 0) -> Callable[[np.ndarray], Features]:
    """Return an extractor for two calls: `count` points, then their images, the last `wrong` of them elsewhere."""
    generator = np.random.default_rng(0)
    points = generator.uniform(0, 200, (count, 2))
    moved = warp_points_numpy(points, homography)
    moved[count - wrong :] = generator.uniform(0, 200, (wrong, 2))
    answers = iter([points, moved])
    descriptors = np.eye(max(count, 1), dtype=np.float32)[:count]
    return lambda image: Features(next(answers).astype(np.float32), np.ones(count, np.float32), descriptors)


def test_the_homography_is_found_and_wrong_matches_are_no_inliers():
    found = align(extractor(60, wrong=20), IMAGE, IMAGE)
    assert len(found.matches) == 60 and not found.reason and found.homography_0to1 is not None
    np.testing.assert_array_equal(found.inliers, [True] * 40 + [False] * 20)
    np.testing.assert_allclose(found.homography_0to1, HOMOGRAPHY, rtol=1e-2, atol=1e-4)


@pytest.mark.parametrize(
    ("extract", "reason"),
    [
        (extractor(0), "0 matches do not determine one"),
        (extractor(3), "3 matches do not determine one"),
        (extractor(6), "6 of 6 matches agree on one, fewer than 10"),
        (extractor(60, np.diag([-1.0, 1.0, 1.0])), "would fold or mirror the picture"),
    ],
    ids=["nothing", "three", "six", "mirrored"],
)
def test_what_is_no_homography_has_its_reason_and_no_inliers(extract: Callable, reason: str):
    found = align(extract, IMAGE, IMAGE)
    assert found.homography_0to1 is None and reason in found.reason and not found.inliers.any()


def test_a_homography_that_puts_a_corner_behind_the_camera_folds():
    assert keeps_orientation(np.eye(3), (100, 100))
    assert not keeps_orientation(np.array([[1, 0, 0], [0, 1, 0], [-0.02, 0, 1.0]]), (100, 100))


def test_matches_are_saved_as_arrays_or_as_lines_with_the_matrix_above(tmp_path: Path):
    found = align(extractor(12), IMAGE, IMAGE)
    save_matches(tmp_path / "m.npz", found)
    with np.load(tmp_path / "m.npz") as file:
        np.testing.assert_array_equal(file["matches"], found.matches)
        np.testing.assert_array_equal(file["homography_0to1"], found.homography_0to1)
    save_matches(tmp_path / "m.txt", found)
    lines = (tmp_path / "m.txt").read_text().splitlines()
    assert np.loadtxt(tmp_path / "m.txt").shape == (12, 5) and lines[1] == "# homography_0to1"
    matrix = np.array([[float(word) for word in line[2:].split()] for line in lines[2:5]])
    np.testing.assert_allclose(matrix, found.homography_0to1, rtol=1e-6)
    with pytest.raises(ValueError, match=r"m\.csv: matches are written as"):
        save_matches(tmp_path / "m.csv", found)


def test_a_detector_alone_is_refused():
    with pytest.raises(ValueError, match="a detector alone"):
        align(lambda image: Features(np.zeros((1, 2)), np.zeros(1)), IMAGE, IMAGE)
