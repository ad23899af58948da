"""Whole runs: two phases that agree with memory, nothing computed twice, files that hold what the table says."""

import csv
import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config.config_files import build_config
from superpoint_tf.evaluation import evaluate as run
from superpoint_tf.evaluation.in_memory import evaluate_pairs, evaluate_shapes
from superpoint_tf.evaluation.methods.methods import Method, load_extractors, load_methods
from superpoint_tf.evaluation.pair_averages import PairResult, summarize
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.protocols.pair_results import MeasuredPairs
from superpoint_tf.evaluation.protocols.pair_run import measure_pairs, resolve_settings
from superpoint_tf.evaluation.protocols.shape_run import measure_synthetic
from superpoint_tf.evaluation.protocols.shapes import draw_shapes
from superpoint_tf.evaluation.sets.pair_sets import PAIR_SETS
from superpoint_tf.features import Features
from superpoint_tf.runtime.progress import Console

CONFIG = build_config({"workers": 0, "synthetic": {"draw": {"image_shape": [64, 80]}}})
SETTINGS = {"low": PairProtocol((120, 160), 20, 4), "high": PairProtocol((180, 240), 40, 4)}
NAMES = ["Harris", "ORB", "position (control)"]


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the report away where it is not what is tested: its figures take a second or two."""
    if "with_report" not in request.fixturenames:
        monkeypatch.setattr(MeasuredPairs, "figures", lambda self: [])
        monkeypatch.setattr(run, "html_report", lambda evaluation: "")


@pytest.fixture
def with_report() -> None:
    pass


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Two sequences: one turned, one only darker, as PNG and JPEG, grey and colour."""
    root = tmp_path_factory.mktemp("hpatches")
    blocks = np.random.default_rng(0).integers(0, 256, (24, 32)).astype(np.uint8)
    image = cv2.resize(blocks, (320, 240), interpolation=cv2.INTER_LINEAR)
    turn = np.vstack([cv2.getRotationMatrix2D((160, 120), 10, 1.1), [0, 0, 1]])
    pairs = {"v_turn": (cv2.warpPerspective(image, turn, (320, 240)), turn), "i_dark": (image // 2, np.eye(3))}
    for name, (other, homography) in pairs.items():
        (root / name).mkdir()
        cv2.imwrite(str(root / name / "1.png"), image)
        cv2.imwrite(str(root / name / "2.jpg"), cv2.cvtColor(other, cv2.COLOR_GRAY2BGR))
        np.savetxt(root / name / "H_1_2", homography)
    return root


def ask(output: Path, methods: list[Method], **changes) -> run.Request:
    facts = run.describe_run("here", CONFIG, "python tools/evaluate.py ...", {})
    return run.Request(CONFIG, methods, str(output), facts, Console(), **changes)


def evaluate(output: Path, data: Path, methods: list[Method] | None = None, settings=SETTINGS, **changes):
    return measure(ask(output, methods or load_methods(NAMES), **changes), "hpatches", data, settings)


def measure(request: run.Request, name: str, data: Path, settings, num: int = 0) -> MeasuredPairs:
    make_pairs, count = PAIR_SETS[name].open(str(data), request.config, num, request.left_out)
    measured = measure_pairs(request, name, make_pairs, count, settings)
    run.publish(request, measured)
    return measured


def assert_same(found: list[PairResult], expected: list[PairResult]) -> None:
    """Compare results; NaN equals NaN."""
    np.testing.assert_equal([asdict(result) for result in found], [asdict(result) for result in expected])


def counting(name: str = "dots", identity: object = 1) -> tuple[Method, list[str]]:
    """Return a method that finds the same corners in any frame, and the list of the frames it was asked for."""
    asked: list[str] = []

    def find(view, setting, protocol):
        asked.append(f"{setting}/{view.name}")
        xy = np.array([[10, 10], [30, 20], [50, 40], [70, 15], [20, 50]], np.float32)
        return Features(xy, np.linspace(1, 0.5, 5, dtype=np.float32), np.eye(5, dtype=np.float32))

    return Method(name, {"identity": identity}, find), asked


def test_the_two_phases_give_the_very_values_of_an_evaluation_in_memory(tmp_path, data):
    found = evaluate(tmp_path, data)
    make_pairs, _ = PAIR_SETS["hpatches"].open(str(data), CONFIG, 0, [])
    for setting, protocol in SETTINGS.items():
        in_memory = evaluate_pairs(make_pairs(protocol.image_shape), load_extractors(NAMES), protocol)
        assert_same(found.results[setting], in_memory)
        small = protocol.max_keypoints // 2
        in_memory = evaluate_pairs(
            make_pairs(protocol.image_shape), load_extractors(NAMES), replace(protocol, max_keypoints=small)
        )
        assert_same(found.budgets[setting][small], in_memory)
    orb = [r.values["matches"] for r in found.results["high"] if r.method == "ORB"]
    assert min(orb) > 5  # values that are all 0 would be equal, too


def test_a_finished_method_is_not_computed_again_and_a_new_one_alone_is(tmp_path, data):
    (first, asked), (second, asked_second) = counting("first"), counting("second")
    evaluate(tmp_path, data, [first])
    # two settings x (v 1, 2; i 1, 2, shifted 2): a frame of two pairs is asked for once
    assert len(asked) == len(set(asked)) == 10
    before = (tmp_path / "pairs.csv").read_bytes()
    evaluate(tmp_path, data, [first, second])
    assert len(asked) == 10 and len(asked_second) == 10
    evaluate(tmp_path, data, [first])
    assert len(asked) == 10 and (tmp_path / "pairs.csv").read_bytes() == before


def test_a_changed_method_setting_or_picture_is_computed_again_and_said(tmp_path, data, capsys):
    evaluate(tmp_path, data, [counting()[0]])
    changed, asked_again = counting(identity=2)
    evaluate(tmp_path, data, [changed])
    assert len(asked_again) == 10 and "dots: computed again (identity: 1 -> 2)" in capsys.readouterr().out
    evaluate(tmp_path, data, [changed], {**SETTINGS, "low": replace(SETTINGS["low"], nms_radius_px=5)})
    assert len(asked_again) == 15 and "computed again (nms_radius_px: 4 -> 5)" in capsys.readouterr().out
    other = tmp_path / "copy"
    for path in data.rglob("*.*"):
        (other / path.parent.name).mkdir(parents=True, exist_ok=True)
        (other / path.parent.name / path.name).write_bytes(path.read_bytes())
        (other / path.parent.name / "H_1_2").write_bytes((path.parent / "H_1_2").read_bytes())
    cv2.imwrite(str(other / "v_turn" / "1.png"), np.zeros((240, 320), np.uint8))
    asked_again.clear()
    evaluate(tmp_path, other, [changed], {"high": SETTINGS["high"]})
    assert asked_again == ["high/v_turn/1"]


def test_a_run_that_failed_goes_on_where_it_was(tmp_path, data):
    method, asked = counting()

    def fail_late(view, setting, protocol):
        if len(asked) == 6:
            raise ValueError("out of luck")
        return method.find(view, setting, protocol)

    with pytest.raises(ValueError, match="out of luck"):
        evaluate(tmp_path, data, [Method("dots", method.identity, fail_late)])
    assert len(asked) == 6 and not (tmp_path / "summary.json").exists()
    evaluate(tmp_path, data, [method])
    assert len(asked) == len(set(asked)) == 10


def test_the_files_hold_what_the_table_says(tmp_path, data, with_report, capsys):
    found = evaluate(tmp_path, data)
    assert f"eval | {tmp_path}/report.html | table.md | summary.json | figures/" in capsys.readouterr().out
    summary = json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)  # no NaN, no Infinity
    assert summary["settings"]["low"]["max_keypoints"] == 20 and summary["command"].startswith("python tools/")
    assert [row["group"] for row in summary["rows"]["high"]] == ["v"] * 3 + ["i shifted"] * 3 + ["i"] * 3
    for row, expected in zip(summary["rows"]["high"], found.rows("high"), strict=True):
        assert row["repeatability"] == expected["repeatability"]
    with open(tmp_path / "pairs.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 3 * 3  # settings, methods, pairs: none missing
    orb = [line for line in lines if (line["setting"], line["method"], line["group"]) == ("high", "ORB", "v")]
    row = next(r for r in found.rows("high") if (r["method"], r["group"]) == ("ORB", "v"))
    assert float(orb[0]["matching_score"]) == pytest.approx(row["matching_score"], abs=1e-5)
    assert [line["matching_score"] for line in lines if line["method"] == "Harris"] == [""] * 6
    assert {row["sequence"] for row in summary["sequences"]["low"]} == {"v_turn", "i_dark"}
    assert {path.name for path in (tmp_path / "features").iterdir()} == {m.file_name for m in load_methods(NAMES)}
    page = (tmp_path / "report.html").read_text()
    assert "Harris" in page and "v_turn" in page
    assert len(list((tmp_path / "figures").glob("example_*.png"))) == 2  # best and worst of ORB; controls have none


def test_an_extractor_that_finds_nothing_has_all_its_rows(tmp_path, data):
    def find(view, setting, protocol):
        return Features(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), np.zeros((0, 8), np.float32))

    found = evaluate(tmp_path, data, [Method("blind", {}, find)])
    rows = summarize(found.results["high"])
    assert [row["pairs"] for row in rows] == [1, 1, 1]
    assert all(row["h_5"] == row["matching_score"] == row["repeatability"] == 0 for row in rows)
    assert all(math.isinf(result.values["corner_error_px"]) for result in found.results["high"])


def test_a_method_that_describes_keeps_its_values_where_it_finds_nothing(tmp_path, data):
    def find(view, setting, protocol):  # as cv2's detectAndCompute: None where there is nothing
        if view.name in ("v_turn/2", "i_dark/1"):
            return Features(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), None)
        return counting()[0].find(view, setting, protocol)

    rows = evaluate(tmp_path, data, [Method("half blind", {}, find)]).rows("high")
    assert [row["pairs"] for row in rows] == [1, 1, 1] and all(row["h_5"] == row["matching_score"] == 0 for row in rows)


