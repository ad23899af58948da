"""The figures show the numbers of the evaluation, and a method looks the same in all of them."""

import math

import numpy as np
import pytest

from superpoint_tf.drawing.panels import CONTROL_COLOUR, Panel, looks_of, plot_dots, plot_panels
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.measures import CURVES
from superpoint_tf.evaluation.pair_averages import PairResult, summarize
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.protocols.pair_results import MeasuredPairs
from superpoint_tf.evaluation.report.curves import (
    ACCURACY_THRESHOLDS_PX,
    accuracy_curves,
    budget_curves,
    dots_figures,
    threshold_curves,
)
from superpoint_tf.evaluation.results import group_counts

METHODS = {"SIFT": {"kind": "baselines"}, "grid (control)": {"kind": "controls"}, "SuperPoint": {"kind": "weights"}}


def result(method, pair, error_px=None, group="v", keypoints=100.0, repeatability=0.5):
    values = {"keypoints": keypoints, "shared_keypoints": keypoints, "repeatability": repeatability}
    values |= {f"repeatability_{t}": t / 10 for t in range(1, 11)}
    if error_px is not None:
        values |= {f"mma_{t}": t / 20 for t in range(1, 11)} | {"corner_error_px": error_px}
    return PairResult(method, pair, group, values)


RESULTS = [
    result("SIFT", "a", 0.5),
    result("grid (control)", "a"),
    result("SuperPoint", "a", math.inf),
    result("SIFT", "b", 4.0),
    result("grid (control)", "b"),
    result("SuperPoint", "b", math.inf),
]


def test_the_accuracy_curve_at_a_threshold_is_the_homography_accuracy():
    x, y = accuracy_curves(RESULTS, "v")["SIFT"]
    for threshold in (0, 1, 3, 5, 10):
        here = np.flatnonzero(np.isclose(x, threshold))[0]
        assert y[here] == metrics.homography_accuracy([0.5, 4.0], threshold)
    assert list(y[[0, 5, 39, 40, 100]]) == [0, 0.5, 0.5, 1, 1]


def test_a_method_that_always_fails_is_flat_zero_and_one_without_descriptors_is_missing():
    curves = accuracy_curves(RESULTS, "v")
    assert list(curves) == ["SIFT", "SuperPoint"]
    assert not curves["SuperPoint"][1].any()
    assert len(curves["SuperPoint"][1]) == len(ACCURACY_THRESHOLDS_PX)


def test_threshold_curves_are_the_averages_at_one_to_ten_pixels():
    rows = summarize(RESULTS)
    x, y = threshold_curves(rows, "v", "repeatability")["grid (control)"]
    assert list(x) == list(range(1, 11)) and np.allclose(y, x / 10)
    assert list(threshold_curves(rows, "v", "mma")) == ["SIFT", "SuperPoint"]
    assert threshold_curves(rows, "another group", "mma") == {}


def test_a_budget_curve_has_a_point_for_each_budget():
    rows = [
        {"group": "v", "method": "SIFT", "budget": 50.0, "keypoints": 50.0, "h_3": 0.1},
        {"group": "v", "method": "FAST", "budget": 50.0, "keypoints": 50.0},
        {"group": "v", "method": "SIFT", "budget": 300.0, "keypoints": 170.0, "h_3": 0.4},
    ]
    curves = budget_curves(rows, "v", "keypoints", "h_3")
    assert list(curves) == ["SIFT"]
    assert [list(axis) for axis in curves["SIFT"]] == [[50, 170], [0.1, 0.4]]


def test_the_standard_illumination_pairs_come_last():
    results = [result("SIFT", "a", group=group) for group in ("i", "i shifted", "v", "v")]
    rows = MeasuredPairs("hpatches", {}, METHODS, {}, {"s": results}).rows("s")
    assert group_counts(rows) == {"i shifted": 1, "v": 2, "i": 1}
    assert list(group_counts(rows))[-1] == "i"


