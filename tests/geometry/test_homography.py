"""The sampler's promises (pure rows, pixel proportions, nothing behind the camera) and the 3x3 algebra."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import HomographyConfig
from superpoint_tf.geometry import homography as module
from superpoint_tf.geometry import numpy_reference, warp

SHAPE = (240, 320)
STILL = HomographyConfig(
    perspective_amplitude_x=0.0, perspective_amplitude_y=0.0, scale_amplitude=0.0, patch_ratio=1.0, max_angle_deg=0.0
)
WILD = HomographyConfig(
    patch_ratio=0.5,
    perspective_amplitude_x=0.6,
    perspective_amplitude_y=0.6,
    scale_amplitude=0.9,
    translation_overflow=0.5,
    max_angle_deg=180.0,
)


def _seeds(count: int, stream: int = 7) -> tf.Tensor:
    return tf.constant([(stream, number) for number in range(count)], tf.int32)


def _sample(count: int, config: HomographyConfig, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Sample in a graph where that is faster; it gives the same bits, as a test below says."""
    sample = tf.function(module.sample_homographies) if count > 100 else module.sample_homographies
    return sample(_seeds(count), shape, config).numpy()


def _changed(config: HomographyConfig = STILL, **changes: float | bool) -> HomographyConfig:
    return HomographyConfig(**{**vars(config), **changes})


def _frame_corners(shape: tuple[int, int] = SHAPE) -> np.ndarray:
    height, width = shape
    return np.array([(-0.5, -0.5), (-0.5, height - 0.5), (width - 0.5, height - 0.5), (width - 0.5, -0.5)])


@pytest.mark.parametrize("artifacts", [True, False])
def test_a_row_depends_on_its_own_seed_and_not_on_its_batch_mates(artifacts: bool) -> None:
    config = HomographyConfig(allow_artifacts=artifacts)
    batch = _sample(6, config)
    alone = module.sample_homographies(tf.constant([(7, 4)]), SHAPE, config).numpy()[0]
    elsewhere = module.sample_homographies(tf.constant([(1, 1), (7, 4), (-5, 2**31 - 1)]), SHAPE, config).numpy()[1]
    np.testing.assert_array_equal(batch[4], alone)
    np.testing.assert_array_equal(batch[4], elsewhere)
    assert len(np.unique(batch.round(4), axis=0)) == 6


def test_graph_and_eager_and_dataset_map_give_the_same_bits() -> None:
    config = HomographyConfig()
    eager = _sample(4, config)
    graph = tf.function(lambda seeds: module.sample_homographies(seeds, SHAPE, config))(_seeds(4)).numpy()
    dataset = tf.data.Dataset.from_tensor_slices(_seeds(4)).batch(2)
    mapped = np.concatenate([h.numpy() for h in dataset.map(lambda s: module.sample_homographies(s, SHAPE, config))])
    np.testing.assert_array_equal(eager, graph)
    np.testing.assert_array_equal(eager, mapped)


def test_a_dataset_knows_the_static_shape() -> None:
    dataset = tf.data.Dataset.from_tensor_slices(_seeds(4)).batch(2, drop_remainder=True)
    mapped = dataset.map(lambda seeds: module.sample_homographies(seeds, SHAPE, HomographyConfig()))
    assert mapped.element_spec == tf.TensorSpec((2, 3, 3), tf.float32)


@pytest.mark.parametrize("artifacts", [True, False])
def test_amplitudes_of_zero_give_the_identity(artifacts: bool) -> None:
    for shape in (SHAPE, (8, 1000)):
        result = _sample(3, _changed(allow_artifacts=artifacts), shape)
        np.testing.assert_allclose(result, np.tile(np.eye(3), (3, 1, 1)), atol=1e-6)


def test_a_rotation_is_no_shear_on_a_frame_that_is_not_square() -> None:
    linear = _sample(40, _changed(max_angle_deg=180.0))[:, :2, :2].astype(np.float64)
    singular = np.linalg.svd(linear, compute_uv=False)
    np.testing.assert_allclose(singular, 1.0, atol=1e-5)
    assert np.all(np.linalg.det(linear) > 0)


@pytest.mark.parametrize("limit", [90.0, 180.0])
def test_rotations_are_uniform_up_to_the_largest_angle_both_ways(limit: float) -> None:
    linear = _sample(160, _changed(max_angle_deg=limit))[:, :2, :2]
    angles = np.degrees(np.arctan2(linear[:, 1, 0], linear[:, 0, 0]))
    counts, _ = np.histogram(angles, bins=8, range=(-limit, limit))
    assert counts.sum() == 160
    assert counts.min() > 8  # 20 expected


