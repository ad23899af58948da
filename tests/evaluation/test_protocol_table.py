"""A protocol is a row of a table: options, title and groups of a new set of pairs come from its row alone."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.config.config_files import build_config
from superpoint_tf.evaluation.evaluate import Request
from superpoint_tf.evaluation.methods.methods import FOR_PAIRS, FOR_SHAPES, load_methods
from superpoint_tf.evaluation.pairs import Group, ImagePair, View
from superpoint_tf.evaluation.protocols.protocols import PROTOCOLS, protocol_of_pairs
from superpoint_tf.evaluation.report.console_table import console_text
from superpoint_tf.evaluation.sets.pair_sets import PAIR_SETS, PairSet
from superpoint_tf.runtime.progress import Console


def open_stripes(root, config, num_pairs, left_out):
    """Frames of noise, and each again 2 px lower; every other pair does not move."""
    left_out.append(f"{root}: nothing")

    def make(image_shape):
        for number in range(num_pairs):
            noise = np.random.default_rng(number).integers(0, 256, image_shape).astype(np.uint8)
            dy = 2 * (number % 2)
            views = (View(f"{number}/0", noise), View(f"{number}/1", np.roll(noise, dy, axis=0)))
            homography = np.array([[1, 0, 0], [0, 1, dy], [0, 0, 1.0]])
            yield ImagePair(f"{number}", "falling" if dy else "still", *views, homography)

    return make, num_pairs


STRIPES = PairSet(
    "Evaluation on noise",
    {"falling": Group("falling: 2 px"), "still": Group("still: nothing moves", "A fixed grid wins here.")},
    open_stripes,
    4,
    lambda config: {"noise": 256},
)


def test_a_new_set_of_pairs_is_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setitem(PAIR_SETS, "noise", STRIPES)
    protocol = protocol_of_pairs("noise", STRIPES)
    config = build_config({"workers": 0, "evaluation": {"image_shape": [48, 64], "num_keypoints": 20}})
    facts = {"data": "here", **protocol.sampling(config)}
    request = Request(config, load_methods(["ORB"]), str(tmp_path), facts, Console(), "here", presets=["config"])
    evaluation = protocol.run(request)
    assert "left out: 1 | here: nothing" in capsys.readouterr().out
    assert console_text(evaluation.console).splitlines()[3] == "[falling: 2 pairs]"  # though it came second
    page = (tmp_path / "report.html").read_text()
    assert "<h1>Evaluation on noise</h1>" in page and "Protocol noise on here: 4 pairs" in page
    assert page.index("<h4>falling: 2 px (2 pairs)") < page.index("<h4>still: nothing moves") < page.index("grid wins")
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert (summary["protocol"], summary["noise"]) == ("noise", 256)
    assert {example.title.split("(")[1].split(")")[0] for example in evaluation.examples} == {"falling"}


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("hpatches", [], "hpatches needs --data DIR"),
        ("hpatches", ["data", "num"], "hpatches takes all pairs of the folder: --num does not apply"),
        ("hpatches", ["data", "presets", "compare", "transposed"], ""),
        ("random-homography", ["data", "num"], ""),
        ("synthetic", ["num"], ""),
        (
            "synthetic",
            ["presets"],
            "synthetic draws its own pictures at their own size: --data and --presets and --stretch do not",
        ),
        ("synthetic", ["compare"], "synthetic has no pairs of views to compare: --compare and --transposed do not"),
        ("shifts", ["data", "presets"], "shifts are measured at 240x320: --presets does not apply"),
    ],
)
def test_options_that_do_not_apply_are_refused_with_the_reason(name: str, given: list[str], words: str):
    found = PROTOCOLS[name].refusal(name, given)
    assert found.startswith(words) and bool(found) == bool(words)


def test_shapes_alone_want_every_answer_of_a_network():
    assert {name for name, protocol in PROTOCOLS.items() if protocol.detection == FOR_SHAPES} == {"synthetic"}
    assert {name for name, protocol in PROTOCOLS.items() if protocol.detection == FOR_PAIRS} == PROTOCOLS.keys() - {
        "synthetic"
    }
