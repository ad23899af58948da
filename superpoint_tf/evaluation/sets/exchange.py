"""Pairs with x and y exchanged: what a method loses by it, it owes to an axis that it favours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np

from superpoint_tf.evaluation.pairs import ImagePair, MakePairs, View

EXCHANGED = ", x and y exchanged"  # ends the name of a group: the pairs of the group before it, seen so
_YX = [1, 0, 2]  # rows or columns of a homography


def exchange_axes(pair: ImagePair) -> ImagePair:
    """Return a pair as it is seen with x and y exchanged: both images transposed, H' = P H P.

    Frames become (W, H). The names of pairs stay, so that results can be compared pair by pair; those of views change,
    and they have no file of origin: no other picture shows what they do.
    """
    view0, view1 = (
        View(f"exchanged/{view.name}", np.ascontiguousarray(view.image.T)) for view in (pair.view0, pair.view1)
    )
    homography = pair.homography_0to1[_YX][:, _YX]
    return replace(pair, group=pair.group + EXCHANGED, view0=view0, view1=view1, homography_0to1=homography)


def in_both_ways(pairs: Iterable[ImagePair]) -> Iterator[ImagePair]:
    """Yield each pair as it is and with x and y exchanged."""
    for pair in pairs:
        yield pair
        yield exchange_axes(pair)


def make_in_both_ways(make_pairs: MakePairs) -> MakePairs:
    """Return a function that makes the pairs of another in both ways."""
    return lambda image_shape: in_both_ways(make_pairs(image_shape))
