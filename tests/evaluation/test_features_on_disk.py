"""Features of other programs: found under three names, brought into the frame, suppressed like all others."""

from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.evaluation.methods.features_on_disk import load_features_on_disk
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import Origin, View
from superpoint_tf.features import Features
from superpoint_tf.features.feature_files import open_features, write_features

PROTOCOL = PairProtocol((100, 200), max_keypoints=10, nms_radius_px=4)
# the original is 400x240; halved to 200x120 and 10 rows cut from the top: x' = x/2 - 1/4, y' = y/2 - 1/4 - 10
TO_FRAME = np.array([[0.5, 0, -0.25], [0, 0.5, -10.25], [0, 0, 1]])
VIEW = View("v_a/1", np.zeros((100, 200), np.uint8), Origin("v_a/1.ppm", (240, 400), TO_FRAME))


def features(*xy: tuple[float, float]) -> Features:
    keypoints = np.array(xy, np.float32)
    return Features(keypoints, np.arange(len(xy), dtype=np.float32), np.eye(len(xy), 16, dtype=np.float32))


def find(tmp_path: Path, name: str, written: Features, shape: tuple[int, int]) -> Features:
    with open_features(tmp_path / "f.h5", "a") as file:
        write_features(file, name, written, shape)
    return load_features_on_disk(str(tmp_path / "f.h5")).find(VIEW, "100x200", PROTOCOL)


@pytest.mark.parametrize("name", ["100x200/v_a/1", "100x200/v_a/1.png"])
def test_features_of_the_frame_are_taken_strongest_first(tmp_path, name):
    found = find(tmp_path, name, features((10, 20), (100, 50)), (100, 200))
    assert found.keypoints.tolist() == [[100, 50], [10, 20]] and found.scores.tolist() == [1, 0]
    np.testing.assert_array_equal(found.descriptors, np.eye(2, 16)[::-1])


def test_features_of_the_original_are_brought_into_the_frame_and_those_outside_left_out(tmp_path):
    found = find(tmp_path, "v_a/1.ppm", features((100.5, 80.5), (100, 5), (399.5, 239)), (240, 400))
    assert found.keypoints.tolist() == [[50, 30]]  # one lies above the crop, one beyond the last pixel


def test_the_protocols_suppression_is_applied(tmp_path):
    found = find(tmp_path, "100x200/v_a/1", features((10, 20), (13, 20), (30, 20)), (100, 200))
    assert found.keypoints.tolist() == [[30, 20], [13, 20]]


def test_our_own_files_serve_with_all_their_keypoints(tmp_path):
    from superpoint_tf.evaluation.feature_store import FeatureStore

    with FeatureStore(tmp_path / "f.h5", {"kind": "test"}) as store:
        store.open_setting("100x200", PROTOCOL)
        xy = [(float(x), 50.0) for x in range(10, 190, 15)]
        store.write("100x200/v_a/1", features(*xy)._replace(scores=np.linspace(1, 0, 12)), (100, 200), "hash", 10)
    found = load_features_on_disk(str(tmp_path / "f.h5")).find(VIEW, "100x200", PROTOCOL)
    assert len(found.keypoints) == 12 and len(found.descriptors) == 10


def test_a_missing_picture_and_another_size_are_errors_that_say_where(tmp_path):
    with pytest.raises(ValueError, match=r"f\.h5: no features under 100x200/v_a/1, .*\.png or v_a/1\.ppm"):
        find(tmp_path, "v_b/1.ppm", features((1, 1)), (240, 400))
    with pytest.raises(ValueError, match=r"v_a/1\.ppm: image_size is 320x240, the picture is 400x240"):
        find(tmp_path, "v_a/1.ppm", features((1, 1)), (240, 320))
