"""Exchanged axes: the geometry is that of the pair, seen in a mirror along the diagonal."""

from __future__ import annotations

import numpy as np

from superpoint_tf.evaluation.in_memory import evaluate_pairs
from superpoint_tf.evaluation.methods.methods import load_extractors
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import ImagePair, View
from superpoint_tf.evaluation.sets.exchange import exchange_axes, in_both_ways, make_in_both_ways
from superpoint_tf.features import Features
from superpoint_tf.geometry.numpy_reference import warp_points_numpy

HOMOGRAPHY = np.array([[1.1, 0.2, 3.0], [-0.1, 0.9, 5.0], [1e-3, 2e-3, 1.0]])


def pair(height: int = 40, width: int = 56) -> ImagePair:
    images = np.random.default_rng(0).integers(0, 256, (2, height, width), dtype=np.uint8)
    return ImagePair("a", "random", View("a/0", images[0]), View("a/1", images[1]), HOMOGRAPHY)


def test_a_point_goes_where_it_went_with_x_and_y_exchanged():
    exchanged, points = exchange_axes(pair()), np.array([[0.0, 0], [7, 3], [55, 39]])
    np.testing.assert_allclose(
        warp_points_numpy(points[:, ::-1], exchanged.homography_0to1),
        warp_points_numpy(points, HOMOGRAPHY)[:, ::-1],
        rtol=1e-12,
    )
    exchange = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(exchanged.homography_0to1, exchange @ HOMOGRAPHY @ exchange)


def test_pixels_are_transposed_and_a_second_exchange_gives_the_pair_back():
    once = exchange_axes(pair())
    assert once.image0.shape == once.image1.shape == (56, 40) and once.image0.flags["C_CONTIGUOUS"]
    assert once.image1[3, 7] == pair().image1[7, 3]
    twice = exchange_axes(once)
    np.testing.assert_array_equal(twice.image1, pair().image1)
    np.testing.assert_array_equal(twice.homography_0to1, HOMOGRAPHY)


def test_the_pair_keeps_its_name_and_its_views_and_group_get_others():
    exchanged = exchange_axes(pair())
    assert (exchanged.name, exchanged.group) == ("a", "random, x and y exchanged")
    assert (exchanged.view0.name, exchanged.view1.name) == ("exchanged/a/0", "exchanged/a/1")
    assert [p.group for p in in_both_ways([pair()])] == ["random", exchanged.group]
    made = make_in_both_ways(lambda shape: [pair(*shape)])((16, 24))
    assert [p.image0.shape for p in made] == [(16, 24), (24, 16)]


def test_a_method_without_a_favoured_axis_has_the_same_values_in_both_ways():
    protocol = PairProtocol((40, 56), 30, 4)

    def bright(image: np.ndarray, nms_radius_px: int) -> Features:
        """Find the 30 brightest pixels; equal ones in no order that an axis decides."""
        y, x = np.nonzero(image > np.sort(image.ravel())[-30])
        order = np.lexsort((x * y, x + y, -image[y, x].astype(int)))
        return Features(np.stack([x, y], -1)[order].astype(np.float32), image[y, x][order].astype(np.float32))

    same, exchanged = evaluate_pairs(in_both_ways([pair()]), {"bright": bright}, protocol)
    assert same.values["shared_keypoints"] > 5
    for name, value in same.values.items():
        np.testing.assert_allclose(exchanged.values[name], value, rtol=1e-6, err_msg=name)


def test_the_shared_area_is_that_of_the_exchanged_frame():
    """A frame of 24x96 exchanged is 96x24: judged in the old frame, most of its keypoints would be outside."""
    image = np.random.default_rng(1).integers(0, 256, (24, 96), dtype=np.uint8)
    still = ImagePair("a", "random", View("a/0", image), View("a/1", image), np.eye(3))
    results = evaluate_pairs(in_both_ways([still]), load_extractors(["Harris"]), PairProtocol((24, 96), 300, 2))
    counts = [result.values["shared_keypoints"] for result in results]
    assert counts[0] > 30 and abs(counts[1] / counts[0] - 1) < 0.1
