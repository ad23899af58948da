"""Which points of two views the keypoint loss is given: a fair choice of the labelled ones, and drawn ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import JointSection
from superpoint_tf.losses.correspondences import Correspondences, choose_correspondences, count_correspondences
from superpoint_tf.losses.loss_randomness import CHOICE, MOVE, sample_uniforms

ROWS, COLUMNS = 5, 6
_compiled = tf.function(choose_correspondences)  # a loop over samples, slow outside a graph
NAN = np.nan
SHIFT = np.array([[1, 0, 8], [0, 1, -16], [0, 0, 1]], np.float32)


def choose(points0: Any, points1: Any = None, valid: Any = None, homography: Any = None, **settings: Any) -> Any:
    points0 = tf.constant(points0, tf.float32)
    points1 = points0 if points1 is None else tf.constant(points1, tf.float32)
    batch = points0.shape[0]
    valid = tf.ones((batch, ROWS, COLUMNS), tf.bool) if valid is None else tf.constant(valid)
    homographies = tf.tile(
        tf.constant(np.eye(3) if homography is None else homography, tf.float32)[None], (batch, 1, 1)
    )
    seeds = tf.constant([[5, 7 * number] for number in range(batch)], tf.int64)
    return _compiled(points0, points1, homographies, valid, valid, seeds, JointSection(**settings))


def grid_points(batch: int, count: int) -> np.ndarray:
    return np.stack([np.stack([np.arange(count), np.arange(count)], axis=1)] * batch).astype(np.float32)


def test_all_are_kept_where_there_are_fewer_than_the_most() -> None:
    chosen = choose([[[1, 2], [NAN, NAN], [3, 4]]], [[[5, 6], [NAN, NAN], [7, 8]]])
    assert chosen.present.numpy().sum() == 2 and float(count_correspondences(chosen)) == 4
    rows = np.concatenate([chosen.points0, chosen.points1], axis=-1)[chosen.present]
    assert sorted(map(tuple, rows)) == [(1, 2, 5, 6), (3, 4, 7, 8)]


def test_a_row_that_one_view_lacks_is_none() -> None:
    assert not choose([[[1, 2], [3, 4]]], [[[NAN, NAN], [7, NAN]]]).present.numpy().any()


def test_of_too_many_each_has_the_same_chance_and_no_empty_row_is_taken() -> None:
    points = grid_points(500, 6)
    points[:, 1] = NAN
    chosen = choose(points, max_keypoints=2)
    assert chosen.points0.shape == (500, 2, 2) and chosen.present.numpy().all()
    times = np.bincount(chosen.points0.numpy()[..., 0].astype(int).ravel(), minlength=6)
    assert times[1] == 0
    np.testing.assert_allclose(np.delete(times, 1), 200, atol=45)  # standard deviation 11


def test_a_sample_is_chosen_alike_alone_and_in_its_batch_and_however_many_empty_rows_follow() -> None:
    points = grid_points(3, 9)
    together = choose(points, max_keypoints=4, random_points=3)
    longer = choose(np.concatenate([points, np.full_like(points, NAN)], axis=1), max_keypoints=4, random_points=3)
    alone = choose_correspondences(
        tf.constant(points[2:]),
        tf.constant(points[2:]),
        tf.eye(3)[None],
        *[tf.ones((1, ROWS, COLUMNS), tf.bool)] * 2,
        tf.constant([[5, 14]], tf.int64),
        JointSection(max_keypoints=4, random_points=3),
    )
    for one, other, third in zip(together, longer, alone, strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one[2:], third)


@pytest.mark.parametrize("xla", [False, True])
def test_an_unknown_number_of_points_gives_a_known_shape(xla: bool) -> None:
    points, config = grid_points(1, 3), JointSection(max_keypoints=5)
    valid = tf.ones((1, ROWS, COLUMNS), tf.bool)

    def chosen(points: tf.Tensor) -> Correspondences:
        result = choose_correspondences(points, points, tf.eye(3)[None], valid, valid, tf.constant([[1, 2]]), config)
        assert result.points0.shape == (1, 5, 2)
        return result

    compiled = tf.function(chosen, input_signature=[tf.TensorSpec((1, None, 2))], jit_compile=xla)
    assert compiled(tf.constant(points)).present.numpy().sum() == 3
    assert compiled(tf.constant(grid_points(1, 12))).present.numpy().sum() == 5


def test_drawn_points_are_spread_over_the_frame_and_warped() -> None:
    chosen = choose(np.full((4, 1, 2), NAN), homography=SHIFT, random_points=500)
    present = chosen.present.numpy()[:, 1:]
    drawn, warped = chosen.points0.numpy()[:, 1:][present], chosen.points1.numpy()[:, 1:][present]
    np.testing.assert_allclose(warped - drawn, np.broadcast_to([8.0, -16.0], drawn.shape), atol=1e-4)
    # 8 of 48 columns leave on the right, 16 of 40 rows above
    assert present.mean() == pytest.approx(40 / 48 * 24 / 40, abs=0.04)
    np.testing.assert_allclose(drawn.min(axis=0), [-0.5, 15.5], atol=0.5)
    np.testing.assert_allclose(drawn.max(axis=0), [39.5, 39.5], atol=0.5)


def test_drawn_points_stay_where_both_views_are_valid() -> None:
    valid = np.zeros((1, ROWS, COLUMNS), bool)
    valid[0, 2, 3] = valid[0, 2, 4] = True
    chosen = choose(
        np.full((1, 1, 2), NAN), valid=valid, homography=[[1, 0, 8], [0, 1, 0], [0, 0, 1]], random_points=999
    )
    drawn = chosen.points0.numpy()[chosen.present]
    assert len(drawn) > 10  # the cell (2, 3), which comes to lie on the cell (2, 4), is a thirtieth of the frame
    assert (np.floor((drawn + 0.5) / 8) == [3, 2]).all()


def test_a_homography_behind_the_camera_gives_none() -> None:
    assert not choose(np.full((1, 1, 2), NAN), homography=np.diag([1, 1, -1]), random_points=9).present.numpy().any()


def test_purposes_draw_different_numbers_and_more_of_them_begin_with_the_same() -> None:
    seeds = tf.constant([[3, 4], [3, 5]], tf.int64)
    few, many = sample_uniforms(seeds, CHOICE, 3).numpy(), sample_uniforms(seeds, CHOICE, 8).numpy()
    np.testing.assert_array_equal(few, many[:, :3])
    assert not np.allclose(few[0], few[1])
    assert not np.allclose(few, sample_uniforms(seeds, MOVE, 3))


def test_xla_draws_the_same_numbers_as_plain_tensorflow() -> None:
    seeds = tf.constant([[3, 4], [3, 5]], tf.int64)
    compiled = tf.function(lambda seeds: sample_uniforms(seeds, CHOICE, 9), jit_compile=True)
    np.testing.assert_array_equal(compiled(seeds), sample_uniforms(seeds, CHOICE, 9))
