"""Batches of patches: the same place in both views, wholly seen, each point once, and a function of the numbers."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import HomographyConfig
from superpoint_tf.data.batches.pair_batch import pair_batch
from superpoint_tf.data.batches.patch_batch import PatchSettings, _jittered, patch_batch
from superpoint_tf.data.views import ViewSettings
from superpoint_tf.geometry.grids import frames_of

SHAPE = (48, 64)
STILL = HomographyConfig(1.0, 0.0, 0.0, 0.0, 0.0, max_angle_deg=0.0, valid_border_px=0)
TURNING = HomographyConfig(max_angle_deg=60.0)
SETTINGS = PatchSettings(ViewSettings(STILL), side_px=8, points_per_picture=4, half_side_px=4.0, jitter=0.0)
INNER, ELSEWHERE, AT_THE_EDGE, ABSENT = (30.0, 22.0), (20.0, 30.0), (2.0, 40.0), (math.nan, math.nan)


def texture(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]] * (SHAPE[0] / shape[0])
    return (128 + 60 * np.sin(x / 3 + y / 7) + 60 * np.cos(y / 4)).astype(np.uint8)


def batch_of(*keypoints: tuple[float, float], count: int = 3, **changes: Any) -> dict[str, tf.Tensor]:
    batch = {
        "numbers": np.arange(10, 10 + count),
        "images": np.stack([texture()] * count),
        "images1": np.stack([texture()] * count),
        "keypoints": np.tile(np.array([keypoints], np.float32).reshape(1, -1, 2), (count, 1, 1)),
    }
    return {name: tf.constant(value) for name, value in {**batch, **changes}.items()}


def settings(homography: HomographyConfig = STILL, both: bool = False, **changes: Any) -> PatchSettings:
    return dataclasses.replace(SETTINGS, views=ViewSettings(homography, both=both), **changes)


def grid_of_keypoints() -> list[tuple[float, float]]:
    return [(x, y) for y in np.arange(4.0, 48, 6) for x in np.arange(4.0, 64, 6)]


# ------------------------------------------------------------------------------------------------ what is cut


def test_an_upright_patch_of_one_pixel_a_pixel_is_the_picture_about_the_point() -> None:
    patches = patch_batch(batch_of((30.5, 22.5)), 1, SETTINGS)
    expected = texture()[19:27, 27:35] / 255.0  # pixels 27 to 34 have the centre 30.5
    blurred = sum(np.roll(texture() / 255.0, (dy, dx), (0, 1)) * wy * wx for dy, wy in _BLUR for dx, wx in _BLUR)
    assert patches["patches0"].shape == (12, 8, 8, 1)
    np.testing.assert_allclose(patches["patches0"][0, ..., 0], blurred[19:27, 27:35], atol=1e-5)
    np.testing.assert_allclose(patches["patches0"][0, ..., 0], expected, atol=0.02)
    np.testing.assert_allclose(patches["patches1"], patches["patches0"], atol=1e-5)


_BLUR = ((-1, 1 / 8), (0, 3 / 4), (1, 1 / 8))  # two sub-samples, a quarter of a pixel on either side


def test_a_patch_of_several_pixels_a_pixel_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (3, 48, 32))
    patches = patch_batch(batch_of(INNER, images=stripes, images1=stripes), 1, settings(half_side_px=16.0))
    np.testing.assert_allclose(patches["patches0"][0], 0.5, atol=1e-5)


@pytest.mark.parametrize("both", [False, True], ids=["one view warped", "both"])
def test_both_patches_show_the_same_whatever_the_homography_turns(both: bool) -> None:
    patches = patch_batch(batch_of(INNER, count=16), 1, settings(TURNING, both))
    valid = patches["valid"].numpy()
    assert valid.sum() > 8
    differences = np.abs(patches["patches0"] - patches["patches1"]).mean(axis=(1, 2, 3))[valid]
    assert np.median(differences) < 0.03 and differences.max() < 0.08  # what is left is the perspective and the blur
    unrelated = np.abs(patches["patches0"] - np.rot90(patches["patches1"], axes=(1, 2))).mean(axis=(1, 2, 3))[valid]
    assert np.median(unrelated) > 0.15


def test_jitter_moves_the_second_patch_alone_and_the_more_the_larger_it_is() -> None:
    still, little, much = (patch_batch(batch_of(INNER), 1, settings(jitter=jitter)) for jitter in (0.0, 1.0, 3.0))
    np.testing.assert_array_equal(still["patches0"], much["patches0"])
    near, far = (float(tf.reduce_mean(tf.abs(each["patches1"] - still["patches1"]))) for each in (little, much))
    assert 0.002 < near < 0.06 and far > 2 * near


def test_pictures_of_more_pixels_than_the_frame_give_the_same_patches() -> None:
    fine = np.stack([texture((96, 128))] * 3)
    to_frame = np.tile(np.array([[[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]]]), (3, 1, 1))
    known = np.ones((3, *SHAPE), bool)
    batch = batch_of(INNER, images=fine, images1=fine, picture_to_frame=to_frame, known=known)
    patches = patch_batch(batch, 1, settings(TURNING))
    plain = patch_batch(batch_of(INNER), 1, settings(TURNING))
    for name in ("patches0", "patches1"):
        np.testing.assert_allclose(patches[name], plain[name], atol=0.06)


def loop_patch(image: np.ndarray, frame: np.ndarray, to_picture: np.ndarray, side: int) -> np.ndarray:
    """Cut a patch in loops: each pixel the mean of 2x2 bilinear reads at the picture's own resolution."""
    patch = np.zeros((side, side))
    for i, j, a, b in np.ndindex(side, side, 2, 2):
        u, v = (2 * j + b + 0.5) / side - 1, (2 * i + a + 0.5) / side - 1
        x, y, w = to_picture @ [*(frame[:, :2] @ [u, v] + frame[:, 2]), 1.0]
        x, y = x / w, y / w
        column, row = int(np.floor(x)), int(np.floor(y))
        below = (1 - (x - column)) * image[row + 1, column] + (x - column) * image[row + 1, column + 1]
        above = (1 - (x - column)) * image[row, column] + (x - column) * image[row, column + 1]
        patch[i, j] += ((1 - (y - row)) * above + (y - row) * below) / 4
    return patch / 255