def test_a_method_that_paints_over_its_picture_does_not_change_the_next_ones(tmp_path, data):
    def find(view, setting, protocol):
        view.image[:] = 128
        return Features(np.zeros((0, 2), np.float32), np.zeros(0, np.float32), None)

    alone = evaluate(tmp_path / "a", data, load_methods(["Harris"]))
    after = evaluate(tmp_path / "b", data, [Method("painter", {}, find), *load_methods(["Harris"])])
    for setting in SETTINGS:
        assert_same([r for r in after.results[setting] if r.method == "Harris"], alone.results[setting])


def test_results_of_an_earlier_run_do_not_stand_beside_those_of_this_one(tmp_path, data, with_report):
    evaluate(tmp_path, data, load_methods(["ORB"]))
    (tmp_path / "figures" / "mine.png").write_bytes(b"")
    (tmp_path / "pictures.csv").write_text("")
    evaluate(tmp_path, data, load_methods(["Harris"]))
    left = {path.name for path in (tmp_path / "figures").iterdir()}
    assert left == {"repeatability.png", "keypoints_repeatability.png", "mine.png"}
    assert not (tmp_path / "pictures.csv").exists()


def test_a_run_folder_of_training_is_refused(tmp_path, data):
    (tmp_path / "summary.json").write_text('{"steps": 7}')
    with pytest.raises(ValueError, match="not of an evaluation"):
        evaluate(tmp_path, data)


