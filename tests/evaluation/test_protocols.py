"""Protocols: equal budget and suppression, failures counted, deterministic."""

import cv2
import numpy as np
import pytest

from superpoint_tf.evaluation import in_memory as protocols
from superpoint_tf.evaluation import pair_protocol
from superpoint_tf.evaluation.in_memory import evaluate_pairs, suppressed
from superpoint_tf.evaluation.pair_averages import PairResult, summarize
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import ImagePair, View
from superpoint_tf.features import Features

SMALL = PairProtocol((100, 200), max_keypoints=3, nms_radius_px=4)
XY = np.array([[20, 20], [60, 30], [150, 80], [180, 10], [100, 50], [22, 20]], np.float32)


def described(xy: np.ndarray, step: float = 1) -> Features:
    return Features(xy, np.linspace(1, 0.1, len(xy), dtype=np.float32), np.arange(len(xy))[:, None] * np.float32(step))


def pair(number: int = 0, group: str = "v", homography: np.ndarray | None = None) -> ImagePair:
    views = (View(f"{v}", np.full((100, 200), v, np.uint8)) for v in (2 * number, 2 * number + 1))
    return ImagePair(f"pair {number}", group, *views, np.eye(3) if homography is None else homography)


def test_suppression_and_budget_are_the_protocols():
    results = evaluate_pairs([pair()], {"dots": suppressed(lambda image: described(XY))}, SMALL)
    assert results[0].values["keypoints"] == 3  # of five that the suppression leaves of six
    everything = PairProtocol((100, 200), max_keypoints=100, nms_radius_px=4)
    assert evaluate_pairs([pair()], {"d": suppressed(lambda i: described(XY))}, everything)[0].values["keypoints"] == 5


def test_a_perfect_extractor_scores_one_everywhere():
    protocol = PairProtocol((100, 200), max_keypoints=100, nms_radius_px=0)
    values = evaluate_pairs([pair()], {"perfect": lambda image, radius: described(XY)}, protocol)[0].values
    for name in ("repeatability", "matching_score", "nn_map", "mma_1", "mma_10"):
        assert values[name] == 1, name
    assert values["corner_error_px"] < 1e-3 and values["localization_px"] == 0 and values["matches"] == 6


@pytest.mark.parametrize("empty", [(True, True), (True, False), (False, True)])
def test_an_extractor_that_finds_nothing_keeps_its_rows_with_failures(empty):
    def extract(image, radius):
        return described(XY).take(slice(0 if empty[int(image[0, 0])] else None))

    row = summarize(evaluate_pairs([pair()], {"blind": extract}, SMALL))[0]
    assert row["pairs"] == 1 and np.isnan(row.pop("localization_px"))
    assert all(row[name] == 0 for name in ("repeatability", "matching_score", "nn_map", "mma_3", "matches"))
    assert row["h_5"] == row["auc_5"] == 0


def test_a_detector_alone_has_no_matching_values():
    values = evaluate_pairs([pair()], {"d": lambda i, r: described(XY)._replace(descriptors=None)}, SMALL)[0].values
    curve = {f"repeatability_{threshold}" for threshold in range(1, 11)}
    assert set(values) == {"keypoints", "repeatability", "localization_px", "shared_keypoints"} | curve


def test_fewer_than_four_matches_give_no_homography():
    assert pair_protocol.estimate_homography(XY[:3], XY[:3]) is None


def test_points_in_line_or_in_one_place_fail_without_raising():
    for points in (np.ones((10, 2), np.float32), np.stack([np.arange(10)] * 2, axis=1).astype(np.float32)):
        estimated = pair_protocol.estimate_homography(points, points)
        assert estimated is None or estimated.shape == (3, 3)


def test_ransac_gives_the_same_bits_whatever_the_global_random_state():
    generator = np.random.default_rng(0)
    points0 = generator.uniform(0, 200, (60, 2)).astype(np.float32)
    points1 = np.where(np.arange(60)[:, None] % 2, points0 + np.float32(5), generator.uniform(0, 200, (60, 2))).astype(
        np.float32
    )
    found = []
    for seed in (0, 1, 2):
        cv2.setRNGSeed(seed)
        cv2.randu(np.zeros(7), 0, 1)
        found.append(pair_protocol.estimate_homography(points0, points1))
    assert all(np.array_equal(found[0], other) for other in found)


def test_a_first_image_shared_by_pairs_is_extracted_once():
    calls = []
    first = pair()
    others = [ImagePair("other", "v", first.view0, View("1", first.image1 + n), np.eye(3)) for n in range(3)]
    evaluate_pairs(others, {"m": lambda image, radius: calls.append(image[0, 0]) or described(XY)}, SMALL)
    assert calls.count(0) == 1 and len(calls) == 4


def test_summary_averages_each_group_and_counts_failures():
    results = [
        PairResult("m", "a", "v", {"repeatability": 1.0, "localization_px": 2.0, "corner_error_px": 0.5}),
        PairResult("m", "b", "v", {"repeatability": 0.0, "localization_px": np.nan, "corner_error_px": np.inf}),
        PairResult("m", "c", "i", {"repeatability": 0.2, "localization_px": np.nan, "corner_error_px": 4.0}),
    ]
    v, i = summarize(results)
    assert (v["group"], v["pairs"], v["repeatability"], v["localization_px"]) == ("v", 2, 0.5, 2.0)
    assert [v[f"h_{t}"] for t in (1, 3, 5)] == [0.5, 0.5, 0.5]
    assert [i[f"h_{t}"] for t in (1, 3, 5)] == [0, 0, 1] and np.isnan(i["localization_px"])


def test_shapes_are_pooled_and_told_apart_by_primitive():
    def extract(image, radius):
        return Features(np.array([[10, 10]], np.float32), image[0, :1].astype(np.float32))

    corner, none = np.array([[10, 12]], np.float32), np.zeros((0, 2), np.float32)
    strong, weak = np.full((20, 20), 9, np.uint8), np.full((20, 20), 5, np.uint8)
    found = protocols.evaluate_shapes([(weak, corner, "cube"), (strong, none, "noise")], extract)
    assert found["cube"] == (1, 2) and found["all"] == (0.5, 2)
    assert np.isnan(found["noise"]).all()
