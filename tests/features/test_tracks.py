"""Tracks: keypoints go on where descriptors are mutual nearest neighbours, and end where they are not."""

from __future__ import annotations

import numpy as np
import pytest

from superpoint_tf.features import Features
from superpoint_tf.features.tracks import Tracks


def frame(*places: tuple[float, float, int]) -> Features:
    """Return keypoints (x, y) whose descriptor is the unit vector of that number."""
    keypoints = np.array([place[:2] for place in places], np.float32).reshape(-1, 2)
    return Features(keypoints, np.ones(len(places), np.float32), np.eye(4, dtype=np.float32)[[p[2] for p in places]])


def test_a_path_grows_while_its_keypoint_is_found_again_and_begins_anew_after_a_gap() -> None:
    tracks = Tracks()
    tracks.add(frame((0, 0, 0), (9, 9, 1)))
    paths = tracks.add(frame((9, 8, 1), (1, 0, 0), (5, 5, 2)))
    assert [path.tolist() for path in paths] == [[[9, 9], [9, 8]], [[0, 0], [1, 0]], [[5, 5]]]
    paths = tracks.add(frame((2, 0, 0)))
    assert [path.tolist() for path in paths] == [[[0, 0], [1, 0], [2, 0]]]
    assert [len(path) for path in tracks.add(frame((9, 7, 1), (3, 0, 0)))] == [1, 4]


def test_a_path_has_at_most_the_length_asked_for() -> None:
    tracks = Tracks(length=3)
    for x in range(6):
        (path,) = tracks.add(frame((x, 0, 0)))
    assert path.tolist() == [[3, 0], [4, 0], [5, 0]]


def test_neighbours_that_are_too_far_apart_do_not_go_on() -> None:
    tracks = Tracks(max_distance=1.4)  # orthogonal unit vectors are 1.414 apart
    tracks.add(frame((0, 0, 0)))
    assert [len(path) for path in tracks.add(frame((0, 0, 1)))] == [1]


def test_a_frame_without_keypoints_ends_all_paths() -> None:
    tracks = Tracks()
    tracks.add(frame((0, 0, 0)))
    assert tracks.add(frame()) == []
    assert [len(path) for path in tracks.add(frame((0, 0, 0)))] == [1]


def test_a_detector_alone_is_an_error() -> None:
    with pytest.raises(ValueError, match="no descriptors to follow"):
        Tracks().add(Features(np.zeros((1, 2), np.float32), np.ones(1, np.float32)))


def test_a_length_without_a_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="length: 0 frames; give 1 or more"):
        Tracks(length=0)