def test_a_rotation_turns_about_the_centre_of_the_picture() -> None:
    centre = np.array([[159.5, 119.5]])
    for homography in _sample(5, _changed(max_angle_deg=180.0)):
        np.testing.assert_allclose(numpy_reference.warp_points_numpy(centre, homography), centre, atol=1e-3)


def test_scale_is_isotropic_about_the_centre_and_truncated_at_the_amplitude() -> None:
    result = _sample(100, _changed(scale_amplitude=0.2))
    zoom = 1 / result[:, 0, 0].astype(np.float64)  # the patch grows by what the picture shrinks
    np.testing.assert_allclose(result[:, 1, 1], result[:, 0, 0], atol=1e-6)
    fills_the_frame = zoom >= 1  # a smaller patch has slack to be translated in
    assert 30 < fills_the_frame.sum() < 70
    np.testing.assert_allclose(result[:, 0, 2][fills_the_frame], (159.5 * (1 - 1 / zoom))[fills_the_frame], atol=1e-3)
    assert 0.8 <= zoom.min() < 0.85
    assert 1.15 < zoom.max() <= 1.2
    assert abs(zoom.mean() - 1) < 0.03


def test_translation_stays_within_the_slack_of_the_patch() -> None:
    result = _sample(100, _changed(patch_ratio=0.8))
    np.testing.assert_allclose(result[:, :2, :2], np.tile(np.eye(2), (100, 1, 1)), atol=1e-6)
    for axis, side in ((0, 320), (1, 240)):
        shift = np.abs(result[:, axis, 2])
        assert 0.09 * side < shift.max() <= 0.1 * side + 1e-3


def test_overflow_lets_the_translation_go_beyond_the_slack() -> None:
    shift = np.abs(_sample(100, _changed(patch_ratio=0.8, translation_overflow=0.2))[:, 0, 2])
    assert 0.25 * 320 < shift.max() <= 0.3 * 320 + 1e-3


def test_perspective_moves_the_two_vertical_sides_as_the_reference_does() -> None:
    uniforms = tf.constant([[[0.5, 0.5, 1.0]]], tf.float64)  # p = 0, l = 0, r = +amplitude
    config = _changed(patch_ratio=0.5, perspective_amplitude_x=0.1, perspective_amplitude_y=0.2)
    patch = module._with_perspective(uniforms, config)[0, 0].numpy()
    np.testing.assert_allclose(patch, [(0.25, 0.25), (0.25, 0.75), (0.85, 0.75), (0.85, 0.25)], atol=1e-12)
    uniforms = tf.constant([[[1.0, 0.5, 0.5]]], tf.float64)  # p = +amplitude: the left side shrinks, the right grows
    patch = module._with_perspective(uniforms, config)[0, 0].numpy()
    np.testing.assert_allclose(patch, [(0.25, 0.45), (0.25, 0.55), (0.75, 0.95), (0.75, 0.05)], atol=1e-12)


def _central_patch(ratio: float) -> np.ndarray:
    unit = (1 - ratio) / 2 + ratio * np.array([(0, 0), (0, 1), (1, 1), (1, 0)])
    return unit * (320, 240) - 0.5


@pytest.mark.parametrize("artifacts", [True, False])
def test_the_patch_leaves_the_frame_only_with_artifacts(artifacts: bool) -> None:
    config = HomographyConfig(allow_artifacts=artifacts, max_angle_deg=180.0, translation_overflow=0.1)
    patches = [
        numpy_reference.warp_points_numpy(_central_patch(0.85), np.linalg.inv(h.astype(np.float64)))
        for h in _sample(100, config)
    ]
    beyond = np.maximum(-0.5 - np.min(patches, axis=1), np.max(patches, axis=1) - (319.5, 239.5)).max(axis=-1)
    assert (beyond.max() < 0.01) == (not artifacts)
    assert (beyond > 1).mean() > 0.5 or not artifacts


def test_without_artifacts_every_stage_is_still_used() -> None:
    base = _changed(patch_ratio=0.7, allow_artifacts=False)
    for change in (
        {"scale_amplitude": 0.2},
        {"max_angle_deg": 180.0},
        {"perspective_amplitude_x": 0.2},
        {"perspective_amplitude_y": 0.2},
    ):
        linear = _sample(20, _changed(base, **change))[:, :2, :2]
        assert np.mean(np.abs(linear - np.eye(2)).max(axis=(1, 2)) > 1e-3) > 0.5, change


