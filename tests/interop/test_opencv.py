from __future__ import annotations

import cv2
import numpy as np
import pytest

from superpoint_tf import SuperPoint
from superpoint_tf.config import NetworkConfig
from superpoint_tf.features import Features
from superpoint_tf.interop.opencv import OpenCVPatchDescriptor, OpenCVSuperPoint, from_cv_keypoints, to_cv_keypoints
from superpoint_tf.models.patch_model import PatchModel
from superpoint_tf.networks.build import build_network

SETTINGS = {"detection_threshold": 0.001, "border_px": 0}


@pytest.fixture(scope="module")
def model() -> SuperPoint:
    return SuperPoint(build_network(NetworkConfig(width=1 / 16, batch_norm=False, descriptor_dim=8), seed=5))


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def test_keypoints_come_back_from_opencv_as_they_went():
    features = Features(np.array([[3.25, 4.5], [0, 9]], np.float32), np.array([0.7, 0.2], np.float32))
    keypoints = to_cv_keypoints(features)
    assert [(k.pt, round(k.response, 6), k.angle) for k in keypoints] == [((3.25, 4.5), 0.7, -1), ((0, 9), 0.2, -1)]
    back = from_cv_keypoints(keypoints)
    np.testing.assert_array_equal(back.keypoints, features.keypoints)
    np.testing.assert_array_equal(back.scores, features.scores)


def test_keypoints_of_opencv_are_sorted_by_response_with_their_descriptors():
    keypoints = [cv2.KeyPoint(1, 2, 3, -1, 0.1), cv2.KeyPoint(5, 6, 3, -1, 0.9)]
    found = from_cv_keypoints(keypoints, np.array([[1.0], [2.0]]))
    assert found.keypoints.tolist() == [[5, 6], [1, 2]] and found.descriptors is not None
    assert found.descriptors.tolist() == [[2.0], [1.0]]
    assert from_cv_keypoints([]).keypoints.shape == (0, 2)
    with pytest.raises(ValueError, match="1 descriptors for 2 keypoints"):
        from_cv_keypoints(keypoints, np.zeros((1, 8)))


def test_bgr_pictures_give_what_rgb_ones_give_the_model(model: SuperPoint, image: np.ndarray):
    keypoints, descriptors = OpenCVSuperPoint(model, max_keypoints=20, **SETTINGS).detectAndCompute(image, None)
    expected = model.extract(image[..., ::-1], max_keypoints=20, **SETTINGS)
    np.testing.assert_array_equal([k.pt for k in keypoints], expected.keypoints)
    np.testing.assert_array_equal(descriptors, expected.descriptors)
    assert len(keypoints) == 20


def test_nothing_is_found_under_the_mask_and_the_budget_counts_outside_it(model: SuperPoint, image: np.ndarray):
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[:, 40:] = 255
    detector = OpenCVSuperPoint(model, max_keypoints=5, **SETTINGS)
    keypoints = detector.detect(image, mask)
    assert len(keypoints) == 5 and all(keypoint.pt[0] >= 40 for keypoint in keypoints)
    with pytest.raises(ValueError, match=r"mask has shape \(2, 2\)"):
        detector.detect(image, mask[:2, :2])


@pytest.mark.parametrize("settings", [SETTINGS, {**SETTINGS, "scales": (1, 1.5), "phases": 2}])
def test_compute_describes_the_keypoints_it_is_given(model: SuperPoint, image: np.ndarray, settings: dict):
    detector = OpenCVSuperPoint(model, max_keypoints=10, **settings)
    keypoints, descriptors = detector.detectAndCompute(image)
    same, again = detector.compute(image, keypoints)
    assert same == keypoints
    np.testing.assert_array_equal(again, descriptors)


def test_opencvs_matcher_takes_descriptors_and_norm(model: SuperPoint, image: np.ndarray):
    detector = OpenCVSuperPoint(model, max_keypoints=10, **SETTINGS)
    _, descriptors = detector.detectAndCompute(image)
    assert descriptors is not None
    assert descriptors.shape[1] == detector.descriptorSize() and descriptors.dtype == np.float32
    assert detector.descriptorType() == cv2.CV_32F and not detector.empty()
    matches = cv2.BFMatcher(detector.defaultNorm(), crossCheck=True).match(descriptors, descriptors)
    assert [match.distance for match in matches] == pytest.approx([0] * len(descriptors), abs=1e-3)