def test_a_patch_is_what_loops_read_through_the_homography_of_pairs() -> None:
    frames = np.tile(np.array([[[3.0, 0.7]]], np.float32), (8, 1, 1))
    batch = batch_of(INNER, count=8, frames=frames)
    gentle = HomographyConfig(max_angle_deg=40.0, scale_amplitude=0.0, valid_border_px=0)
    patches = patch_batch(batch, 1, settings(gentle))
    homographies = pair_batch(batch, 1, ViewSettings(gentle))["homography_0to1"].numpy().astype(np.float64)
    c, s = 3 * np.cos(0.7), 3 * np.sin(0.7)
    frame = np.array([[c, -s, INNER[0]], [s, c, INNER[1]]])
    np.testing.assert_allclose(patches["patches0"][0, ..., 0], loop_patch(texture(), frame, np.eye(3), 8), atol=1e-4)
    compared = 0
    for index, homography in enumerate(homographies):
        step = 1e-4
        ends = np.array([[INNER[0], INNER[0] + step, INNER[0]], [INNER[1], INNER[1], INNER[1] + step], [1, 1, 1]])
        mapped = homography @ ends
        mapped = mapped[:2] / mapped[2]
        jacobian = (mapped[:, 1:] - mapped[:, :1]) / step
        shrinks = np.linalg.det(jacobian) < 0.9  # then a view's pixel is larger than the picture's, and read coarser
        if shrinks or not patches["valid"].numpy()[4 * index]:
            continue
        carried = np.column_stack([jacobian @ frame[:, :2], mapped[:, 0]])
        expected = loop_patch(texture(), carried, np.linalg.inv(homography), 8)
        np.testing.assert_allclose(patches["patches1"][4 * index, ..., 0], expected, atol=2e-3)
        compared += 1
    assert compared >= 3


