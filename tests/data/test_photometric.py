"""What photometric change by imgaug promises: reproducible, within its ranges, and no pixel moves."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
import pytest

from superpoint_tf.config import NO_IMGAUG, SYNTHETIC_PHOTOMETRIC, PhotometricConfig
from superpoint_tf.data.photometric import photometric_change

imgaug = pytest.importorskip("imgaug", reason=NO_IMGAUG)
import imgaug.augmenters as iaa

from superpoint_tf.data import photometric_imgaug

NOTHING = PhotometricConfig(
    max_brightness=0, contrast=(1, 1), max_noise_std=0, max_impulse_fraction=0, shade=(0, 0), max_blur_kernel=0
)


def gradient(height: int = 24, width: int = 32) -> np.ndarray:
    return np.linspace(60, 190, height * width).reshape(height, width).astype(np.uint8)


def only(**settings: object) -> PhotometricConfig:
    return dataclasses.replace(NOTHING, **settings)  # type: ignore[arg-type]


def test_the_same_arguments_give_the_same_picture_whatever_happens_in_between():
    image = gradient()
    first = photometric_change(image, SYNTHETIC_PHOTOMETRIC, 3, 8412, 1)
    imgaug.seed(1)
    np.random.seed(5)
    random.seed(6)
    iaa.Fliplr(0.5)(image=image)
    photometric_change(image, SYNTHETIC_PHOTOMETRIC, 3, 8413)
    np.testing.assert_array_equal(photometric_change(image, SYNTHETIC_PHOTOMETRIC, 3, 8412, 1), first)


def test_the_global_generators_are_not_advanced():
    imgaug.seed(7)
    np.random.seed(7)
    expected = imgaug.random.get_global_rng().random_sample(4), np.random.random(4)
    imgaug.seed(7)
    np.random.seed(7)
    photometric_change(gradient(), SYNTHETIC_PHOTOMETRIC, 0, 0)
    np.testing.assert_array_equal(imgaug.random.get_global_rng().random_sample(4), expected[0])
    np.testing.assert_array_equal(np.random.random(4), expected[1])


def test_the_input_is_left_as_it_was():
    image = gradient()
    before = image.copy()
    for config in (SYNTHETIC_PHOTOMETRIC, PhotometricConfig(enabled=False)):
        assert photometric_change(image, config, 0, 0) is not image
        np.testing.assert_array_equal(image, before)


@pytest.mark.parametrize("other", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_seed_number_and_view_each_change_the_picture(other: tuple[int, int, int]):
    image = gradient()
    base = photometric_change(image, PhotometricConfig(), 0, 0, 0)
    assert not np.array_equal(photometric_change(image, PhotometricConfig(), *other), base)


def test_disabled_or_all_ranges_zero_changes_nothing():
    image = gradient()
    np.testing.assert_array_equal(photometric_change(image, PhotometricConfig(enabled=False), 0, 0), image)
    for number in range(20):
        np.testing.assert_array_equal(photometric_change(image, NOTHING, 0, number), image)


def test_brightness_is_added_within_its_range():
    image = np.full((8, 8), 128, np.uint8)
    shifts = [int(photometric_change(image, only(max_brightness=50), 0, n)[0, 0]) - 128 for n in range(200)]
    assert min(shifts) >= -50 and max(shifts) <= 50
    assert min(shifts) < -40 and max(shifts) > 40


def test_contrast_turns_about_the_picture_s_own_mean_not_about_127():
    image = np.array([[30, 50], [30, 50]], np.uint8)  # mean 40
    doubled = photometric_change(image, only(contrast=(2, 2)), 0, 0)
    np.testing.assert_array_equal(doubled, [[20, 60], [20, 60]])


def test_gaussian_noise_stays_below_its_largest_sigma():
    image = np.full((64, 64), 128, np.uint8)
    sigmas = [photometric_change(image, only(max_noise_std=10), 0, n).std() for n in range(60)]
    assert max(sigmas) < 11 and max(sigmas) > 7 and min(sigmas) < 3


def test_impulse_noise_sets_few_pixels_to_black_and_as_many_to_white():
    image = np.full((100, 100), 128, np.uint8)
    changed = np.stack([photometric_change(image, only(max_impulse_fraction=0.0035), 0, n) for n in range(100)])
    assert set(np.unique(changed)) == {0, 128, 255}
    for value in (0, 255):
        assert 0.001 < (changed == value).mean() < 0.0025  # uniform in 0 .. .0035: .00175 on average


def test_shade_darkens_or_lightens_smoothly():
    image = np.full((120, 160), 100, np.uint8)
    changed = [photometric_change(image, only(shade=(-0.5, 0.8)), 0, n).astype(int) for n in range(40)]
    assert min(c.min() for c in changed) >= 20 and max(c.max() for c in changed) <= 150
    assert min(c.min() for c in changed) < 40 and max(c.max() for c in changed) > 130
    assert max(np.abs(np.diff(c, axis=axis)).max() for c in changed for axis in (0, 1)) <= 6
    np.testing.assert_array_less(changed[0].std() + changed[1].std(), 60)


def test_motion_blur_moves_no_corner():
    """imgaug's default direction shifts a dot by up to 1.4 pixels; a label must not be off by that."""
    image = np.zeros((31, 31), np.uint8)
    image[14:17, 14:17] = 255
    ys, xs = np.mgrid[:31, :31]
    blurred = [photometric_change(image, only(max_blur_kernel=7), 0, n).astype(float) for n in range(60)]
    centres = [((b * xs).sum() / b.sum(), (b * ys).sum() / b.sum()) for b in blurred]
    np.testing.assert_allclose(centres, 15.0, atol=0.05)
    assert min(b.max() for b in blurred) < 160  # it does blur


