"""Grey levels through a window: thermal pictures, 16 bits, and the hint where a picture uses hardly any of them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from picture_zoo import encode, scene
from PIL import Image

from superpoint_tf.config import ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.config.stretch import check_stretch
from superpoint_tf.data.photographs.reading import (
    PhotographError,
    decode_photograph,
    read_grey_and_colour,
    read_photograph,
)
from superpoint_tf.data.photographs.stretch import OutsideWindow, looks_narrow, stretch_levels

LEVELS = np.array([[7000, 7600], [8110, 8620], [9000, 7602]], np.uint16)


def thermal(grey: np.ndarray) -> np.ndarray:
    """Return 8 bits in the 1,021 levels from 7,600 to 8,620 of a 14-bit camera, in 16 bits."""
    return (7600 + grey.astype(np.uint16) * 4).astype(np.uint16)


def test_a_window_is_spread_over_all_levels_and_what_lies_beyond_is_cut_off():
    expected = [[0, 0], [round(510 * 255 / 1020), 255], [255, round(2 * 255 / 1020)]]
    stretched = stretch_levels(LEVELS, "7600,8620")
    assert stretched.dtype == np.uint8
    assert np.abs(stretched.astype(int) - expected).max() <= 1  # a half may go either way


def test_the_percentiles_are_those_of_the_picture_and_a_dead_pixel_does_not_decide():
    levels = np.arange(1000, 1101, dtype=np.uint16).repeat(10).reshape(10, 101)
    levels[0, 0] = 65535
    low, high = np.percentile(levels, [1, 99])
    expected = np.clip((levels.astype(float) - low) / (high - low), 0, 1) * 255
    assert np.abs(stretch_levels(levels, "percentile") - expected).max() <= 0.5 + 1e-4
    assert stretch_levels(levels, "percentile").std() > 60


def test_without_a_stretch_eight_bits_stay_and_sixteen_are_divided_by_257():
    grey = scene()
    assert stretch_levels(grey) is grey
    np.testing.assert_array_equal(stretch_levels(grey.astype(np.uint16) * 257), grey)


def test_one_level_alone_has_no_contrast_to_spread_and_nan_is_black():
    np.testing.assert_array_equal(stretch_levels(np.full((3, 3), 9000, np.uint16), "percentile"), np.zeros((3, 3)))
    levels = np.array([[np.nan, 290.0], [295.0, 300.0]], np.float32)
    np.testing.assert_array_equal(stretch_levels(levels, "290,300"), [[0, 0], [128, 255]])


def test_levels_that_cannot_reach_the_window_are_named():
    with pytest.raises(OutsideWindow, match="end at 255, outside the window 7600,8620"):
        stretch_levels(scene(), "7600,8620")
    with pytest.raises(PhotographError, match=r"x\.png: its grey levels end at 255, outside the window 7600,8620"):
        decode_photograph(encode(Image.fromarray(scene())), "x.png", "7600,8620")


def test_a_thermal_picture_is_read_as_the_same_scene_in_eight_bits(tmp_path: Path):
    grey = scene()
    Image.fromarray(thermal(grey)).save(tmp_path / "t.png")
    assert np.ptp(read_photograph(tmp_path / "t.png").astype(int)) <= 4  # nearly black
    np.testing.assert_array_equal(read_photograph(tmp_path / "t.png", "7600,8620"), grey)
    shown, colour = read_grey_and_colour(tmp_path / "t.png", "7600,8620")
    np.testing.assert_array_equal(shown, grey)
    np.testing.assert_array_equal(colour, np.repeat(grey[:, :, None], 3, axis=2))  # figures are drawn on it


def test_kelvins_as_floating_point_numbers_want_a_window():
    buffer = io.BytesIO()
    Image.fromarray(290 + scene().astype(np.float32) / 25.5).save(buffer, "TIFF")
    with pytest.raises(PhotographError, match="floating-point pixels; give a window of them, --stretch LOW,HIGH"):
        decode_photograph(buffer.getvalue(), "x.tif")
    assert np.abs(decode_photograph(buffer.getvalue(), "x.tif", "290,300").astype(int) - scene()).max() <= 1


@pytest.mark.parametrize("given", ["", "percent", "8620,7600", "7600", "1,2,3", "nan,3", "5,5", "1,inf"])
def test_what_is_no_stretch_is_refused_with_what_there_is(given: str):
    with pytest.raises(ValueError, match="give none, percentile, or LOW,HIGH"):
        check_stretch(given)
    with pytest.raises(ConfigError, match=r"`photographs\.stretch`: .*give none, percentile, or LOW,HIGH"):
        build_config({"photographs": {"stretch": given}})


def test_one_window_has_one_spelling():
    assert check_stretch(" 7600.0, 8620") == "7600,8620" and check_stretch("-20,36.6") == "-20,36.6"


def test_a_hint_is_due_where_hardly_anything_is_found_in_a_tenth_of_the_levels_or_less():
    narrow = stretch_levels(thermal(scene()))
    assert looks_narrow(narrow, 0) and looks_narrow(narrow, 19)
    assert not looks_narrow(narrow, 20)  # enough is found
    assert not looks_narrow(scene(), 0)  # it uses its levels
    assert not looks_narrow(np.full((8, 8), 90, np.uint8), 0)  # nothing to spread
