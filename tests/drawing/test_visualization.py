"""Marks lie on the pixels they name, pictures keep their shapes, and nothing that is passed in changes."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest

from superpoint_tf.detection.keypoints import scale_keypoints
from superpoint_tf.drawing import figures, layout
from superpoint_tf.drawing import visualization as viz

GREY = np.full((20, 30), 100, np.uint8)
NO_KEYPOINTS = np.zeros((0, 2), np.float32)


def changed_pixels(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return (x, y) of every pixel that differs."""
    rows, columns = np.nonzero((before != after).any(axis=2))
    return np.stack([columns, rows], axis=1)


def test_grey_float_and_grey_uint8_give_the_same_picture():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    expected = np.repeat(levels[:, :, None], 3, axis=2)
    for image in (levels, levels[:, :, None], levels / 255, (levels / 255).astype(np.float32)[:, :, None]):
        picture = layout.to_bgr(image)
        assert picture.dtype == np.uint8
        np.testing.assert_array_equal(picture, expected)


def test_floats_outside_0_to_1_are_clipped_and_nan_is_black():
    picture = layout.to_bgr(np.array([[-1.0, 0.5, 2.0, np.nan]]))
    assert picture[0, :, 0].tolist() == [0, 128, 255, 0]


@pytest.mark.parametrize("image", [np.zeros((4, 4), np.int64), np.zeros((4, 4, 2)), np.zeros(4), np.zeros((0, 4))])
def test_what_is_no_picture_is_refused(image):
    with pytest.raises(ValueError, match="cannot be drawn on; pass"):
        layout.to_bgr(image)


def test_a_keypoint_at_10_5_colours_the_pixel_in_column_10_of_row_5():
    picture = viz.draw_keypoints(GREY, np.array([[10, 5]], np.float32))
    assert tuple(picture[5, 10]) == viz.YELLOW
    assert np.abs(changed_pixels(layout.to_bgr(GREY), picture).mean(axis=0) - (10, 5)).max() == 0
    assert np.abs(changed_pixels(layout.to_bgr(GREY), picture) - (10, 5)).max() <= 4


@pytest.mark.parametrize("ring", [False, True])
def test_an_enlarged_keypoint_moves_by_the_half_pixel_rule(ring):
    picture = viz.draw_keypoints(GREY, np.array([[10, 5]], np.float32), scale=4, ring=ring)
    assert picture.shape == (80, 120, 3)
    changed = changed_pixels(np.full_like(picture, 100), picture)
    np.testing.assert_array_equal(changed.mean(axis=0), (41.5, 21.5))  # (10 + .5) * 4 - .5


def test_a_keypoint_between_pixels_is_drawn_between_them():
    picture = viz.draw_keypoints(GREY, np.array([[10.5, 5]], np.float32)).astype(int)
    np.testing.assert_array_equal(picture[:, 10], picture[:, 11])
    np.testing.assert_array_equal(picture[:, 5:11], picture[:, 16:10:-1])


def test_a_resized_picture_and_its_keypoints_agree():
    image = np.zeros((12, 16), np.uint8)
    image[4:6, 6:8] = 255  # its centre is (6.5, 4.5)
    large = layout.resize(image, 2.5).astype(float)
    rows, columns = np.indices(large.shape)
    centre = np.array([(columns * large).sum(), (rows * large).sum()]) / large.sum()
    expected = scale_keypoints(np.array([[6.5, 4.5]]), image.shape, large.shape)[0]
    np.testing.assert_allclose(centre, expected, atol=0.02)


def test_keypoints_that_are_nan_or_outside_the_picture_are_skipped():
    absent = np.array([[np.nan, np.nan], [np.inf, 2], [3, np.nan], [-2, 5], [5, 20], [1e30, 5]], np.float32)
    np.testing.assert_array_equal(viz.draw_keypoints(GREY, absent), layout.to_bgr(GREY))
    both = viz.draw_keypoints(GREY, np.concatenate([absent, [[10, 5]]]), np.arange(7.0) + 1)
    np.testing.assert_array_equal(both, viz.draw_keypoints(GREY, np.array([[10, 5]]), np.ones(1)))


def test_keypoints_on_the_corners_of_the_frame_are_drawn():
    picture = viz.draw_keypoints(GREY, np.array([[0, 0], [29, 19]], np.float32))
    assert tuple(picture[0, 0]) == tuple(picture[19, 29]) == viz.YELLOW


def test_a_picture_without_keypoints_is_the_picture():
    np.testing.assert_array_equal(viz.draw_keypoints(GREY, NO_KEYPOINTS, np.zeros(0)), layout.to_bgr(GREY))


