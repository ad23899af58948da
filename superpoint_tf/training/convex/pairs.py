"""Pairs of patches for the convex problems: cut once, kept as bytes, and what regions make of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.losses.distance_matrix import negatives_in
from superpoint_tf.networks.pooled_gradients import GradientMaps, pool_regions
from superpoint_tf.training.convex.descent import PairRows
from superpoint_tf.training.convex.rings import Ring, ring_pooling

_AT_ONCE = 64  # patches, or pairs of them

Compare = Callable[[np.ndarray, np.ndarray], np.ndarray]  # features (N, R, C) of two patches each to rows (N, F)


class PatchPairs(NamedTuple):
    """One batch of patches, row by row of one point, and which rows of it are pairs of two points."""

    patches0: np.ndarray  # uint8 (P, S, S)
    patches1: np.ndarray
    negatives: np.ndarray  # int (M, 2): a row of patches0, one of patches1
    held_out: np.ndarray  # bool (P,)


class SplitRows(NamedTuple):
    """The rows that a problem descends on, and those that choose its best iterate."""

    train: PairRows
    held_out: PairRows


def pairs_of(batch: TensorBatch, config: Config, seed: Sequence[int]) -> PatchPairs:
    """Return the valid rows of a batch, and `convex.negatives` random pairs of two points for each row that has any.

    Held out are the points of one picture in `convex.held_out`, the same in every batch.
    """
    settings, random = config.patches.convex, np.random.default_rng(list(seed))
    valid = np.flatnonzero(batch["valid"].numpy())
    allowed = negatives_in(batch, config.patches.radius_px).numpy()[np.ix_(valid, valid)]
    priority = np.where(allowed, random.random(allowed.shape), -1.0)
    partners = np.argsort(-priority, axis=1)[:, : settings.negatives]
    rows = np.repeat(np.arange(len(valid)), partners.shape[1])
    negatives = np.stack([rows, partners.ravel()], axis=1)
    negatives = negatives[allowed[negatives[:, 0], negatives[:, 1]]]
    held_out = batch["picture"].numpy()[valid] % settings.held_out == 0
    first, second = (
        np.rint(255.0 * batch[name].numpy()[valid, ..., 0]).astype(np.uint8) for name in ("patches0", "patches1")
    )
    return PatchPairs(first, second, negatives, held_out)


def ring_distances(batches: Sequence[PatchPairs], rings: Sequence[Ring], maps: GradientMaps) -> SplitRows:
    """Return the squared distances (N, rings) of all pairs: of each ring the sum over its regions and directions."""
    regions = [ring_pooling(ring, batches[0].patches0.shape[1]) for ring in rings]
    starts = np.cumsum([0, *(len(each) for each in regions[:-1])])

    def compare(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.add.reduceat(np.square(first - second).sum(axis=2), starts, axis=1)

    return _rows(batches, np.concatenate(regions), maps, compare)


def pooled_differences(
    batches: Sequence[PatchPairs], pooling: np.ndarray, scales: np.ndarray, maps: GradientMaps
) -> SplitRows:
    """Return the differences (N, R * directions) of all pairs, pooled over regions (R, S * S), times `scales` (R,)."""

    def compare(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return ((first - second) * scales[:, np.newaxis]).reshape(len(first), -1)

    return _rows(batches, pooling, maps, compare)


def _rows(batches: Sequence[PatchPairs], pooling: np.ndarray, maps: GradientMaps, compare: Compare) -> SplitRows:
    positives, negatives, held_out, halves = [], [], [], []
    pooled = tf.function(lambda patches: pool_regions(maps(patches), tf.constant(pooling)))
    for batch in batches:
        first, second = (_features(patches, pooled) for patches in (batch.patches0, batch.patches1))
        everyone = np.arange(len(first))
        positives.append(_compared(first, second, np.stack([everyone, everyone], axis=1), compare))
        negatives.append(_compared(first, second, batch.negatives, compare))
        held_out.append(batch.held_out)
        halves.append(batch.held_out[batch.negatives].sum(axis=1))  # 1: of a picture of each set, used by neither
    rows, others, held, half = (np.concatenate(each) for each in (positives, negatives, held_out, halves))
    return SplitRows(PairRows(rows[~held], others[half == 0]), PairRows(rows[held], others[half == 2]))


def _features(patches: np.ndarray, pooled: Callable[[tf.Tensor], tf.Tensor]) -> np.ndarray:
    parts = [patches[start : start + _AT_ONCE] for start in range(0, len(patches), _AT_ONCE)]
    grey = (tf.constant(part[..., np.newaxis] / 255.0, tf.float32) for part in parts)
    return np.concatenate([pooled(part).numpy() for part in grey])


def _compared(first: np.ndarray, second: np.ndarray, pairs: np.ndarray, compare: Compare) -> np.ndarray:
    parts = [pairs[start : start + _AT_ONCE] for start in range(0, max(len(pairs), 1), _AT_ONCE)]
    return np.concatenate([compare(first[part[:, 0]], second[part[:, 1]]) for part in parts])