def test_sizes_and_angles_of_opencvs_keypoints_come_and_go():
    found = from_cv_keypoints([cv2.KeyPoint(1, 2, 3, 45, 0.1), cv2.KeyPoint(5, 6, 7, -1, 0.9)])
    assert found.sizes is not None and found.sizes.tolist() == [7, 3]
    assert found.angles_deg is not None and found.angles_deg.tolist() == [-1, 45]
    assert [(k.size, k.angle) for k in to_cv_keypoints(found)] == [(7, -1), (3, 45)]
    assert to_cv_keypoints(found._replace(sizes=None, angles_deg=None), size_px=5.0)[0].size == 5


def patch_descriptor(system: str, detector: cv2.Feature2D | None = None) -> OpenCVPatchDescriptor:
    return OpenCVPatchDescriptor(PatchModel(build_network(NetworkConfig(system=system)), system), detector)


@pytest.mark.parametrize("detector", [None, cv2.ORB.create(20, edgeThreshold=5, patchSize=5)])
def test_a_patch_system_describes_the_keypoints_of_any_detector(detector: cv2.Feature2D | None, image: np.ndarray):
    hardnet = patch_descriptor("hardnet", detector)
    keypoints, descriptors = hardnet.detectAndCompute(image, None)
    assert len(keypoints) > 5 and descriptors.shape == (len(keypoints), hardnet.descriptorSize())
    assert hardnet.descriptorType() == cv2.CV_32F and not hardnet.empty()
    order = np.argsort([-k.response for k in keypoints], kind="stable")
    features = from_cv_keypoints(keypoints)
    expected = hardnet._model.describe(image[..., ::-1], features)
    np.testing.assert_allclose(descriptors[order], expected, atol=1e-5)  # in their order, of a BGR picture
    matches = cv2.BFMatcher(hardnet.defaultNorm()).match(descriptors, descriptors)
    assert [match.distance for match in matches] == pytest.approx([0] * len(keypoints), abs=1e-3)


def test_bits_of_a_binary_system_are_matched_by_hamming(image: np.ndarray):
    binary = patch_descriptor("binary-l2net")
    _, descriptors = binary.detectAndCompute(image)
    assert descriptors.dtype == np.uint8 and descriptors.shape[1] == binary.descriptorSize() == 16
    assert (binary.descriptorType(), binary.defaultNorm()) == (cv2.CV_8U, cv2.NORM_HAMMING)


def test_a_mask_is_the_detectors_and_a_system_of_scores_is_refused(image: np.ndarray):
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[:, 32:] = 255
    assert all(keypoint.pt[0] > 31 for keypoint in patch_descriptor("tfeat").detect(image, mask))
    with pytest.raises(ValueError, match="siam gives scores of pairs"):
        patch_descriptor("siam")


def test_a_picture_with_opacity_is_read_as_without(model: SuperPoint, image: np.ndarray):
    detector = OpenCVSuperPoint(model, max_keypoints=10, **SETTINGS)
    expected = detector.detectAndCompute(image)
    for opacity in (255, 0):
        found = detector.detectAndCompute(np.dstack([image, np.full(image.shape[:2], opacity, np.uint8)]))
        assert [keypoint.pt for keypoint in found[0]] == [keypoint.pt for keypoint in expected[0]]
        np.testing.assert_array_equal(found[1], expected[1])


def test_without_keypoints_descriptors_are_none_as_those_of_sift_are(model: SuperPoint, image: np.ndarray):
    blank, nothing = np.full((48, 64), 128, np.uint8), np.zeros(image.shape[:2], np.uint8)
    assert cv2.SIFT.create().detectAndCompute(blank, None)[1] is None
    detector = OpenCVSuperPoint(model, **{**SETTINGS, "detection_threshold": 0.99})
    assert detector.detectAndCompute(blank) == ((), None)
    assert OpenCVSuperPoint(model, **SETTINGS).detectAndCompute(image, nothing) == ((), None)
    assert detector.compute(image, []) == ((), None)


@pytest.mark.parametrize("kind", [np.uint8, bool, np.int32])
def test_masks_of_all_kinds_say_the_same(model: SuperPoint, image: np.ndarray, kind: type):
    mask = np.zeros((*image.shape[:2], 1), kind)
    mask[:, 40:] = 1
    keypoints = OpenCVSuperPoint(model, max_keypoints=5, **SETTINGS).detect(image, mask)
    assert len(keypoints) == 5 and all(keypoint.pt[0] >= 40 for keypoint in keypoints)
    with pytest.raises(ValueError, match="mask has dtype float64"):
        OpenCVSuperPoint(model, **SETTINGS).detect(image, mask.astype(float))