def test_a_keypoint_is_seen_on_black_and_on_white():
    for level in (0, 255):
        picture = viz.draw_keypoints(np.full((20, 30), level, np.uint8), np.array([[10, 5]])).astype(int)
        assert np.abs(picture[4:7, 9:12] - level).max() > 200
        assert np.ptp(picture.sum(axis=2)) > 400  # bright dot and dark halo


def test_a_higher_score_makes_a_larger_dot_on_top():
    image = np.full((60, 200), 100, np.uint8)
    keypoints = np.array([[40, 30], [120, 30]], np.float32)
    picture = viz.draw_keypoints(image, keypoints, np.array([0.9, 0.1]), scale=3)
    yellow = (picture == viz.YELLOW).all(axis=2)
    assert yellow[:, :240].sum() > 1.5 * yellow[:, 240:].sum() > 0
    touching = viz.draw_keypoints(image, np.array([[40, 30], [40.5, 30]]), np.array([0.9, 0.1]))
    np.testing.assert_array_equal(touching[30, 40], viz.YELLOW)  # the strong one is drawn last, though it comes first


def test_a_wrong_number_of_scores_is_refused():
    with pytest.raises(ValueError, match="3 scores for 1 keypoints"):
        viz.draw_keypoints(GREY, np.array([[1, 1]]), np.ones(3))


def test_a_heatmap_shows_small_probabilities_and_leaves_the_picture_where_there_are_none():
    heatmap = np.zeros((20, 30), np.float32)
    heatmap[5, 10], heatmap[15, 20], heatmap[10, 10] = 0.015, 0.5, np.nan
    alone = viz.draw_heatmap(heatmap).astype(int).sum(axis=2)
    assert alone.shape == (20, 30)
    assert alone[15, 20] > alone[5, 10] > alone[0, 0] + 60
    assert alone[10, 10] == alone[0, 0]
    over = viz.draw_heatmap(heatmap, GREY).astype(int)
    assert over[0, 0].tolist() == [50, 50, 50]  # the picture, darker
    assert over[15, 20].sum() > over[5, 10].sum() > 200


def test_a_heatmap_keeps_its_peaks_when_it_is_shrunk():
    heatmap = np.zeros((40, 40), np.float32)
    heatmap[17, 22] = 0.5
    small = viz.draw_heatmap(heatmap, scale=0.25).astype(int).sum(axis=2)
    assert small.shape == (10, 10)
    assert small.max() > 300
    assert np.hypot(*(np.argwhere(small == small.max()).mean(axis=0) - (4, 5.25))) < 1


def test_a_heatmap_that_does_not_fit_the_picture_is_refused():
    with pytest.raises(ValueError, match=r"\(8, 8\) cannot lie over a picture of shape \(20, 30\)"):
        viz.draw_heatmap(np.zeros((8, 8)), GREY)
    with pytest.raises(ValueError, match=r"pass one of shape \(H, W\)"):
        viz.draw_heatmap(np.zeros((1, 8, 8)))


def test_matches_join_the_pixels_of_their_keypoints():
    keypoints0, keypoints1 = np.array([[10, 5], [3, 3]]), np.array([[20, 15]])
    picture = viz.draw_matches(GREY, GREY, keypoints0, keypoints1, np.array([[0, 0]]), np.array([True]))
    assert picture.shape == (20, 30 + layout.GAP_PX + 30, 3)
    assert tuple(picture[5, 10]) == tuple(picture[15, 30 + layout.GAP_PX + 20]) == viz.GREEN
    assert tuple(picture[3, 3]) == (100, 100, 100)  # unmatched
    middle = picture[10, 34].astype(int)  # half way between (10, 5) and (58, 15)
    assert middle[1] > middle[0] and middle[1] > middle[2]


def test_wrong_matches_are_red_and_lie_under_right_ones():
    keypoints = np.array([[5, 10]])
    matches = np.zeros((2, 2), int)
    for correct in ([True, False], [False, True]):
        picture = viz.draw_matches(GREY, GREY, keypoints, keypoints, matches, np.array(correct))
        assert tuple(picture[10, 5]) == viz.GREEN
    picture = viz.draw_matches(GREY, GREY, keypoints, keypoints, matches, np.array([False, False]))
    assert tuple(picture[10, 5]) == viz.RED


def test_matches_of_pictures_of_two_heights_are_drawn_where_the_pictures_lie():
    low = np.full((10, 12), 100, np.uint8)
    picture = viz.draw_matches(GREY, low, np.array([[1, 1]]), np.array([[6, 4]]), np.array([[0, 0]]), scale=2)
    assert picture.shape == (40, 60 + layout.GAP_PX + 24, 3)
    assert (picture[:10, 68:80] == 255).all()  # white above the lower picture
    np.testing.assert_array_equal(picture[10 + 8 : 10 + 10, 68 + 12 : 68 + 14], np.broadcast_to(viz.SKY, (2, 2, 3)))


