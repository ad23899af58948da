"""The Markdown table takes each column from the setting where the paper reports it."""

from superpoint_tf.evaluation.pair_averages import PairResult
from superpoint_tf.evaluation.pair_protocol import PRESETS, PairProtocol
from superpoint_tf.evaluation.protocols.pair_results import MeasuredPairs
from superpoint_tf.evaluation.protocols.shape_results import MeasuredShapes
from superpoint_tf.evaluation.report.markdown import markdown_text


def result(method: str, repeatability: float, **matching: float) -> PairResult:
    values = {"keypoints": 10.0, "repeatability": repeatability, "localization_px": float("nan"), **matching}
    return PairResult(method, "a/1-2", "v", values)


def test_repeatability_is_of_the_first_setting_and_the_rest_of_the_last():
    results = {
        "240x320": [result("m|n", 0.25, matching_score=0.1, corner_error_px=9.0), result("x (control)", 0.5)],
        "480x640": [result("m|n", 0.75, matching_score=0.2, corner_error_px=2.0), result("x (control)", 0.125)],
    }
    measured = MeasuredPairs("hpatches", {}, {"m|n": {}, "x (control)": {}}, PRESETS, results)
    lines = markdown_text(measured.evaluation().markdown).splitlines()
    assert lines[0].startswith("repeat. and loc px: 240x320, 300 keypoints, NMS 4 px. match.sc., ")
    assert lines[-2] == r"| m\|n | 0.250 | – | 0.200 | – | – | 0.000 | 1.000 | 1.000 | 10 | – |"  # noqa: RUF001
    assert lines[-1].startswith("| *x (control)* | 0.500 | ")
    assert len({line.count("|") - line.count(r"\|") for line in lines[2:]}) == 1


def test_shapes_have_a_pair_of_columns_a_condition():
    values = {"clean": {"m": {"all": 0.5}}, "noisy": {"m": {"all": float("nan")}}}
    errors = {"clean": {"m": {"all": 1.25}}, "noisy": {"m": {"all": float("nan")}}}
    measured = MeasuredShapes(
        {}, PairProtocol((8, 8), 1, 4), {"m": {}}, {"average_precision": values, "localization_px": errors}
    )
    lines = markdown_text(measured.evaluation().markdown).splitlines()
    assert lines[0] == "|  | AP, clean | loc px, clean | AP, noisy | loc px, noisy |"
    assert lines[2] == "| m | 0.500 | 1.25 | – | – |"  # noqa: RUF001