@pytest.mark.parametrize("config", [HomographyConfig(), WILD, _changed(WILD, allow_artifacts=False)])
def test_no_point_of_either_frame_goes_behind_the_camera(config: HomographyConfig) -> None:
    corners = np.column_stack([_frame_corners(), np.ones(4)])
    for homography in _sample(100, config).astype(np.float64):
        assert np.isfinite(homography).all()
        assert homography[2, 2] == 1
        assert np.linalg.det(homography) > 0
        assert (corners @ homography.T)[:, 2].min() > 0
        assert (corners @ np.linalg.inv(homography).T)[:, 2].min() > 0


def test_a_row_without_an_acceptable_attempt_is_the_identity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_is_acceptable", lambda h, shape: tf.zeros(tf.shape(h)[:2], tf.bool))
    np.testing.assert_array_equal(_sample(2, WILD), np.tile(np.eye(3), (2, 1, 1)))


def test_the_first_acceptable_attempt_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    acceptable = np.zeros((2, module.NUM_ATTEMPTS), bool)
    acceptable[0, [2, 5, 9]] = acceptable[1, [0, 15]] = True

    def accept(attempts: tf.Tensor, shape: tuple[int, int]) -> tf.Tensor:
        seen.append(attempts.numpy())
        return tf.constant(acceptable)

    monkeypatch.setattr(module, "_is_acceptable", accept)
    taken = _sample(2, HomographyConfig())
    for row, first in enumerate((2, 0)):
        expected = seen[0][row, first] / seen[0][row, first, 2, 2]
        np.testing.assert_array_equal(taken[row], expected.astype(np.float32))
        assert len(np.unique(seen[0][row].round(6), axis=0)) == module.NUM_ATTEMPTS  # or any would do


def test_a_mirror_is_not_acceptable() -> None:
    mirror = tf.constant([[-1.0, 0, 319], [0, 1, 0], [0, 0, 1]], tf.float64)
    both = tf.stack([mirror, tf.eye(3, dtype=tf.float64)])
    assert module._is_acceptable(both, SHAPE).numpy().tolist() == [False, True]


def test_points_come_back_within_a_hundredth_of_a_pixel_at_640x480() -> None:
    shape = (480, 640)
    points = tf.constant(np.random.default_rng(0).uniform(0, (639, 479), (200, 2)), tf.float32)
    homographies = module.sample_homographies(_seeds(50), shape, HomographyConfig(max_angle_deg=180.0))
    there = warp.warp_points(tf.tile(points[None], (50, 1, 1)), homographies)
    back = warp.warp_points(there, module.invert_homographies(homographies))
    assert np.abs(back - points).max() < 0.01


def test_four_corners_fix_the_homography() -> None:
    rng = np.random.default_rng(0)
    quad0 = _frame_corners() + rng.uniform(-50, 50, (4, 2))
    quad1 = _frame_corners() + rng.uniform(-50, 50, (4, 2))
    ours = module.homography_between_quads(tf.constant(quad0), tf.constant(quad1)).numpy()
    opencv = cv2.getPerspectiveTransform(quad0.astype(np.float32), quad1.astype(np.float32))
    np.testing.assert_allclose(numpy_reference.warp_points_numpy(quad0, ours), quad1, atol=1e-9)
    np.testing.assert_allclose(ours / ours[2, 2], opencv, atol=1e-3)


def test_closed_form_inverse_is_the_inverse() -> None:
    homographies = _sample(5, HomographyConfig())
    inverses = np.linalg.inv(homographies.astype(np.float64))
    expected = inverses / inverses[:, 2:, 2:]
    np.testing.assert_allclose(module.invert_homographies(homographies), expected, rtol=1e-5, atol=1e-7)
    assert module.invert_homographies(homographies).dtype == tf.float32


def test_an_inverse_keeps_the_sign_of_w() -> None:
    tilted = np.array([[1.0, 0, 0], [0, 1, 0], [0.1, 0, 1]])  # w = 1 + x / 10
    towards_horizon = np.array([[1.0, 0, -20], [0, 1, 0], [-0.1, 0, 1]])  # its inverse has a negative corner
    for homography in (tilted, towards_horizon):
        point = np.array([[5.0, 3.0]])
        there = numpy_reference.warp_points_numpy(point, homography)
        inverse = module.invert_homographies(tf.constant(homography)).numpy()
        assert abs(inverse[2, 2]) == pytest.approx(1)
        np.testing.assert_allclose(numpy_reference.warp_points_numpy(there, inverse), point, atol=1e-9)
    assert inverse[2, 2] < 0