@pytest.mark.parametrize("kernel", [0, 1, 2])
def test_a_blur_kernel_below_three_is_no_blur(kernel: int):
    image = gradient()
    np.testing.assert_array_equal(photometric_change(image, only(max_blur_kernel=kernel), 0, 0), image)


def test_the_order_of_the_changes_is_shuffled(monkeypatch: pytest.MonkeyPatch):
    """Halving, then adding 100, or the other way round: two results, nothing else, and both occur."""

    def halve_and_add(config: PhotometricConfig, generator: np.random.Generator, *_: object) -> list[iaa.Augmenter]:
        changes = (lambda image: image // 2, lambda image: image + 100)
        return [photometric_imgaug._as_augmenter(change, generator) for change in changes]

    monkeypatch.setattr(photometric_imgaug, "_build_changes", halve_and_add)
    image = np.full((2, 3), 40, np.uint8)
    results = [photometric_change(image, NOTHING, 0, n) for n in range(30)]
    assert {tuple(np.unique(result)) for result in results} == {((40 + 100) // 2,), (40 // 2 + 100,)}


@pytest.mark.parametrize("shape", [(1, 1), (2, 200), (120, 160), (7, 3)])
def test_any_image_shape_is_served(shape: tuple[int, int]):
    changed = photometric_change(np.full(shape, 90, np.uint8), SYNTHETIC_PHOTOMETRIC, 0, 4)
    assert changed.shape == shape and changed.dtype == np.uint8 and changed.flags.c_contiguous


def test_large_sample_numbers_are_taken():
    assert photometric_change(gradient(), PhotometricConfig(), 2**31 - 1, 2**62).shape == (24, 32)


def test_a_colour_or_float_picture_is_refused():
    with pytest.raises(ValueError, match=r"grey uint8 \(H, W\)"):
        photometric_change(np.zeros((4, 4, 3), np.uint8), PhotometricConfig(), 0, 0)
    with pytest.raises(ValueError, match="float"):
        photometric_change(np.zeros((4, 4)), PhotometricConfig(), 0, 0)
