"""From what docs/zoo_table.py measured to its tables: a row a system, and the orderings that the papers claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from superpoint_tf.systems import SCORES

ORGANISATION = {  # what a loss compares, by its name
    **dict.fromkeys(("cross_entropy", "hinge", "pair_hinge"), "pairs"),
    "mined_pairs": "hardest pairs",
    **dict.fromkeys(("triplet", "ratio", "triplet_ratio"), "triplets"),
    "triplet_global": "triplets, statistics of all",
    "global": "statistics of all",
    "difference_hinge": "pairs of pairs",
    **dict.fromkeys(("l2net", "l2net_e1_e2", "l2net_e1", "softmax"), "all of the batch"),
    **dict.fromkeys(("hardest_triplet", "contrastive"), "hardest of the batch"),
}
SYSTEM_COLUMNS = {
    "row": {"title": ""},
    "organisation": {"title": "compares"},
    "use": {"title": "used by"},
    "dimension": {"title": "dim", "digits": 0},
    "steps": {"title": "steps", "digits": 0},
    "points_per_s": {"title": "points/s", "digits": 0},
    "synthetic": {"title": "FPR95 %, synthetic", "digits": 1},
    "strips": {"title": "FPR95 %, strips", "digits": 1},
    "matching": {"title": "match. mAP, strips", "digits": 3},
}
MEAN = "mean of the groups"
CLAIMS: Mapping[str, Sequence[tuple[str, str]]] = {  # pairs of rows: the better one first
    "a network decides better than distance, same branch": (("siam", "siam-l2"), ("pseudo-siam", "pseudo-siam-l2")),
    "two channels above siamese": (("2ch", "siam"),),
    "two streams above one": (
        ("2ch-2stream", "2ch"),
        ("siam-2stream", "siam"),
        ("siam-2stream-l2", "siam-l2"),
        ("cs-snet-gloss", "snet-gloss"),
        ("cs-l2net", "l2net"),
    ),
    "the global loss beside triplets helps": (("tnet-tgloss", "tnet-tloss"),),
    "mining helps DeepDesc": (("deepdesc-2", "deepdesc-1"), ("deepdesc-4", "deepdesc-2"), ("deepdesc", "deepdesc-4")),
    "triplet ≥ softmax ≥ contrastive (HardNet)": (
        ("hardnet", "hardnet-softmax"),
        ("hardnet-softmax", "hardnet-contrastive"),
    ),
    "larger batches are better": (("hardnet", "hardnet-64"), ("hardnet-1024", "hardnet")),
    "E2 and E3 help L2-Net": (("l2net-e1-e2", "l2net-e1"), ("l2net", "l2net-e1-e2")),
    "binary L2-Net above ORB and BRISK": (("binary-l2net", "ORB"), ("binary-l2net", "BRISK")),
}
CLAIM_COLUMNS = {
    "claim": {"title": ""},
    "better": {"title": "better by the papers"},
    "worse": {"title": "worse"},
    "synthetic": {"title": "FPR95 %, synthetic"},
    "strips": {"title": "FPR95 %, strips"},
    "holds": {"title": "holds"},
}


def zoo_tables(systems: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> Any:
    """Return the tables of systems (facts by row) judged on sets (rows of `tools/evaluate.py patches` by set)."""
    values = {name: judged(name, rows) for name in [*systems, *baselines(rows)]}
    listed = [system_row(name, systems.get(name), values[name]) for name in values]
    claims = [claim_row(*claim, values) for claim in all_claims() if {*claim[1:]} <= values.keys()]
    return {
        "systems": {"columns": SYSTEM_COLUMNS, "rows": listed},
        "orderings": {"columns": CLAIM_COLUMNS, "rows": claims},
    }


def baselines(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """Return the classical methods that were measured."""
    known = ("pixels", "SIFT", "RootSIFT", "ORB", "BRISK")
    measured = {row["method"] for of_set in rows.values() for row in of_set}
    return [name for name in known if name in measured]


def judged(name: str, rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, float]:
    """Return the values of a row on both sets; on strips the mean of the groups."""
    values: dict[str, float] = {}
    for of_set, measured in rows.items():
        own = [row for row in measured if row["method"] == name]
        (row,) = [row for row in own if row["group"] == MEAN] or own
        values[of_set] = row["fpr95"]
        if of_set == "strips" and "matching_map" in row:
            values["matching"] = row["matching_map"]
    return values


def system_row(name: str, facts: Mapping[str, Any] | None, values: Mapping[str, float]) -> dict[str, Any]:
    """Return a line of the first table; a classical method has no facts."""
    if facts is None:
        return {"row": name, "use": "distance", **values}
    return {
        "row": f"`{name}`",
        "organisation": ORGANISATION[facts["loss"]],
        "use": "network" if facts["gives"] == SCORES else "distance",
        "dimension": facts["dimension"],
        "steps": facts["steps"],
        "points_per_s": facts["points"] / facts["cpu_s"],
        **values,
    }


def all_claims() -> list[tuple[str, str, str]]:
    """Return every claim with the two rows that it compares."""
    return [(claim, better, worse) for claim, pairs in CLAIMS.items() for better, worse in pairs]


def claim_row(claim: str, better: str, worse: str, values: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Return a line of the second table; a claim holds where it holds on both sets."""
    sets = [name for name in ("synthetic", "strips") if name in values[better]]
    holds = [values[better][name] < values[worse][name] for name in sets]
    verdict = "yes" if all(holds) else "no" if not any(holds) else "on one set"
    numbers = {name: f"{values[better][name]:.1f} / {values[worse][name]:.1f}" for name in sets}
    return {"claim": claim, "better": f"`{better}`", "worse": f"`{worse}`", **numbers, "holds": verdict}
