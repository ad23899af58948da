"""The protocol `retrieval`: from a folder to tables, for warped photographs and for own pictures of places."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import Config
from superpoint_tf.config.config_files import build_config
from superpoint_tf.evaluation.evaluate import Request
from superpoint_tf.evaluation.methods.methods import load_methods
from superpoint_tf.evaluation.protocols.protocols import PROTOCOLS
from superpoint_tf.evaluation.protocols.retrieval_run import BUDGETS, measure_retrieval
from superpoint_tf.evaluation.report.console_table import console_text
from superpoint_tf.evaluation.sets.places import VIEWS, Picture, open_places
from superpoint_tf.runtime.progress import Console

SHAPE = (240, 320)
CONFIG = build_config({"workers": 0, "evaluation": {"homography": {"max_angle_deg": 10.0, "patch_ratio": 0.95}}})


def texture(seed: int, shape: tuple[int, int] = (240, 320)) -> np.ndarray:
    """Draw blobs of all sizes: SIFT finds hundreds of them."""
    generator = np.random.default_rng(seed)
    noise = sum(cv2.resize(generator.random((n, n)), shape[::-1], interpolation=cv2.INTER_CUBIC) for n in (12, 24))
    return np.clip(255 * (noise - noise.min()) / np.ptp(noise), 0, 255).astype(np.uint8)


def write(folder: Path, **pictures: np.ndarray) -> Path:
    for name, picture in pictures.items():
        path = folder / f"{name.replace('__', '/')}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), picture)
    return folder


def request(data: Path, output: Path, *names: str, num: int | None = None, config: Config = CONFIG, **rest) -> Request:
    facts = {"data": str(data), "command": "", "date": ""}
    return Request(config, load_methods(names), str(output), facts, Console(), str(data), num, **rest)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("photographs"), **{f"p{n}": texture(n) for n in range(6)})


def test_a_run_finds_warped_views_among_distractors_and_writes_everything(photographs: Path, tmp_path: Path, capsys):
    names = ("RootSIFT", "ORB", "Harris", "random (control)", "uniform:RootSIFT")
    compared = [("random (control)", "RootSIFT")]
    asked = request(photographs, tmp_path, *names, num=3, compared=compared)
    evaluation = PROTOCOLS["retrieval"].run(asked)
    assert "Harris: finds keypoints and describes none" in capsys.readouterr().out
    lines = console_text(evaluation.console).splitlines()
    assert lines[0].startswith("Retrieval. 3 queries, 12 pictures in the database")
    summary = json.loads((tmp_path / "summary.json").read_text())
    values = {(row["group"], row["method"]): row for row in summary["rows"]}
    best = values["300 features", "RootSIFT"]
    assert best["map"] > 0.9 and best["first"] == 1 and best["pairs"] == 3 and best["inliers_right"] > 50
    assert values["300 features", "random (control)"]["map"] < 0.6
    assert values["75 features", "RootSIFT"]["features"] == 75
    assert ("300 features", "RootSIFT, uniform (control)") in values and "Harris" not in summary["methods"]
    assert [row["budget"] for row in summary["gains"]] == [f"{budget} features" for budget in BUDGETS]
    assert summary["gains"][-1]["gain"] > 0.3
    csv = (tmp_path / "pairs.csv").read_text().splitlines()
    assert csv[0].startswith("budget,method,place,query,average_precision") and len(csv) == 1 + 3 * 4 * len(BUDGETS)
    assert "standard error of mAP" in (tmp_path / "report.html").read_text()


def test_a_second_run_takes_the_features_of_the_first_and_says_the_same(photographs: Path, tmp_path: Path):
    first = measure_retrieval(request(photographs, tmp_path, "ORB", num=2)).rows()
    again = measure_retrieval(request(photographs, tmp_path, "ORB", num=2)).rows()
    assert first == again


def test_views_are_functions_of_photograph_seed_and_number(photographs: Path):
    def views(num: int, seed: int = 0) -> dict[str, np.ndarray]:
        config = build_config({"seed": seed})
        return {p.name: p.read().image for p in open_places(str(photographs), config, SHAPE, num)}

    few, more, other = views(2), views(3), views(2, seed=1)
    assert len(few) == 2 * VIEWS + 4 and len(more) == 3 * VIEWS + 3
    assert all((few[name] == more[name]).all() for name in few)  # what was a distractor is the place's first view
    assert not any((few[name] == other[name]).all() for name in few)
    assert len({image.tobytes() for image in few.values()}) == len(few)


def places(root: Path) -> list[Picture]:
    return open_places(str(root), CONFIG, SHAPE, None)


def test_own_pictures_lie_in_a_folder_a_place(tmp_path: Path):
    church, tower = texture(0, (300, 400)), texture(1, (400, 200))
    moved = np.roll(church, 9, axis=1)
    write(tmp_path, places__church__a=church, places__church__b=moved, places__church__c=255 - church)
    write(tmp_path, places__tower__a=tower, distractors__x=texture(2), distractors__deep__y=texture(3))
    found = places(tmp_path)
    assert [(p.name, p.place, p.asks) for p in found] == [
        *((f"places/church/{name}.png", "church", True) for name in "abc"),
        ("places/tower/a.png", "tower", False),  # alone: there is nothing to find
        ("distractors/deep/y.png", "", False),
        ("distractors/x.png", "", False),
    ]
    assert found[0].read().image.shape == (240, 320) and found[3].read().image.shape == (320, 160)
    rows = measure_retrieval(request(tmp_path, tmp_path / "out", "RootSIFT")).rows()
    assert rows[-1]["pairs"] == 3 and float(rows[-1]["first"]) >= 2 / 3  # the negative picture may be lost


def test_a_picture_never_finds_itself(tmp_path: Path):
    write(tmp_path, places__a__1=texture(0), places__a__2=texture(1), places__b__1=texture(2), places__b__2=texture(3))
    rows = measure_retrieval(request(tmp_path, tmp_path / "out", "position (control)")).rows()
    assert all(float(row["first"]) < 1 for row in rows)  # all others are equally near


@pytest.mark.parametrize(
    ("pictures", "num", "words"),
    [
        ({"p": 0}, None, "1 photographs give 0 places and 1 distractors"),
        ({"p": 0, "q": 1}, 2, "2 photographs give 2 places and 0 distractors; retrieval needs both: --num less"),
        ({"places__a__1": 0, "places__a__2": 1}, None, "one place alone, and nothing to mistake it for"),
        ({"places__a__1": 0, "places__b__1": 1}, None, "no place has two pictures; expected places/<place>/"),
        ({"places__1": 0, "places__a__1": 1}, None, "places/1.png: lies in no place's own folder"),
        ({"places__a__1": 0, "places__a__2": 1, "distractors__x": 2}, 3, "all of which are asked for; leave it out"),
    ],
)
def test_what_cannot_be_asked_is_said(pictures: dict[str, int], num: int | None, words: str, tmp_path: Path):
    write(tmp_path, **{name: texture(seed) for name, seed in pictures.items()})
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        open_places(str(tmp_path), CONFIG, SHAPE, num)


def test_pictures_without_features_and_of_one_row_find_nothing(tmp_path: Path):
    flat = np.full((240, 320), 128, np.uint8)
    write(tmp_path, places__a__1=flat, places__a__2=flat, places__b__1=texture(0), places__b__2=texture(0))
    write(tmp_path, distractors__line=texture(1, (2, 640)))
    assert places(tmp_path)[-1].read().image.shape == (1, 320)
    rows = measure_retrieval(request(tmp_path, tmp_path / "out", "RootSIFT")).rows()
    assert [float(row["map"]) for row in rows] == [0.5] * len(BUDGETS)  # place b alone


def test_a_damaged_picture_is_left_out_and_named(photographs: Path, tmp_path: Path):
    write(tmp_path, places__a__1=texture(0), places__a__2=texture(0), places__b__1=texture(1), places__b__2=texture(1))
    (tmp_path / "places/b/2.png").write_bytes(b"no picture")
    asked = request(tmp_path, tmp_path / "out", "ORB")
    rows = measure_retrieval(asked).rows()
    assert [row["pairs"] for row in rows] == [2] * len(BUDGETS)  # b is a distractor now
    assert len(asked.left_out) == 1 and "places/b/2.png" in asked.left_out[0]


def test_detectors_alone_are_refused(photographs: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="none of them describes what it finds"):
        measure_retrieval(request(photographs, tmp_path, "Harris", num=2))


def test_a_comparison_with_a_detector_alone_is_refused_before_anything_is_written(photographs: Path, tmp_path: Path):
    asked = request(photographs, tmp_path / "run", "SIFT", "Harris", compared=[("Harris", "SIFT")])
    with pytest.raises(ValueError, match="--compare: Harris describes nothing"):
        measure_retrieval(asked)


def test_options_that_do_not_apply_are_refused():
    refusal = PROTOCOLS["retrieval"].refusal
    assert refusal("retrieval", []) == "retrieval needs --data DIR"
    assert "measured at 240x320" in refusal("retrieval", ["data", "presets"])
    assert refusal("retrieval", ["data", "num", "compare"]) == ""
