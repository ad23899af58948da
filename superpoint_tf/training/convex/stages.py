"""The convex descriptor from pairs of patches: first the regions, then the projection."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.networks.pooled_gradients import GradientMaps
from superpoint_tf.systems import SYSTEMS, PatchSpec
from superpoint_tf.training.convex.descent import Descent
from superpoint_tf.training.convex.pairs import PatchPairs, SplitRows, pooled_differences, ring_distances
from superpoint_tf.training.convex.problems import Problem, ProjectionProblem, RingProblem
from superpoint_tf.training.convex.rings import Ring, candidate_rings, ring_pooling

Descend = Callable[[Problem, SplitRows, int], Descent]  # of a problem on its rows for so many steps, to the end


class Sizes(NamedTuple):
    """What a system's row says of its network."""

    side_px: int
    regions: int
    dimension: int
    maps: GradientMaps


class Regions(NamedTuple):
    """Regions (R, S * S), and how much each one's squared distance counts, (R,)."""

    pooling: np.ndarray
    weights: np.ndarray


def sizes_of(system: str) -> Sizes:
    """Return the sizes of a row whose layers are gradients, regions and a projection."""
    spec = SYSTEMS[system].network
    assert isinstance(spec, PatchSpec)
    values = {layer.kind: layer.values for layer in spec.layers}
    maps = GradientMaps("gradients", **values["gradients"])
    return Sizes(spec.side_px, values["regions"]["regions"], values["fc"]["channels"], maps)


def train_convex(batches: Sequence[PatchPairs], config: Config, descend: Descend) -> dict[str, np.ndarray]:
    """Return the weights of the network that `config.network` names, by `layer/variable`.

    `descend` is asked twice: for the weights of the rings, then for the projection of what the chosen ones give. Raises
    ConfigError if there are no pairs to descend on or to choose by, or if a regulariser leaves nothing.
    """
    settings, sizes = config.patches.convex, sizes_of(config.network.system)
    rings = candidate_rings(settings, sizes.side_px)
    rows = ring_distances(batches, rings, sizes.maps)
    _check(rows)
    counts = np.array([len(ring_pooling(ring, sizes.side_px)) for ring in rings])
    chosen = descend(RingProblem(settings, counts, sizes.regions), rows, settings.ring_steps).best
    _check_left(chosen, "no ring has a weight; lower patches.convex.ring_l1")
    regions = _regions(rings, chosen, sizes)
    scales = np.sqrt(regions.weights)
    rows = pooled_differences(batches, regions.pooling, scales, sizes.maps)
    problem = ProjectionProblem(settings, rows.train.positives.shape[1], sizes.dimension)
    projection = descend(problem, rows, config.patches.steps).best
    _check_left(projection, "the projection has rank 0; lower patches.convex.trace")
    return _weights(regions, projection, sizes)


def _check_left(best: np.ndarray, problem: str) -> None:
    if not best.any():
        raise ConfigError(f"patches.convex: {problem}")


def _check(rows: SplitRows) -> None:
    for name, pairs in rows._asdict().items():
        counts = [len(each) for each in pairs]
        if not all(counts):
            raise ConfigError(
                f"patches.convex: {counts[0]} pairs of one point and {counts[1]} of two are {name.replace('_', ' ')}: "
                "give more patches.convex.batches or photographs"
            )


def _regions(rings: Sequence[Ring], weights: np.ndarray, sizes: Sizes) -> Regions:
    """Return the regions of the rings that weigh anything, each with its ring's weight."""
    chosen = np.flatnonzero(weights)
    parts = [ring_pooling(rings[ring], sizes.side_px) for ring in chosen]
    return Regions(np.concatenate(parts), np.repeat(weights[chosen], [len(part) for part in parts]).astype(np.float32))


def _weights(regions: Regions, projection: np.ndarray, sizes: Sizes) -> dict[str, np.ndarray]:
    """Lay out regions and projection (rank, R * directions) as the network holds them, with zeros for what is free."""
    count, directions = len(regions.pooling), sizes.maps.bins
    pooling = np.zeros((sizes.regions, sizes.side_px**2), np.float32)
    pooling[:count] = regions.pooling
    kernel = np.zeros((sizes.regions * directions, sizes.dimension), np.float32)
    scales = np.repeat(np.sqrt(regions.weights), directions)  # the projection was found of features times these
    kernel[: count * directions, : len(projection)] = (projection * scales).T
    return {"regions/pooling": pooling, "fc_1/kernel": kernel}