def test_absent_matches_and_absent_keypoints_draw_nothing():
    keypoints = np.array([[np.nan, np.nan], [5, 5]], np.float32)
    nothing = viz.draw_matches(GREY, GREY, keypoints, keypoints, np.zeros((0, 2), int))
    absent = viz.draw_matches(GREY, GREY, keypoints, keypoints, np.array([[0, 1], [1, 0]]))
    np.testing.assert_array_equal(nothing, absent)
    assert viz.draw_matches(GREY, GREY, NO_KEYPOINTS, NO_KEYPOINTS, np.zeros((0, 2)), np.zeros(0, bool)).any()


def test_matches_that_name_no_keypoint_are_refused():
    keypoints = np.array([[5, 5]])
    with pytest.raises(ValueError, match="there are 1 and 1"):
        viz.draw_matches(GREY, GREY, keypoints, keypoints, np.array([[0, 1]]))
    with pytest.raises(ValueError, match="2 values of `correct` for 1 matches"):
        viz.draw_matches(GREY, GREY, keypoints, keypoints, np.array([[0, 0]]), np.array([True, False]))


def test_pictures_side_by_side_have_the_height_of_the_tallest_and_their_titles_above():
    small, large = np.zeros((10, 20), np.uint8), np.zeros((40, 30), np.uint8)
    assert layout.side_by_side([small, large]).shape == (40, 80 + layout.GAP_PX + 30, 3)
    titled = layout.side_by_side([small, large], ["left", "right"])
    assert titled.shape == (70, 80 + layout.GAP_PX + 30, 3)
    assert (titled[30:, :80] == 0).all()
    assert titled[:30, :80].min() < 100 < titled[:30, :80].max()  # dark text on white


def test_a_caption_is_as_wide_as_the_picture_however_long_its_title_is():
    image = np.zeros((10, 60), np.uint8)
    for title in ("", "a", "a title of far more letters than there is room for", "Prüfung ✓"):
        assert layout.draw_caption(image, title, "and a note").shape == (40, 60, 3)
    assert layout.draw_caption(image[:, :1], "title").shape == (40, 1, 3)


def test_a_note_gives_way_to_the_title():
    for width, differs in ((100, False), (300, True)):
        strip = layout.draw_strip(width, "a long title", "123 keypoints")
        assert (strip != layout.draw_strip(width, "a long title")).any() == differs


def test_a_contact_sheet_puts_pictures_in_columns_on_white():
    one, two = np.zeros((40, 50), np.uint8), np.full((40, 30), 200, np.uint8)
    sheet = layout.contact_sheet([[one, two], [two]], padding=6)
    assert sheet.shape == (6 + 40 + 6 + 40 + 6, 6 + 50 + 6 + 30 + 6, 3)
    assert (sheet[6:46, 6:56] == 0).all()
    assert (sheet[6:46, 62:92] == 200).all()
    assert (sheet[52:92, 6:36] == 200).all()
    assert (sheet[52:92, 62:92] == 255).all()


def test_titles_of_a_contact_sheet_stand_left_of_their_rows():
    one = np.zeros((40, 50), np.uint8)
    plain, titled = (
        layout.contact_sheet([[one], [one]]),
        layout.contact_sheet([[one], [one]], ["lines", "checkerboard"]),
    )
    assert titled.shape[0] == plain.shape[0] and titled.shape[1] > plain.shape[1] + 60
    assert (titled[6:46, -56:-6] == 0).all()


def test_a_sheet_of_nothing_or_with_too_few_titles_is_refused():
    with pytest.raises(ValueError, match="no pictures"):
        layout.contact_sheet([[], []])
    with pytest.raises(ValueError, match="no pictures"):
        layout.side_by_side([])
    with pytest.raises(ValueError, match="1 titles for 2 rows"):
        layout.contact_sheet([[GREY], [GREY]], ["one"])
    with pytest.raises(ValueError, match="1 titles for 2 pictures"):
        layout.side_by_side([GREY, GREY], ["one"])


def test_a_saved_png_is_read_back_as_it_was(tmp_path):
    picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    viz.save_png(tmp_path / "new folder" / "a.png", picture)
    np.testing.assert_array_equal(cv2.imread(str(tmp_path / "new folder" / "a.png")), picture)
    assert [path.name for path in (tmp_path / "new folder").iterdir()] == ["a.png"]


@pytest.mark.parametrize(
    ("shape", "width"), [((120, 160), 480), ((240, 320), 640), ((480, 640), 640), ((2000, 3000), 480), ((60, 48), 480)]
)
def test_panels_are_about_480_pixels_wide_whatever_the_picture(shape, width):
    scale = layout.panel_scale(shape)
    assert round(shape[1] * scale) == width
    assert scale < 1 or scale == int(scale)