def test_a_view_that_shrinks_the_picture_is_read_as_coarsely_as_its_pixels_are() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (3, 48, 32))
    half = HomographyConfig(1.0, 0.0, 0.0, 0.0, 0.0, max_angle_deg=0.0, max_zoom=8.0, valid_border_px=0)
    batch = batch_of((30.5, 22.5), images=stripes, images1=stripes)
    patches = patch_batch(batch, 1, settings(half))
    contrast = patches["patches1"].numpy().std(axis=(1, 2, 3))[::4]
    homographies = pair_batch(batch, 1, ViewSettings(half))["homography_0to1"].numpy()
    shrinks = homographies[:, 0, 0] < 0.9
    assert shrinks.any() and not shrinks.all()
    assert (contrast[shrinks] < 0.01).all() and (contrast[~shrinks] > 0.1).all()


def test_jitter_has_the_deviations_that_it_states() -> None:
    uniforms = np.random.default_rng(0).random((1, 20000, 7))
    frames = frames_of(tf.zeros((1, 20000, 2)), 10.0)
    moved = _jittered(frames, tf.constant(uniforms), 2.0).numpy()[0].astype(np.float64)
    np.testing.assert_allclose(moved[:, :, 2].std(axis=0), 2 * 0.06 * 10, rtol=0.03)
    singular = np.linalg.svd(moved[:, :, :2], compute_uv=False)
    assert np.std(np.log2(np.sqrt(singular.prod(axis=1)) / 10)) == pytest.approx(2 * 0.08, rel=0.03)
    # |e| of a normal e has the mean sd sqrt(2 / pi), and the singular values are 2^|e| and 2^-|e|
    octaves = np.log2(singular[:, 0] / singular[:, 1]) / 2
    assert octaves.mean() == pytest.approx(2 * 0.05 * math.sqrt(2 / math.pi), rel=0.03)
    turns = np.arctan2(moved[:, 1, 0] - moved[:, 0, 1], moved[:, 0, 0] + moved[:, 1, 1])
    assert np.degrees(turns.std()) == pytest.approx(14.0, rel=0.03)
    # along a stretched patch the longer axis has any direction
    left = np.linalg.svd(moved[:, :, :2])[0][:, :, 0]
    doubled = np.exp(2j * np.arctan2(left[:, 1], left[:, 0]))
    assert abs(doubled.mean()) < 0.03


def test_a_similarity_follows_the_turn_and_the_scale_alone() -> None:
    batch = batch_of(INNER, count=8)
    affine, similar = (patch_batch(batch, 1, settings(TURNING, carry=carry)) for carry in ("affine", "similarity"))
    np.testing.assert_array_equal(affine["patches0"], similar["patches0"])
    differences = np.abs(affine["patches1"] - similar["patches1"])[affine["valid"] & similar["valid"]]
    assert 0.003 < differences.mean() < 0.06  # the tilt is left in the patch


# ------------------------------------------------------------------------------------------------ which points


def test_points_whose_patches_leave_a_view_or_that_are_absent_are_not_taken() -> None:
    patches = patch_batch(batch_of(AT_THE_EDGE, INNER, ABSENT, ELSEWHERE), 1, SETTINGS)
    assert patches["valid"].numpy().reshape(3, 4).tolist() == [[True, True, False, False]] * 3
    for positions in patches["position"].numpy().reshape(3, 4, 2):
        assert {tuple(position) for position in positions[:2]} == {INNER, ELSEWHERE}
        assert not positions[2:].any()


def test_no_patch_reaches_beyond_what_a_view_shows() -> None:
    ones = np.full((8, *SHAPE), 255, np.uint8)  # beyond it is black
    keypoints = grid_of_keypoints()
    for both in (False, True):
        batch = batch_of(*keypoints, count=8, images=ones, images1=ones)
        patches = patch_batch(batch, 1, settings(TURNING, both, points_per_picture=20, jitter=1.0))
        assert patches["valid"].numpy().mean() > 0.1
        for name in ("patches0", "patches1"):
            assert patches[name].numpy()[patches["valid"]].min() > 0.99


def test_rows_left_over_repeat_the_others_and_have_no_number() -> None:
    patches = {name: value.numpy() for name, value in patch_batch(batch_of(INNER, ELSEWHERE), 1, SETTINGS).items()}
    rows = patches["patches0"].reshape(3, 4, 8, 8)
    np.testing.assert_array_equal(rows[:, :2], rows[:, 2:])
    np.testing.assert_array_equal(patches["point"] >= 0, patches["valid"])


