"""The same picture moved: how the views are cut, what is measured, and how exact the weights that ship are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.config.config_files import build_config
from superpoint_tf.evaluation.evaluate import Request, describe_run, publish
from superpoint_tf.evaluation.methods.methods import FOR_PAIRS, extractor_of, load_methods
from superpoint_tf.evaluation.pair_protocol import DETECTOR_PROTOCOL, PairProtocol
from superpoint_tf.evaluation.protocols.shift_run import measure_shifts
from superpoint_tf.evaluation.protocols.shifts import (
    MARK_LOCALIZATION_PX,
    MARK_WITHIN_1PX,
    measure_shift,
    mutual_distances,
    shifted_pairs,
    shifted_view,
)
from superpoint_tf.evaluation.report.console_table import console_text
from superpoint_tf.evaluation.sets.photographs import photograph_paths
from superpoint_tf.features import Features
from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.runtime.progress import Console

SHAPE = (48, 64)
PROTOCOL = PairProtocol(SHAPE, 10, 4)
# Half a cell off, at one phase: what the weights of this version reach, and may not fall behind: .670 px and .643
# measured on the four photographs below; an audit had .61 px and .68 on sixty others.
PRESENT_LOCALIZATION_PX, PRESENT_WITHIN_1PX = 0.80, 0.60  # .77 and .625 seen


def ramp(height: int = 200, width: int = 240) -> np.ndarray:
    """Grey levels that no resize of a larger picture and no interpolation would leave alone."""
    return np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)


def features(*points: tuple[float, float]) -> Features:
    return Features(np.array(points, np.float32).reshape(-1, 2), np.ones(len(points), np.float32))


def moved(x: float, y: float = 0.0) -> np.ndarray:
    return np.array([[1, 0, x], [0, 1, y], [0, 0, 1.0]])


@pytest.mark.parametrize("xy", [(1, 0), (4, 0), (0, 8), (3, 5)])
def test_views_moved_by_whole_pixels_share_their_grey_levels_to_the_bit(xy: tuple[int, int]):
    x, y = xy
    still, other = shifted_view(ramp(), SHAPE, (0, 0)), shifted_view(ramp(), SHAPE, xy)
    assert still.shape == other.shape == SHAPE
    np.testing.assert_array_equal(other[y:, x:], still[: SHAPE[0] - y, : SHAPE[1] - x])
    assert not np.array_equal(other, still)


def test_half_a_pixel_is_a_whole_one_of_the_picture_at_twice_the_size():
    large = ramp(2 * (SHAPE[0] + 8), 2 * (SHAPE[1] + 8))  # needs no resize
    view = shifted_view(large, SHAPE, (0.5, 0)).astype(float)
    blocks = large[16 : 16 + 96, 15 : 15 + 128].reshape(48, 2, 64, 2).mean(axis=(1, 3))
    assert np.abs(view - blocks).max() <= 0.5  # rounding


def test_pairs_say_by_how_far_the_picture_was_moved(tmp_path: Path):
    import cv2

    cv2.imwrite(str(tmp_path / "a.png"), ramp())
    (tmp_path / "b.png").write_bytes(b"no picture")
    left_out: list[str] = []
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    pairs = list(shifted_pairs(paths, SHAPE, (0.5, 4.0), left_out))
    assert [(pair.group, pair.name) for pair in pairs] == [
        ("0.5 px", "0000 a.png right"), ("0.5 px", "0000 a.png down"),
        ("4 px", "0000 a.png right"), ("4 px", "0000 a.png down"),
    ]  # fmt: skip
    assert len(left_out) == 1 and "b.png" in left_out[0]
    assert len({pair.view0.name for pair in pairs}) == 1 and len({pair.view1.name for pair in pairs}) == 4
    np.testing.assert_array_equal(pairs[3].homography_0to1, moved(0, 4))
    np.testing.assert_array_equal(pairs[3].image1[4:], pairs[3].image0[:-4])


def test_partners_are_those_that_choose_each_other():
    found = mutual_distances(np.array([[0.0, 0], [2, 0]]), np.array([[3.0, 0], [9, 0]]))
    assert found.tolist() == [1.0]  # (0, 0) would take (3, 0), which takes (2, 0)
    assert len(mutual_distances(np.zeros((0, 2)), np.ones((3, 2)))) == 0


def test_localization_and_share_are_of_the_partners_within_three_and_one_px():
    one = features((20, 20), (30, 20), (40, 20), (20, 30))
    other = features((24.5, 20), (36, 20), (48, 20), (50, 35))  # .5, 2, 4 px off, and one without a partner
    values = measure_shift(one, other, moved(4), PROTOCOL)
    assert values == {"localization_px": 1.25, "within_1px": 0.25, "shared_keypoints": 4.0}


def test_keypoints_near_an_edge_of_either_frame_do_not_count():
    near, far = features((7, 20), (20, 20), (52, 20)), features((11, 20), (24, 20), (56, 20))
    values = measure_shift(near, far, moved(4), PROTOCOL)  # 7 is near the still frame's edge, 56 near the moved one's
    assert values == {"localization_px": 0.0, "within_1px": 1.0, "shared_keypoints": 1.0}


def test_the_budget_is_spent_on_what_counts():
    many = features(*[(2, 2 + 4 * n) for n in range(11)], (20, 20), (30, 20))
    assert measure_shift(many, many, moved(0), PROTOCOL)["shared_keypoints"] == 2


def test_nothing_found_repeats_nowhere():
    values = measure_shift(features(), features(), moved(1), PROTOCOL)
    assert np.isnan(values["localization_px"]) and values["within_1px"] == values["shared_keypoints"] == 0


def test_a_run_has_a_row_a_method_and_goes_on_from_its_features(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    config = build_config({"workers": 0})
    facts = describe_run("bundled", config, "python tools/evaluate.py shifts ...", {})
    request = Request(config, load_methods(["Harris", "grid (control)"]), str(tmp_path / "out"), facts, Console())
    measured = measure_shifts(request, photograph_paths("bundled"), 1)
    table = measured.table("localization_px")
    assert table["Harris"]["4 px"] == 0 < table["Harris"]["0.5 px"]  # whole pixels move it exactly
    assert table["grid (control)"]["1 px"] == 1 and np.isnan(table["grid (control)"]["4 px"])
    text = console_text(publish(request, measured).console)
    assert sum(line.startswith(("Harris ", "grid (control) ")) for line in text.splitlines()) == 4
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"features", "pairs.csv", "summary.json", "table.md"}
    assert "| grid (control) | 0.50 | 1.00 | 2.00 | 2.50 | 3.00 | - |" in (tmp_path / "out/table.md").read_text()
    before = (tmp_path / "out/pairs.csv").read_bytes()
    again = replace(request, methods=load_methods(["Harris", "grid (control)"]))
    publish(again, measure_shifts(again, photograph_paths("bundled"), 1))
    assert (tmp_path / "out/pairs.csv").read_bytes() == before


@pytest.fixture(scope="module")
def shipped() -> SuperPoint:
    return SuperPoint.from_pretrained("superpoint-small")


def exactness(model: SuperPoint, phases: int, shift_px: float = 4.0) -> dict[str, float]:
    """Return the mean values over four photographs of scikit-image and both directions, between pixels."""
    detection = replace(FOR_PAIRS, subpixel=True, phases=phases, max_keypoints=600)
    extract = extractor_of(model, detection)
    names = ("astronaut.png", "camera.png", "coffee.png", "rocket.jpg")
    paths = [path for path in photograph_paths("bundled") if path.endswith(names)]
    assert len(paths) == len(names)
    values, stills = [], {}
    for pair in shifted_pairs(paths, DETECTOR_PROTOCOL.image_shape, (shift_px,)):
        if pair.view0.name not in stills:
            stills[pair.view0.name] = extract(pair.image0, DETECTOR_PROTOCOL.nms_radius_px)
        other = extract(pair.image1, DETECTOR_PROTOCOL.nms_radius_px)
        values.append(measure_shift(stills[pair.view0.name], other, pair.homography_0to1, DETECTOR_PROTOCOL))
    return {name: float(np.mean([each[name] for each in values])) for name in values[0]}


def test_the_shipped_weights_in_one_phase_are_no_less_exact_than_measured(shipped: SuperPoint):
    """They miss the mark, partners within .3 px and .85 within 1 px at 4 px; weights that reach it may tighten this.

    Refined over 9x9 pixels, those of suppressed neighbours included, they had .67 px and .64.
    """
    found = exactness(shipped, phases=1)
    assert found["localization_px"] <= PRESENT_LOCALIZATION_PX
    assert found["within_1px"] >= PRESENT_WITHIN_1PX


def test_the_shipped_weights_in_four_phases_reach_the_mark_at_half_a_cell(shipped: SuperPoint):
    found = exactness(shipped, phases=4)
    assert found["localization_px"] <= MARK_LOCALIZATION_PX
    assert found["within_1px"] >= MARK_WITHIN_1PX


def test_a_shift_of_a_whole_cell_is_nearly_exact_without_phases(shipped: SuperPoint):
    found = exactness(shipped, phases=1, shift_px=8.0)
    assert found["localization_px"] <= 0.15 and found["within_1px"] >= 0.85