def test_a_feature_file_is_not_read_and_written_at_once(tmp_path, data):
    evaluate(tmp_path, data, load_methods(["ORB"]))
    name = load_methods(["ORB"])[0].file_name
    before = (tmp_path / "features" / name).read_bytes()
    source = load_methods([f"ORB={tmp_path}/features/{name}"])
    with pytest.raises(ValueError, match="is read and would be written"):
        evaluate(tmp_path, data, source)
    assert (tmp_path / "features" / name).read_bytes() == before


def test_what_cannot_be_used_is_counted_and_named(tmp_path, data, capsys):
    for path in data.rglob("*.*"):
        (tmp_path / "set" / path.parent.name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / path.parent.name / path.name).write_bytes(path.read_bytes())
        (tmp_path / "set" / path.parent.name / "H_1_2").write_bytes((path.parent / "H_1_2").read_bytes())
    (tmp_path / "set" / "v_img1").mkdir()
    request = ask(tmp_path / "out", load_methods(["Harris"]))
    measure(request, "hpatches", tmp_path / "set", SETTINGS)
    assert "left out: 1 | " in capsys.readouterr().out
    assert "v_img1" in json.loads((tmp_path / "out/summary.json").read_text())["left_out"][0]


def test_frames_written_as_png_and_extracted_elsewhere_give_the_same_table(tmp_path, data):
    from superpoint_tf.evaluation.methods.baselines import orb
    from superpoint_tf.features.feature_files import open_features, write_features

    here = evaluate(tmp_path / "here", data, load_methods(["ORB"]), images_folder=str(tmp_path / "frames"))
    with open_features(tmp_path / "orb.h5", "a") as file:
        for path in sorted((tmp_path / "frames").rglob("*.png")):
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            name = path.relative_to(tmp_path / "frames").as_posix()
            write_features(file, name, orb(image), (image.shape[0], image.shape[1]))
    there = evaluate(tmp_path / "there", data, load_methods([f"ORB={tmp_path}/orb.h5"]))
    for setting in SETTINGS:
        assert_same(there.results[setting], here.results[setting])


