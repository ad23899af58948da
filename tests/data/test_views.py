"""Views and what of them counts: both warped, from pictures of more pixels, later ranges, known areas, points."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import CELL, ConfigError, HomographyConfig
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.batches.detector_batch import detector_batch
from superpoint_tf.data.batches.pair_batch import pair_batch
from superpoint_tf.data.views import ViewSettings, sample_view_homographies, takes_later_views, to_unit, warped_view
from superpoint_tf.geometry.numpy_reference import warp_image_numpy, warp_points_numpy
from superpoint_tf.geometry.warp import warp_points
from superpoint_tf.models.images import prepare_image

SHAPE = (48, 64)
NEAR = HomographyConfig(max_angle_deg=30.0)
STILL = HomographyConfig(1.0, 0.0, 0.0, 0.0, 0.0, max_angle_deg=0.0, valid_border_px=0)
FAR = dataclasses.replace(NEAR, max_angle_deg=90.0, max_zoom=2.0)
COUNT = 12
DOT = (30.0, 22.0)


def smooth_picture(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    return (128 + 60 * np.sin(x * 12 / shape[1]) + 60 * np.cos(y * 10 / shape[0])).astype(np.uint8)


def batch_of(count: int = COUNT, **changes: Any) -> dict[str, tf.Tensor]:
    picture = smooth_picture()
    batch = {
        "numbers": np.arange(count),
        "images": np.stack([picture] * count),
        "images1": np.stack([picture] * count),
        "keypoints": np.tile(np.array([[DOT, (3.0, 40.0)]], np.float32), (count, 1, 1)),
    }
    return {name: tf.constant(value) for name, value in {**batch, **changes}.items()}


def labels_of(cells: np.ndarray) -> set[tuple[int, int]]:
    rows, columns = np.nonzero(cells < CELL * CELL)
    return {
        (int(c * CELL + cells[r, c] % CELL), int(r * CELL + cells[r, c] // CELL))
        for r, c in zip(rows, columns, strict=True)
    }


def test_outside_of_graphs_grey_levels_become_what_the_model_makes_of_them():
    levels = np.arange(256, dtype=np.uint8).reshape(8, 32)
    np.testing.assert_array_equal(to_unit(levels)[..., None], prepare_image(levels))  # to the last bit


# ------------------------------------------------------------------------------------------------ both views


def test_with_both_views_warped_the_homography_between_them_maps_what_one_shows_to_the_other():
    pairs = pair_batch(batch_of(), 1, ViewSettings(NEAR, both=True))
    between = pairs["homography_0to1"].numpy().astype(np.float64)
    seen = 0
    for index in range(COUNT):
        truth = warp_image_numpy(pairs["images0"].numpy()[index, ..., 0] * 255.0, between[index])
        shown = pairs["images1"].numpy()[index, ..., 0] * 255.0
        ones = warp_image_numpy(np.repeat(np.repeat(pairs["cells_valid0"].numpy()[index], 8, 0), 8, 1), between[index])
        both = (ones > 0.999) & np.repeat(np.repeat(pairs["cells_valid1"].numpy()[index], 8, 0), 8, 1)
        seen += int(both.sum())
        assert not both.any() or np.abs(truth - shown)[both].mean() < 2.0  # twice resampled
    assert seen > COUNT * 100


def test_view_0_of_both_has_a_homography_of_its_own_and_view_1_the_one_it_has_alone():
    alone, both = (pair_batch(batch_of(), 1, ViewSettings(NEAR, both=both)) for both in (False, True))
    np.testing.assert_array_equal(alone["images1"], both["images1"])
    np.testing.assert_array_equal(alone["cell_labels1"], both["cell_labels1"])
    assert not np.allclose(alone["images0"], both["images0"], atol=0.1)
    assert not both["cells_valid0"].numpy().all()


def test_points_correspond_row_by_row_by_the_homography_and_are_absent_together():
    for settings in (ViewSettings(NEAR), ViewSettings(NEAR, both=True)):
        pairs = pair_batch(batch_of(), 1, settings)
        assert pairs["points0"].shape == (COUNT, 128, 2)  # a step meets few shapes
        assert np.isnan(pairs["points0"].numpy()[:, 2:]).all()
        pairs = {name: value[:, :2] if name.startswith("points") else value for name, value in pairs.items()}
        points0, points1 = pairs["points0"].numpy(), pairs["points1"].numpy()
        absent = np.isnan(points0).any(axis=-1)
        np.testing.assert_array_equal(absent, np.isnan(points1).any(axis=-1))
        assert 0.2 < absent.mean() < 0.8  # the second one lies near the frame's edge
        projected = warp_points(pairs["points0"], pairs["homography_0to1"]).numpy()
        np.testing.assert_allclose(projected[~absent], points1[~absent], atol=1e-2)


def test_shift_seeds_differ_by_number_and_key():
    one, other = (pair_batch(batch_of(3), key, ViewSettings(STILL))["shift_seeds"].numpy() for key in (1, 2**55 + 1))
    assert one.dtype == np.int64 and len({tuple(row) for row in (*one, *other)}) == 6


# ------------------------------------------------------------------------------------------------ targets


def test_bilinear_targets_are_distributions_whose_certain_cells_are_the_labels():
    labels = pair_batch(batch_of(), 1, ViewSettings(STILL))
    targets = pair_batch(batch_of(), 1, ViewSettings(STILL, targets="bilinear"))
    for view in (0, 1):
        soft = targets[f"cell_labels{view}"]
        assert soft.shape == (COUNT, 6, 8, 65) and soft.dtype == tf.float32
        np.testing.assert_array_equal(soft, tf.one_hot(labels[f"cell_labels{view}"], 65))
    warped = detector_batch(batch_of(), 1, ViewSettings(NEAR, targets="bilinear"))["cell_labels"].numpy()
    np.testing.assert_allclose(warped.sum(axis=-1), 1.0, atol=1e-6)


# ------------------------------------------------------------------------------------------------ known areas


def known_inside(border_px: int, count: int = COUNT) -> np.ndarray:
    known = np.zeros((count, *SHAPE), bool)
    known[:, border_px:-border_px, border_px:-border_px] = True
    return known


def lost_near_the_border(border_px: int) -> np.ndarray:
    """Keypoints on every pixel that the labels cannot know: what the border cut away."""
    y, x = np.nonzero(~known_inside(border_px, 1)[0])
    return np.stack([x, y], axis=1).astype(np.float64)


@pytest.mark.parametrize("border_px", [5, 8, 12])
@pytest.mark.parametrize("cut_px", [0, 3])
@pytest.mark.parametrize("both", [False, True])
def test_a_label_that_the_border_cut_away_is_never_no_keypoint(border_px: int, cut_px: int, both: bool):
    homography, lost = dataclasses.replace(NEAR, valid_border_px=cut_px), lost_near_the_border(border_px)
    settings = ViewSettings(homography, both=both)
    batch = batch_of(known=known_inside(border_px))
    pairs, single = pair_batch(batch, 1, settings), detector_batch(batch, 1, settings)
    to_view1 = sample_view_homographies(batch["numbers"], 1, settings, SHAPE).numpy().astype(np.float64)
    to_view0 = np.linalg.inv(pairs["homography_0to1"].numpy().astype(np.float64)) @ to_view1
    views = [(to_view0, pairs["cells_valid0"]), (to_view1, pairs["cells_valid1"]), (to_view1, single["cells_valid"])]
    for homographies, valid in views:
        assert valid.numpy().any()
        for homography, cells in zip(homographies, valid.numpy(), strict=True):
            pixels = np.floor(warp_points_numpy(lost, homography / abs(homography[2, 2])) + 0.5)
            inside = (pixels >= 0).all(axis=1) & (pixels < (SHAPE[1], SHAPE[0])).all(axis=1)
            x, y = pixels[inside].astype(int).T
            assert not cells[y // CELL, x // CELL].any()


@pytest.mark.parametrize("shrink", [1.0, 1.8, 2.4, 2.8])
def test_a_view_that_shrinks_the_frame_steps_over_no_small_unknown_part(shrink: float):
    shape, generator = (64, 64), np.random.default_rng(0)
    for _ in range(24):
        x, y = 2 * generator.integers(12, 20, 2)
        known = np.ones((1, *shape), bool)
        known[0, y : y + 2, x : x + 2] = False
        label = np.array([[[x, y]]], np.float32) + generator.uniform(-0.49, 1.49, (1, 1, 2)).astype(np.float32)
        angle = generator.uniform(0, 2 * np.pi)
        cosine, sine, middle = np.cos(angle) / shrink, np.sin(angle) / shrink, 31.5
        turn = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
        turn[:2, 2] = middle - turn[:2, :2] @ [middle, middle]
        batch = {"keypoints": tf.constant(label), "known": tf.constant(known)}
        homography = tf.constant(turn[None], tf.float32)
        view = warped_view(batch, tf.zeros((1, *shape), tf.uint8), homography, shape, border_px=0)
        column, row = np.floor(view.keypoints.numpy()[0, 0] + 0.5).astype(int)
        assert not view.mask.numpy()[0, row, column]


def test_in_an_unwarped_view_a_cell_counts_if_and_only_if_all_its_pixels_are_known():
    pairs = pair_batch(batch_of(2, known=known_inside(8, 2)), 1, ViewSettings(NEAR))
    expected = np.zeros((6, 8), bool)
    expected[1:-1, 1:-1] = True
    np.testing.assert_array_equal(pairs["cells_valid0"][0], expected)


def test_without_a_known_area_everything_counts_as_before():
    plain, known = batch_of(), batch_of(known=np.ones((COUNT, *SHAPE), bool))
    settings = ViewSettings(dataclasses.replace(NEAR, valid_border_px=3))
    for name, value in pair_batch(plain, 1, settings).items():
        np.testing.assert_array_equal(value, pair_batch(known, 1, settings)[name], name)


def test_points_where_the_labels_cannot_tell_are_absent():
    pairs = pair_batch(batch_of(2, known=known_inside(12, 2)), 1, ViewSettings(STILL))
    assert pairs["points0"].numpy()[0, 0].tolist() == list(DOT)
    assert np.isnan(pairs["points0"].numpy()[:, 1:]).all()  # (3, 40) lies in the border


# ------------------------------------------------------------------------------------------------ more pixels


def finer(scale: float, count: int = COUNT) -> dict[str, tf.Tensor]:
    """The same picture with more pixels, and the map to the frame by the half-pixel rule."""
    shape = (round(SHAPE[0] * scale), round(SHAPE[1] * scale))
    to_frame = np.array([[1 / scale, 0, 0.5 / scale - 0.5], [0, 1 / scale, 0.5 / scale - 0.5], [0, 0, 1]])
    # the wave at the finer pixels' places in the frame
    y, x = (np.mgrid[: shape[0], : shape[1]] + 0.5) / scale - 0.5
    picture = (128 + 60 * np.sin(x * 12 / SHAPE[1]) + 60 * np.cos(y * 10 / SHAPE[0])).astype(np.uint8)
    pictures = np.stack([picture] * count)
    known = np.ones((count, *SHAPE), bool)
    return batch_of(
        count, images=pictures, images1=pictures, known=known, picture_to_frame=np.stack([to_frame] * count)
    )


@pytest.mark.parametrize("scale", [1.5, 2.0])
@pytest.mark.parametrize("both", [False, True])
def test_views_of_a_picture_with_more_pixels_lie_where_those_of_the_frame_do(scale: float, both: bool):
    settings = ViewSettings(NEAR, both=both)
    expected, found = pair_batch(batch_of(), 1, settings), pair_batch(finer(scale), 1, settings)
    for name in ("cell_labels0", "cell_labels1", "homography_0to1", "points0", "points1"):
        np.testing.assert_array_equal(expected[name], found[name], name)
    for view in (0, 1):
        counts = np.repeat(np.repeat(expected[f"cells_valid{view}"].numpy(), 8, axis=1), 8, axis=2)
        difference = (expected[f"images{view}"] - found[f"images{view}"]).numpy()[..., 0] * 255
        assert np.abs(difference[counts]).mean() < 1.0  # half a pixel off would be 4
        assert (found[f"cells_valid{view}"].numpy() == expected[f"cells_valid{view}"].numpy()).mean() > 0.97


def test_a_keypoint_of_a_finer_picture_is_labelled_in_pixels_of_the_frame():
    assert labels_of(pair_batch(finer(2.0), 1, ViewSettings(STILL))["cell_labels0"].numpy()[0]) == {(30, 22), (3, 40)}


# ------------------------------------------------------------------------------------------------ later ranges


def test_a_grey_picture_of_more_pixels_than_the_frame_has_no_dark_edge():
    batch = finer(1.5)
    grey = tf.fill(tf.shape(batch["images"]), tf.constant(200, tf.uint8))
    views = pair_batch(batch | {"images": grey, "images1": grey}, 0, ViewSettings(HomographyConfig()))
    np.testing.assert_allclose(views["images0"], 200 / 255, atol=1e-5)


def later_settings(**changes: Any) -> ViewSettings:
    return ViewSettings(NEAR, **{"later": FAR, "later_share": 0.5, "later_from": 200, **changes})


def test_a_share_of_the_samples_takes_the_later_ranges_from_a_number_on_and_none_before():
    numbers = tf.range(180, 300, dtype=tf.int64)
    later = takes_later_views(numbers, 3, later_settings()).numpy()
    assert not later[:20].any() and 30 < later[20:].sum() < 70
    everything = takes_later_views(numbers, 3, later_settings(later_share=1.0)).numpy()
    assert everything[20:].all() and not everything[:20].any()


def test_samples_that_stay_near_are_those_they_were_and_the_others_turn_and_zoom_farther():
    numbers, shape = tf.range(180, 260, dtype=tf.int64), (240, 320)
    settings = later_settings()
    later = takes_later_views(numbers, 3, settings).numpy()
    found = sample_view_homographies(numbers, 3, settings, shape).numpy()
    near = sample_view_homographies(numbers, 3, ViewSettings(NEAR), shape).numpy()
    np.testing.assert_array_equal(found[~later], near[~later])
    angles = np.degrees(np.arctan2(found[:, 1, 0] - found[:, 0, 1], found[:, 0, 0] + found[:, 1, 1]))
    assert np.abs(angles[later]).max() > 60 > np.abs(angles[~later]).max()
    again = sample_view_homographies(numbers[::-1], 3, settings, shape).numpy()[::-1]
    np.testing.assert_array_equal(found, again)  # a function of the number alone


def test_later_views_begin_at_a_step_of_the_training_that_has_them():
    photographs = {"later": {"from_step": 10, "share": 0.25}}
    config = build_config({"photographs": photographs, "joint": {"batch_size": 8}})
    settings = ViewSettings.of(config.photographs, config.joint)
    assert (settings.later_from, settings.later_share) == (80, 0.25) and settings.later is not None
    assert ViewSettings.of(build_config({}).photographs, config.joint).later is None


@pytest.mark.parametrize(
    ("photographs", "message"),
    [
        ({"homography": {"max_zoom": 2.0, "allow_artifacts": False}}, r"photographs\.homography\.max_zoom"),
        (
            {"later": {"from_step": 5, "homography": {"valid_border_px": 1}}},
            r"photographs\.later\.homography\.valid_bor",
        ),
        ({"later": {"from_step": 5, "share": 0.0}}, r"photographs\.later\.share"),
    ],
)
def test_ranges_that_contradict_each_other_are_refused(photographs: dict[str, Any], message: str):
    with pytest.raises(ConfigError, match=message):
        build_config({"photographs": photographs})
