"""Weights before and after a training, and RootSIFT, on photographs that neither learnt from: table and verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from superpoint_tf.config import Config
from superpoint_tf.evaluation.comparison import NUM_ERRORS, Difference, paired_differences
from superpoint_tf.evaluation.in_memory import Extractor, evaluate_pairs
from superpoint_tf.evaluation.measures import HIGH, MEASURES, Column
from superpoint_tf.evaluation.pair_averages import PairResult, summarize
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import ImagePair
from superpoint_tf.evaluation.report.console_table import console_text
from superpoint_tf.evaluation.results import Row, Table
from superpoint_tf.evaluation.sets.random_homographies import random_homography_pairs
from superpoint_tf.runtime.progress import Console, Progress, watched

BEFORE, AFTER, CLASSICAL = "before", "after", "RootSIFT"
DECIDES = "matching_score"  # by which training chose the weights, too
PAIRS_A_PHOTOGRAPH = 8
_FEWEST = 5  # photographs; the standard error of fewer is itself hardly known
_COLUMNS = ("method", "repeatability", "localization_px", "matching_score", "nn_map", "mma_3", "h_1", "h_3", "h_5")


@dataclass(frozen=True)
class Judgement:
    """The averages of each method, and what `after` gains over the two others, photograph by photograph."""

    rows: list[Row]
    gained: list[Difference]  # over BEFORE
    over_classical: list[Difference]
    photographs: int
    protocol: PairProtocol

    @property
    def decisive(self) -> Difference:
        """Return the difference that decides."""
        return _of(self.gained, DECIDES)

    @property
    def keeps_after(self) -> bool:
        """Tell whether the weights after the training are better, beyond two standard errors."""
        return self.photographs >= _FEWEST and self.decisive.significant and self.decisive.mean > 0

    def text(self) -> str:
        """Return the tables for a console."""
        pairs = f"{self.photographs} photographs, {PAIRS_A_PHOTOGRAPH} random homographies each"
        columns: dict[str, Column] = {"method": Column("method")}
        columns |= {name: MEASURES[name] for name in _COLUMNS[1:] if any(name in row for row in self.rows)}
        title = f"{pairs}; {self.protocol}, right within {self.protocol.distance_px:g} px"
        note = f"what `{AFTER}` gains, ± its standard error over the photographs; * beyond {NUM_ERRORS:g} of them"
        names = {name: Column(name) for name in ("measure", f"over {BEFORE}", f"over {CLASSICAL}")}
        gains: list[Row] = [
            {
                "measure": MEASURES[found.value].title,
                f"over {BEFORE}": shown_difference(found),
                f"over {CLASSICAL}": shown_difference(_of(self.over_classical, found.value)),
            }
            for found in self.gained
        ]
        return console_text([Table(columns, self.rows, title), Table(names, gains, note)])

    @property
    def fallen(self) -> list[Difference]:
        """Return what else is worse than before beyond two standard errors; of nine, chance alone shows some."""
        return [d for d in self.gained if d.significant and d.value != DECIDES and (d.mean < 0) == _more_is_better(d)]

    def verdict(self) -> list[str]:
        """Return what was found, a sentence each."""
        found, count = self.decisive, f"{self.photographs} held-out photographs"
        figures = f"{MEASURES[DECIDES].name} {shown_difference(found)}"
        if self.photographs < _FEWEST:
            sentences = [f"{count} are too few to tell before from after ({figures}): hold out {_FEWEST} or more."]
        else:
            sentences = [f"{_relation(found, 'Better than before', 'Worse than before', 'No difference')}: {figures}, "]
            sentences[0] += f"on {count}."
        if self.fallen:
            listed = ", ".join(f"{MEASURES[d.value].title} {shown_difference(d)}" for d in self.fallen)
            sentences.append(f"Worse than before in other ways: {listed}.")
        classical = _of(self.over_classical, DECIDES)
        relation = _relation(classical, "better than", "worse than", "no better and no worse than")
        than = f"{relation} {CLASSICAL}, which needs no training: {shown_difference(classical)}"
        return [*sentences, f"After it matches {than}."]

    def as_json(self) -> dict[str, Any]:
        """Return everything as `verdict.json` has it."""
        sides = {BEFORE: self.gained, CLASSICAL: self.over_classical}
        return {
            "verdict": self.verdict(),
            "keeps_after": self.keeps_after,
            "photographs": self.photographs,
            "rows": self.rows,
            "gained_over": {
                name: {d.value: {**asdict(d), "significant": d.significant} for d in found}
                for name, found in sides.items()
            },
        }


def make_pairs(photographs: Sequence[str], config: Config, console: Console) -> list[ImagePair]:
    """Return pairs of each photograph by homographies that the training's validation does not use.

    Large photographs take a while, each of them is read for each of its pairs: `console` says how far it is.
    """
    settings, count = config.evaluation, PAIRS_A_PHOTOGRAPH * len(photographs)
    ranges = (settings.homography, config.photographs.photometric)
    drawn = (*ranges, config.seed + 1, count)
    stretch = config.photographs.stretch
    pairs = random_homography_pairs(photographs, settings.image_shape, *drawn, stretch=stretch)
    return list(watched(pairs, count, "pairs", "pairs to judge by", console))


def judge(pairs: Sequence[ImagePair], methods: Mapping[str, Extractor], config: Config, console: Console) -> Judgement:
    """Measure `before`, `after` and `RootSIFT` on the pairs of `make_pairs`."""
    protocol, photographs = PairProtocol.of(config.evaluation), len(pairs) // PAIRS_A_PHOTOGRAPH
    console.line("judge", f"{len(pairs)} pairs of {photographs} photographs by {', '.join(methods)}")
    with Progress(len(pairs), "judge", "pairs", console=console) as progress:
        results = evaluate_pairs(pairs, methods, protocol, on_pair=progress.update)
    photograph_of = {pair.name: str(number % photographs) for number, pair in enumerate(pairs)}  # they take turns
    by_method = {name: _values(results, name) for name in methods}

    def gained(other: str) -> list[Difference]:
        return paired_differences(by_method[other], by_method[AFTER], photograph_of.__getitem__)

    return Judgement(summarize(results), gained(BEFORE), gained(CLASSICAL), photographs, protocol)


def _values(results: Sequence[PairResult], method: str) -> dict[str, dict[str, float]]:
    return {result.pair: result.values for result in results if result.method == method}


def _relation(found: Difference, better: str, worse: str, neither: str) -> str:
    return neither if not found.significant else better if found.mean > 0 else worse


def _more_is_better(difference: Difference) -> bool:
    return MEASURES[difference.value].better == HIGH


def _of(differences: Sequence[Difference], value: str) -> Difference:
    return next(difference for difference in differences if difference.value == value)


def shown_difference(difference: Difference) -> str:
    """Return a difference with its standard error, and a star if it is beyond two of them."""
    if math.isnan(difference.mean):
        return "-"
    error = "" if math.isnan(difference.standard_error) else f" ± {difference.standard_error:.3f}"
    return f"{difference.mean:+.3f}{error}{' *' * difference.significant}"