def test_a_figure_of_detections_counts_the_corners_found():
    image = np.full((120, 160), 90, np.uint8)
    truth = np.array([[20, 20], [100, 60], [np.nan, np.nan]], np.float32)
    keypoints = np.array([[22, 21], [60, 100], [np.nan, 3]], np.float32)
    assert figures.figure_detections(image, keypoints, truth, np.ones(3)).shape == (390, 480, 3)
    assert figures._count_found(keypoints, truth) == 1
    assert figures._count_found(NO_KEYPOINTS, truth) == 0
    picture = figures.figure_detections(image, keypoints)
    assert tuple(picture[30 + 64, 67]) == viz.YELLOW  # (22.5 * 3 - .5, 21.5 * 3 - .5)


def test_a_figure_of_adaptation_has_four_panels():
    image = np.full((120, 160), 0.4, np.float32)
    heatmap = np.zeros((120, 160), np.float32)
    picture = figures.figure_adaptation(image, NO_KEYPOINTS, heatmap, np.array([[10, 10]]), np.array([[20, 10]]))
    assert picture.shape == (390, 4 * 480 + 3 * layout.GAP_PX, 3)
    assert tuple(picture[30 + 31, 2 * 488 + 31]) == viz.YELLOW
    assert tuple(picture[30 + 31, 3 * 488 + 61]) == viz.SKY


def test_a_figure_of_stages_breaks_into_rows():
    panels = [
        ("photograph", None),
        ("round 1", np.array([[10, 10]])),
        ("round 2", NO_KEYPOINTS),
        ("SIFT", NO_KEYPOINTS),
    ]
    picture = figures.figure_stages(np.zeros((120, 160, 1), np.float32), panels, columns=3)
    assert picture.shape == (2 * 390 + layout.GAP_PX, 3 * 480 + 2 * layout.GAP_PX, 3)
    assert (picture[398:, 488:] == 255).all()


def test_a_figure_of_matches_draws_at_most_so_many_lines_but_counts_all():
    keypoints = np.stack([np.full(100, 10), np.arange(100)], axis=1).astype(np.float32)
    matches, image = np.repeat(np.arange(100)[:, None], 2, axis=1), np.zeros((120, 160), np.uint8)
    few = figures.figure_matches("few", image, image, keypoints, keypoints, matches, np.ones(100, bool), max_lines=5)
    many = figures.figure_matches("few", image, image, keypoints, keypoints, matches, np.ones(100, bool))
    assert few.shape == many.shape == (390, 960 + layout.GAP_PX, 3)
    assert 0 < (few[30:, 240] > 0).any(axis=1).sum() < (many[30:, 240] > 0).any(axis=1).sum()
    empty = figures.figure_matches("none", image, image, NO_KEYPOINTS, NO_KEYPOINTS, np.zeros((0, 2), int), np.zeros(0))
    assert empty.shape == few.shape


def test_curves_are_a_picture_of_the_size_asked_for():
    picture = figures.plot_curves({"a": ([0, 1, 2], [1, np.nan, 3])}, "title", "x", "y", image_shape=(300, 400))
    assert picture.shape == (300, 400, 3) and picture.dtype == np.uint8
    assert picture[0, 0].tolist() == [255, 255, 255]
    blue, red = picture[:, :, 0].astype(int), picture[:, :, 2].astype(int)
    assert (blue - red).max() > 100  # the first colour is blue: the order is BGR
    assert figures.plot_curves({}, "nothing yet", "x", "y").shape == (420, 640, 3)


def test_nothing_that_is_passed_in_is_changed():
    rng = np.random.default_rng(0)
    image, heatmap = rng.integers(0, 255, (120, 640, 3), dtype=np.uint8), rng.random((120, 640)).astype(np.float32)
    keypoints, scores = rng.uniform(5, 110, (9, 2)), rng.random(9)
    matches, correct = np.repeat(np.arange(9)[:, None], 2, axis=1), rng.random(9) > 0.5
    arrays = [image, heatmap, keypoints, scores, matches, correct]
    copies = [array.copy() for array in arrays]
    results = [
        layout.to_bgr(image),
        viz.draw_keypoints(image, keypoints, scores),
        viz.draw_heatmap(heatmap, image),
        viz.draw_matches(image, image, keypoints, keypoints, matches, correct),
        layout.contact_sheet([[image]]),
        figures.figure_adaptation(image, keypoints, heatmap, keypoints, keypoints),
        figures.figure_matches("title", image, image, keypoints, keypoints, matches, correct),
        figures.figure_detections(image, keypoints, keypoints, scores),
    ]
    for picture in results:
        assert picture.dtype == np.uint8 and picture.ndim == 3
        picture[:] = 0
    for array, copy in zip(arrays, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_drawing_imports_neither_tensorflow_nor_matplotlib():
    code = "import sys, superpoint_tf.drawing.figures; print({'tensorflow', 'matplotlib', 'imgaug'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "set()"
