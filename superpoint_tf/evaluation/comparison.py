"""Two sets of values on the same pairs: the mean of their differences, and how exactly the pairs determine it.

A pair that is hard is hard for both; so the differences vary far less than the values, and a choice between two methods
needs far fewer pairs than their two averages would suggest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from superpoint_tf.evaluation.measures import COMPARED, Measure, shown

Values = Mapping[str, float]
NUM_ERRORS = 2.0  # a difference beyond so many standard errors is marked: of twenty without a cause, one is


@dataclass(frozen=True)
class Difference:
    """The mean over pairs, or over what they are of, of one value's differences."""

    value: str
    mean: float  # NaN: no pair has the value on both sides
    standard_error: float  # of the mean; NaN: fewer than two pairs
    pairs: int  # that were compared
    left_out: int  # where the value is NaN, or the pair absent, on one side

    @property
    def significant(self) -> bool:
        """Tell whether the mean is more than two standard errors away from zero."""
        return bool(abs(self.mean) > NUM_ERRORS * self.standard_error)  # False where either is NaN


def paired_differences(
    first: Mapping[str, Values], second: Mapping[str, Values], picture_of: Callable[[str], str] = str
) -> list[Difference]:
    """Return `second` minus `first` for each measure that is compared and that both have, from the values by pair.

    h_1, h_3 and h_5 are 1 or 0 on a pair, by its corner_error_px. Pairs of one picture, by `picture_of` their names,
    are alike: their differences are averaged first, so that mean, standard error and counts are of pictures.
    """
    names = [*dict.fromkeys([*first, *second])]
    differences = []
    for value, measure in shown(COMPARED).items():
        sides = [[_outcome(side.get(name, {}), value, measure) for name in names] for side in (first, second)]
        if all(any(outcome is not None for outcome in side) for side in sides):
            numbers = np.array([[np.nan if o is None else o for o in side] for side in sides])
            differences.append(_difference(value, _by_picture(names, numbers[1] - numbers[0], picture_of)))
    return differences


def check_comparisons(comparisons: Sequence[Sequence[str]], methods: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs of rows to compare; raises ValueError naming a row that there is not."""
    for name in [name for names in comparisons for name in names]:
        if name not in methods:
            raise ValueError(f"--compare {name!r}: no row of that name; there are {', '.join(map(repr, methods))}")
    return [(first, second) for first, second in comparisons]


def _outcome(values: Values, value: str, measure: Measure) -> float | None:
    found = values.get(measure.source or value)
    if not measure.source or found is None or np.isnan(found):
        return found
    assert measure.average is not None
    return measure.average(np.array([found]))


def _by_picture(names: Sequence[str], differences: np.ndarray, picture_of: Callable[[str], str]) -> np.ndarray:
    """Return the mean of the differences that each picture has; NaN where it has none."""
    of_picture: dict[str, list[float]] = {}
    for name, difference in zip(names, differences, strict=True):
        of_picture.setdefault(picture_of(name), []).append(float(difference))
    present = [[d for d in found if not np.isnan(d)] for found in of_picture.values()]
    return np.array([np.mean(found) if found else np.nan for found in present])


def _difference(value: str, differences: np.ndarray) -> Difference:
    present = differences[~np.isnan(differences)]
    count = len(present)
    mean = float(present.mean()) if count else float("nan")
    error = float(present.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan")
    return Difference(value, mean, error, count, len(differences) - count)
