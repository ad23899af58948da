"""What is said of differences that are known, and what the pairs are."""

from __future__ import annotations

import itertools
import re

import numpy as np
import pytest

from superpoint_tf.config import Config
from superpoint_tf.config.config_files import build_config
from superpoint_tf.evaluation.comparison import Difference
from superpoint_tf.evaluation.in_memory import Extractor
from superpoint_tf.evaluation.methods.methods import load_extractors
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.sets.photographs import photograph_paths
from superpoint_tf.features import Features
from superpoint_tf.finetuning.judgement import PAIRS_A_PHOTOGRAPH, Judgement, judge, make_pairs
from superpoint_tf.runtime import progress
from superpoint_tf.runtime.progress import Console

PROTOCOL = PairProtocol((48, 64), 100, 4)


def difference(mean: float, error: float, value: str = "matching_score") -> Difference:
    return Difference(value, mean, error, 6, 0)


def judgement(
    gained: Difference, classical: float = 0.2, photographs: int = 6, others: tuple[Difference, ...] = ()
) -> Judgement:
    return Judgement([], [gained, *others], [difference(classical, 0.01)], photographs, PROTOCOL)


@pytest.mark.parametrize(
    ("mean", "error", "words", "kept"),
    [
        (0.03, 0.01, "Better than before: matching score +0.030 ± 0.010 *, on 6 held-out photographs.", True),
        (0.019, 0.01, "No difference: matching score +0.019 ± 0.010, on 6 held-out photographs.", False),
        (-0.03, 0.01, "Worse than before: matching score -0.030 ± 0.010 *, on 6 held-out photographs.", False),
        (0.0, 0.0, "No difference: matching score +0.000 ± 0.000, on 6 held-out photographs.", False),
    ],
)
def test_the_weights_after_are_kept_where_they_are_better_beyond_two_standard_errors(
    mean: float, error: float, words: str, kept: bool
):
    found = judgement(difference(mean, error))
    assert found.verdict()[0] == words and found.keeps_after is kept


def test_few_photographs_decide_nothing():
    found = judgement(difference(0.3, 0.01), photographs=4)
    assert found.verdict()[0].startswith("4 held-out photographs are too few to tell") and not found.keeps_after


@pytest.mark.parametrize(
    ("classical", "words"), [(0.1, "better than"), (-0.1, "worse than"), (0.01, "no better and no worse than")]
)
def test_rootsift_is_compared_too(classical: float, words: str):
    said = judgement(difference(0.03, 0.01), classical).verdict()[-1]
    assert said.startswith(f"After it matches {words} RootSIFT, which needs no training: ")


def test_what_else_fell_is_said_and_less_distance_is_no_fall():
    others = (
        difference(-0.2, 0.05, "h_3"),
        difference(-0.1, 0.01, "localization_px"),
        difference(0.1, 0.01, "mma_3"),
        difference(-0.01, 0.01, "repeatability"),
    )
    (_, said, _) = judgement(difference(0.03, 0.01), others=others).verdict()
    assert said == "Worse than before in other ways: H@3 -0.200 ± 0.050 *."


def config() -> Config:
    return build_config({"photographs": {"image_shape": [48, 64]}, "evaluation": {"image_shape": [48, 64]}})


def test_pairs_of_one_photograph_count_as_one_and_each_part_of_judging_says_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    clock = itertools.count(0, 20)  # a loaded machine: 20 s from one look at it to the next
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    photographs = photograph_paths("bundled")[:3]
    pairs = make_pairs(photographs, config(), Console())
    assert len(pairs) == 3 * PAIRS_A_PHOTOGRAPH
    rootsift = load_extractors(["RootSIFT"])["RootSIFT"]

    def without_descriptors_of_worth(image: np.ndarray, nms_radius_px: int) -> Features:
        found = rootsift(image, nms_radius_px)
        return found._replace(descriptors=np.random.default_rng(0).random((len(found.keypoints), 8), np.float32))

    methods: dict[str, Extractor] = {
        "before": without_descriptors_of_worth,
        "after": rootsift,
        "RootSIFT": rootsift,
    }
    found = judge(pairs, methods, config(), Console())
    said = capsys.readouterr().out
    assert "judge | 24 pairs of 3 photographs by before, after, RootSIFT\n" in said
    for label, unit in (("pairs", "pairs to judge by"), ("judge", "pairs")):
        assert re.search(rf"^{label} \| 12/24 {unit} \| [\d.]+/s \| eta \d:\d\d:\d\d$", said, re.MULTILINE)
    assert found.photographs == 3 and {d.pairs for d in found.gained if d.value == "matching_score"} == {3}
    assert found.decisive.mean > 0
    assert all(d.mean == 0 for d in found.over_classical if not np.isnan(d.mean))
    assert "over before" in found.text() and found.as_json()["photographs"] == 3
