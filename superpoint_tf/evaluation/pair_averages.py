"""The values of one pair of images, given the features of both, and their averages; `measures` has the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from superpoint_tf.evaluation.measures import averages, values_of_pair
from superpoint_tf.evaluation.pair_protocol import MeasuredPair, PairProtocol
from superpoint_tf.features import Features


@dataclass(frozen=True)
class PairResult:
    """The values of one method on one pair: keypoints (mean of both views) and those that the measures return."""

    method: str
    pair: str
    group: str
    values: dict[str, float]
    sequence: str = ""


def measure_pair(
    features0: Features,
    features1: Features,
    homography_0to1: np.ndarray,
    protocol: PairProtocol,
    detector: bool = True,
    matching: bool = True,
) -> dict[str, float]:
    """Return the values of a pair that MEASURES has: keypoints, the detector's, and with descriptors the matching's.

    Takes features as `MeasuredPair` does.
    """
    described = [features.descriptors is not None for features in (features0, features1)]
    if described[0] != described[1]:
        raise ValueError("only one of the two views has descriptors; return (0, D) ones where nothing was found")
    pair = MeasuredPair((features0, features1), homography_0to1, protocol)
    return values_of_pair(pair, detector, matching and described[0])


def summarize(results: Sequence[PairResult], by_sequence: bool = False) -> list[dict[str, float | str]]:
    """Average results over the pairs of each (group, method), in order of first appearance.

    Adds pairs. Values become what MEASURES says, others the mean over all pairs of the group. `by_sequence` averages
    the pairs of each sequence alone and adds its name. Raises ValueError if results of one row have different values.
    """
    groups: dict[tuple[str, str, str], list[PairResult]] = {}
    for result in results:
        key = (result.group, result.sequence if by_sequence else "", result.method)
        groups.setdefault(key, []).append(result)
    rows = []
    for (group, sequence, method), members in groups.items():
        row: dict[str, float | str] = {"group": group, "method": method, "pairs": len(members)}
        if by_sequence:
            row["sequence"] = sequence
        for member in members:
            if member.values.keys() != members[0].values.keys():
                raise ValueError(f"{method}: {member.pair} has other values than {members[0].pair}")
        for name in members[0].values:
            row |= averages(name, np.array([member.values[name] for member in members]))
        rows.append(row)
    return rows
