"""Phase one: every method's features of every frame, computed once and kept on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from superpoint_tf.evaluation.feature_store import FeatureStore
from superpoint_tf.evaluation.frame_extraction import FrameExtraction, Stores, extract_frames
from superpoint_tf.evaluation.methods.methods import Method
from superpoint_tf.evaluation.pairs import ImagePair, View
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Console


@dataclass(frozen=True)
class PairRecord:
    """A pair without its pixels: all that phase two needs besides the features."""

    name: str
    group: str
    sequence: str
    frames: tuple[str, str]  # keys of the feature files: `<setting>/<view name>`
    homography_0to1: np.ndarray
    image_shape: tuple[int, int] | None = None  # (height, width) of both frames; None: the protocol's


@contextlib.contextmanager
def open_stores(
    folder: str | Path, methods: Sequence[Method], console: Console, overwrite: bool = False
) -> Iterator[Stores]:
    """Open a feature file a method, `<folder>/<method>.h5`; says which earlier features were dropped, and why."""
    with contextlib.ExitStack() as stack:
        stores = []
        for method in methods:
            path = Path(folder) / method.file_name
            if "from" in method.identity and path.resolve() == Path(method.identity["from"]).resolve():
                raise ValueError(f"--methods {method.name}: {path} is read and would be written; give it another name")
            stores.append((method, stack.enter_context(FeatureStore(path, method.identity, overwrite))))
        report_dropped(stores, console)
        yield stores


def report_dropped(stores: Stores, console: Console) -> None:
    """Say which methods are computed again, and why."""
    for method, store in stores:
        if store.dropped:
            console.line("eval", f"{method.name}: computed again ({store.dropped})")
            store.dropped = ""


def extract_pairs(
    pairs: Iterable[ImagePair], how: FrameExtraction, stop: StopRequest, stopped: str
) -> Iterator[tuple[PairRecord, int]]:
    """Extract both frames of each pair, a shared one once; yield the pairs without their pixels.

    With each comes how often a method was really run on its frames. Raises Interrupted, with the message `stopped`.
    """
    for _, store in how.stores:
        store.open_setting(how.setting, how.protocol)
    seen: set[str] = set()

    def new_views(pair: ImagePair) -> list[View]:
        views = [view for view in (pair.view0, pair.view1) if view.name not in seen]
        seen.update(view.name for view in views)
        return views

    for pair, computed in extract_frames(pairs, new_views, how, stop, stopped):
        frames = (f"{how.setting}/{pair.view0.name}", f"{how.setting}/{pair.view1.name}")
        shape = pair.image0.shape[0], pair.image0.shape[1]
        yield PairRecord(pair.name, pair.group, pair.sequence, frames, pair.homography_0to1, shape), computed