@pytest.mark.parametrize("keypoints", [(), (AT_THE_EDGE,)], ids=["none", "one at the edge"])
def test_a_picture_without_a_point_gives_zeros(keypoints: tuple) -> None:
    patches = patch_batch(batch_of(*keypoints), 1, SETTINGS)
    assert not patches["valid"].numpy().any() and (patches["point"].numpy() == -1).all()
    assert not patches["patches0"].numpy().any() and not patches["patches1"].numpy().any()


def test_every_point_has_a_number_that_says_its_sample_and_its_keypoint() -> None:
    patches = patch_batch(batch_of(AT_THE_EDGE, INNER, ELSEWHERE), 1, SETTINGS)
    numbers = patches["point"].numpy()[patches["valid"]]
    assert sorted(numbers.tolist()) == [n * 2**16 + k for n in (10, 11, 12) for k in (1, 2)]
    assert patches["point"].dtype == patches["picture"].dtype == tf.int64
    assert patches["picture"].numpy().tolist() == [10] * 4 + [11] * 4 + [12] * 4


def test_of_several_samples_of_one_picture_only_the_first_gives_points() -> None:
    patches = patch_batch(batch_of(INNER, pictures=np.array([5, 6, 5])), 1, SETTINGS)
    assert patches["valid"].numpy().reshape(3, 4).any(axis=1).tolist() == [True, True, False]
    assert patches["picture"].numpy()[::4].tolist() == [5, 6, 5]


def test_every_keypoint_that_is_seen_is_taken_about_as_often() -> None:
    keypoints = [(10.0 + 8 * i, 24.0) for i in range(6)]
    patches = patch_batch(batch_of(*keypoints, count=100), 1, settings(points_per_picture=2))
    counts = np.bincount(patches["point"].numpy() % 2**16)
    assert counts.sum() == 200 and counts.min() > 20 and counts.max() < 47


# ------------------------------------------------------------------------------------------------ random numbers


def test_a_sample_is_a_function_of_its_number_and_the_key_whatever_batch_it_is_in() -> None:
    some = settings(TURNING, jitter=1.0)
    whole = patch_batch(batch_of(INNER, ELSEWHERE), 1, some)
    padded = np.array([[INNER, ELSEWHERE, ABSENT, ABSENT, ABSENT]], np.float32)
    alone = patch_batch(batch_of(count=1, numbers=np.array([11]), keypoints=padded), 1, some)
    for name in ("patches0", "patches1", "point", "position", "valid"):
        np.testing.assert_allclose(alone[name], whole[name][4:8], atol=1e-6)
    other = patch_batch(batch_of(INNER, ELSEWHERE), 2, some)
    assert not np.allclose(other["patches1"], whole["patches1"], atol=0.01)


def test_views_are_those_of_pairs() -> None:
    batch, some = batch_of(INNER, count=8), ViewSettings(TURNING)
    pairs = pair_batch(batch, 1, some)
    patches = patch_batch(batch, 1, dataclasses.replace(SETTINGS, views=some, side_px=1, half_side_px=0.5))
    x, y = np.round(pairs["points1"].numpy()[:, 0]).T
    valid = patches["valid"].numpy()[::4] & np.isfinite(x)
    assert valid.sum() >= 6
    for index in np.flatnonzero(valid):
        seen = pairs["images1"].numpy()[index, int(y[index]), int(x[index]), 0]
        assert float(patches["patches1"][4 * index, 0, 0, 0]) == pytest.approx(seen, abs=0.12)


def test_in_a_dataset_it_gives_the_same_with_shapes_that_are_known() -> None:
    some, batch = settings(TURNING, jitter=1.0), batch_of(INNER, ELSEWHERE)
    specification = {name: tf.TensorSpec(value.shape, value.dtype) for name, value in batch.items()}
    specification["keypoints"] = tf.TensorSpec((3, None, 2), tf.float32)
    dataset = tf.data.Dataset.from_generator(lambda: iter([batch]), output_signature=specification)
    mapped = dataset.map(lambda each: patch_batch(each, 1, some))
    first = next(iter(mapped))
    for name, value in patch_batch(batch, 1, some).items():
        assert mapped.element_spec[name].shape == value.shape, name
        np.testing.assert_allclose(first[name], value, atol=1e-6)
