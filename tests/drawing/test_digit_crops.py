"""The drawing of what a spatial transformer crops."""

from __future__ import annotations

import numpy as np

from superpoint_tf.drawing.digit_crops import draw_crops

TICKS = np.linspace(-1, 1, 4)
IDENTITY = np.stack(np.meshgrid(TICKS, TICKS), axis=-1)


def test_crops_lie_below_their_pictures_in_rows_of_so_many() -> None:
    pictures = np.random.default_rng(0).uniform(0, 1, (3, 4, 4)).astype(np.float32)
    sheet = draw_crops(pictures, np.stack([IDENTITY] * 3), 2)
    side = sheet.shape[1] // 2
    assert sheet.shape == (4 * side, 2 * side, 3)
    grey = np.rint(255 * pictures).astype(np.uint8)
    crop = sheet[side : 2 * side, :side]  # below the first picture
    np.testing.assert_array_equal(crop[3, 3], [grey[0, 0, 0]] * 3)
    assert (sheet[2 * side :, side:] == 0).all()  # the third has the second row alone


def test_what_is_read_nowhere_is_black() -> None:
    picture = np.ones((1, 4, 4), np.float32)
    sheet = draw_crops(picture, np.full((1, 4, 4, 2), np.nan), 1)
    assert sheet[sheet.shape[0] // 2 + 1 : -1, 1:-1].max() == 0