def test_random_homographies_run_at_the_configs_own_setting(tmp_path):
    for number in range(2):
        blocks = np.random.default_rng(number).integers(0, 256, (20, 25)).astype(np.uint8)
        cv2.imwrite(str(tmp_path / f"{number}.png"), cv2.resize(blocks, (200, 160)))
    config = build_config({"workers": 0, "evaluation": {"image_shape": [96, 128], "num_keypoints": 50}})
    settings = resolve_settings(["config"], config)
    assert settings == {"96x128-config": PairProtocol((96, 128), 50, 4, 3.0)}
    request = replace(ask(tmp_path / "out", load_methods(["Harris"])), config=config)
    found = measure(request, "random-homography", tmp_path, settings, 3)
    assert [row["pairs"] for row in found.rows("96x128-config")] == [3]


def test_shapes_from_disk_are_judged_as_in_memory(tmp_path):
    request = ask(tmp_path, load_methods(["Shi-Tomasi", "grid (control)"]))
    found = measure_synthetic(request, 2)
    run.publish(request, found)
    extract = load_extractors(["Shi-Tomasi"])["Shi-Tomasi"]
    for condition in ("clean", "noisy"):
        samples = [(s.images[condition], s.keypoints, s.primitive) for s in draw_shapes(CONFIG, "test", 2)]
        expected = evaluate_shapes(samples, extract)
        for primitive, (precision, error) in expected.items():
            assert found.values["average_precision"][condition]["Shi-Tomasi"][primitive] == pytest.approx(
                precision, nan_ok=True
            )
            assert found.values["localization_px"][condition]["Shi-Tomasi"][primitive] == pytest.approx(
                error, nan_ok=True
            )
    clean = found.values["average_precision"]["clean"]
    assert clean["Shi-Tomasi"]["all"] > clean["grid (control)"]["all"]
    with open(tmp_path / "pictures.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2 * 2 * 9 * 2  # conditions, methods, primitives, pictures
    json.loads((tmp_path / "summary.json").read_text(), parse_constant=pytest.fail)