def test_no_two_methods_look_the_same_and_controls_are_grey_and_last():
    looks = looks_of({f"method {n}": {} for n in range(14)} | {"a (control)": {}, "method 14": {}, "b (control)": {}})
    assert len({(look.colour, look.dash) for look in looks.values()}) == len(looks)
    assert len({look.marker for look in list(looks.values())[:14]}) == 14
    assert list(looks)[-2:] == ["a (control)", "b (control)"]
    assert {name for name, look in looks.items() if look.colour == CONTROL_COLOUR} == {"a (control)", "b (control)"}


def test_classical_methods_are_thinner_and_leave_the_first_colours_to_the_others():
    looks = looks_of(METHODS)
    assert list(looks) == ["SIFT", "SuperPoint", "grid (control)"]
    assert looks["SIFT"].width < looks["SuperPoint"].width
    assert looks["SuperPoint"].colour == looks_of({"SuperPoint": {}})["SuperPoint"].colour


@pytest.fixture(scope="module")
def figures():
    settings = {name: PairProtocol((24, 32), 100, 4) for name in ("24x32", "48x64")}
    shifted = [result(r.method, r.pair, r.values.get("corner_error_px"), "i shifted") for r in RESULTS]
    results = dict.fromkeys(settings, RESULTS + shifted)
    fewer = {name: {50: [result(r.method, r.pair, r.values.get("corner_error_px"), r.group, 50.0) for r in found]}
             for name, found in results.items()}  # fmt: skip
    drawn = MeasuredPairs("hpatches", {}, METHODS, settings, results, fewer).figures()
    return {figure.stem: figure.picture for figure in drawn}


def test_pairs_have_a_captioned_figure_for_each_measure(figures):
    assert list(figures) == list(CURVES)
    for picture in figures.values():
        assert picture.dtype == np.uint8 and picture.ndim == 3 and (picture[0, 0] == 255).all()


def test_figures_of_detectors_alone_leave_out_what_needs_descriptors():
    results = {"24x32": [r for r in RESULTS if r.method == "grid (control)"]}
    measured = MeasuredPairs("hpatches", {}, METHODS, {"24x32": PairProtocol((24, 32), 100, 4)}, results)
    assert [figure.stem for figure in measured.figures()] == ["repeatability", "keypoints_repeatability"]


def test_a_shared_axis_holds_the_longest_curve_of_its_row():
    short, long = ({"SIFT": (np.array([1.0, end]), np.array([0.5, 0.5]))} for end in (2.0, 9.0))
    picture = plot_panels([[Panel("", short), Panel("", long)]], looks_of(METHODS), "x", "y")
    second = picture[:, picture.shape[1] * 53 // 100 :]  # the second panel; the legend is above the first
    coloured = np.flatnonzero((np.ptp(second, axis=-1) > 60).any(axis=0)) / second.shape[1]
    assert coloured[0] < 0.25 and coloured[-1] > 0.85  # from 1 to 9 of an axis from 0 to 9.4


def test_names_are_drawn_as_they_are_and_long_ones_are_cut():
    curves = {name: (np.arange(3.0), np.zeros(3)) for name in ("$\\broken", "_hidden", "x" * 400)}
    picture = plot_panels([[Panel("$\\broken", curves)]], looks_of({name: {} for name in curves}), "x", "y")
    assert picture.shape[1] < 2000


def test_shapes_leave_out_primitives_without_corners_and_skip_what_is_missing():
    values = {"SIFT": {"all": 0.5, "star": 0.6, "noise": math.nan}, "SuperPoint": {"all": math.nan, "noise": math.nan}}
    with_noise = plot_dots({"clean": values}, looks_of(METHODS), "average precision")
    without = {name: {"all": row["all"], "star": row.get("star", math.nan)} for name, row in values.items()}
    assert np.array_equal(with_noise, plot_dots({"clean": without}, looks_of(METHODS), "average precision"))


def test_shapes_without_conditions_have_no_figure():
    assert dots_figures(METHODS, {}) == []
