"""The sets of pairs, by the name of their protocol. A new one is a file beside this one and a row of PAIR_SETS."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from superpoint_tf.config import Config
from superpoint_tf.evaluation.pairs import Group, MakePairs
from superpoint_tf.evaluation.sets import hpatches, random_homographies


@dataclass(frozen=True)
class PairSet:
    """Where pairs come from, and what the report calls them."""

    title: str  # of the report
    groups: Mapping[str, Group]  # in the order to read them; others come after those without a warning
    # From the data folder, the config, the number of pairs and a list for what cannot be used to the pairs and how many
    # there are; raises ValueError or OSError naming the folder.
    open: Callable[[str, Config, int, list[str]], tuple[MakePairs, int]]
    default_num: int | None = None  # of pairs; None: all there are
    sampling: Callable[[Config], dict[str, Any]] = lambda config: {}  # what else a reader needs to make them again


PAIR_SETS = {
    "hpatches": PairSet(
        "HPatches evaluation", hpatches.GROUPS, hpatches.open_hpatches, sampling=random_homographies.stretched
    ),
    "random-homography": PairSet(
        "Evaluation on random homographies",
        random_homographies.GROUPS,
        random_homographies.open_random_homographies,
        200,
        random_homographies.sampling,
    ),
}