# ------------------------------------------------------------------------------------------------ both axes alike, zoom


def _at_the_centre(homographies: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return how much w changes over the frame's width and height where it is 1 at the centre, and the log stretches.

    Both (N, 2): along x, along y.
    """
    matrices = homographies.astype(np.float64)
    height, width = shape
    centre = np.array([(width - 1) / 2, (height - 1) / 2, 1.0])
    matrices = matrices / (matrices[:, 2] @ centre)[:, None, None]
    position = (matrices @ centre)[:, :2]
    jacobians = matrices[:, :2, :2] - position[:, :, None] * matrices[:, 2:, :2]
    return matrices[:, 2, :2] * (width, height), np.log(np.linalg.norm(jacobians, axis=1))


def _deviation_ratios(config: HomographyConfig, shape: tuple[int, int]) -> list[float]:
    """Return sd along x / sd along y: of the perspective terms, and of the stretches."""
    found = [values.std(axis=0) for values in _at_the_centre(_sample(6000, config, shape), shape)]
    return [float(x / y) for x, y in found]


NEAR = _changed(HomographyConfig(), max_angle_deg=30.0)


@pytest.mark.parametrize("shape", [(240, 320), (240, 240), (320, 240)])
def test_with_symmetric_axes_tilt_and_stretch_are_alike_across_and_down_the_frame(shape: tuple[int, int]) -> None:
    perspective, stretch = _deviation_ratios(_changed(NEAR, symmetric_axes=True), shape)
    assert 0.9 < perspective < 1.1 and 0.9 < stretch < 1.1


def test_without_them_the_references_sampler_tilts_four_times_and_stretches_twice_as_much_across_the_frame() -> None:
    perspective, stretch = _deviation_ratios(NEAR, SHAPE)
    assert perspective > 4 and stretch > 1.8


def test_exchanged_axes_are_the_patch_mirrored_at_the_diagonal_with_its_corners_in_order() -> None:
    uniforms = tf.constant([[[1.0, 0.5, 1.0]]], tf.float64)  # p and r = +amplitude, l = 0
    config = _changed(patch_ratio=0.5, perspective_amplitude_x=0.1, perspective_amplitude_y=0.2)
    patch = module._with_perspective(uniforms, config)
    np.testing.assert_allclose(patch[0, 0], [(0.25, 0.45), (0.25, 0.55), (0.85, 0.95), (0.85, 0.05)], atol=1e-12)
    exchanged = module._exchange_axes(patch)[0, 0]  # the upper side shrinks, the lower grows and moves down
    np.testing.assert_allclose(exchanged, [(0.45, 0.25), (0.05, 0.85), (0.95, 0.85), (0.55, 0.25)], atol=1e-12)


def test_half_of_the_homographies_exchange_axes_and_the_others_are_what_they_were() -> None:
    plain, symmetric = (_sample(400, _changed(NEAR, symmetric_axes=on)) for on in (False, True))
    same = (plain == symmetric).all(axis=(1, 2))
    assert 160 < same.sum() < 240


def test_zoom_is_log_uniform_up_to_its_limit_both_ways() -> None:
    sizes = np.log2(_sample(800, _changed(max_zoom=2.0))[:, 0, 0])
    counts, _ = np.histogram(sizes, bins=4, range=(-1.0, 1.0))
    assert counts.sum() == 800 and counts.min() > 150  # 200 expected
    assert sizes.min() < -0.98 and sizes.max() > 0.98


def test_a_zoom_leaves_the_other_numbers_of_a_row_as_they_are() -> None:
    turns = [
        np.arctan2(linear[:, 1, 0], linear[:, 0, 0])
        for linear in (_sample(40, _changed(max_angle_deg=180.0, max_zoom=zoom)) for zoom in (1.0, 3.0))
    ]
    np.testing.assert_allclose(turns[0], turns[1], atol=1e-5)


def test_samples_of_the_default_settings_are_bit_for_bit_those_of_before_axes_and_zoom() -> None:
    assert _sample(3, HomographyConfig()).astype(np.float64).sum() == pytest.approx(70.68215534405317, abs=1e-6)
