"""Phase one: every method's features of every frame, computed once and kept on disk."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from superpoint_tf.evaluation.feature_store import FeatureStore
from superpoint_tf.evaluation.methods.methods import Method
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import ImagePair, View
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console

Stores = Sequence[tuple[Method, FeatureStore]]


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


def extract_view(view: View, setting: str, protocol: PairProtocol, stores: Stores, describe: bool = True) -> int:
    """Extract one frame by each method that has not yet; return by how many."""
    shape, digest, name = view.image.shape, _digest(view.image), f"{setting}/{view.name}"
    computed = 0
    for method, store in stores:
        if not store.has(name, digest):
            own = replace(view, image=view.image.copy())  # whatever a method does to it, the next sees the picture
            features = method.find(own, setting, protocol)
            if not describe:
                features = features._replace(descriptors=None)
            store.write(name, features, (shape[0], shape[1]), digest, protocol.max_keypoints)
            computed += 1
    return computed


def extract_pairs(
    pairs: Iterable[ImagePair],
    setting: str,
    protocol: PairProtocol,
    stores: Stores,
    on_pair: Callable[[int], None] = lambda computed: None,
    images_folder: str | Path | None = None,
    describe: bool = True,
) -> list[PairRecord]:
    """Extract both frames of each pair, a shared one once, and return the pairs without their pixels.

    `on_pair` gets the number of frames that were really computed. With `images_folder` the frames are written there as
    `<setting>/<view name>.png`, for extractors in other programs. Without `describe` no descriptors are kept.
    """
    for _, store in stores:
        store.open_setting(setting, protocol)
    seen: set[str] = set()
    records = []
    for pair in pairs:
        computed = 0
        for view in (pair.view0, pair.view1):
            if view.name not in seen:
                seen.add(view.name)
                write_image(images_folder, setting, view)
                computed += extract_view(view, setting, protocol, stores, describe)
        frames = (f"{setting}/{pair.view0.name}", f"{setting}/{pair.view1.name}")
        shape = pair.image0.shape[0], pair.image0.shape[1]
        records.append(PairRecord(pair.name, pair.group, pair.sequence, frames, pair.homography_0to1, shape))
        on_pair(computed)
    return records


def _digest(image: np.ndarray) -> str:
    return storage.sha256(str(image.shape).encode() + np.ascontiguousarray(image).tobytes())


def write_image(folder: str | Path | None, setting: str, view: View) -> None:
    """Write a frame as `<folder>/<setting>/<view name>.png`; nothing without a folder."""
    if folder is None:
        return
    done, content = cv2.imencode(".png", view.image)
    assert done  # a grey uint8 picture always can be
    storage.write_bytes(Path(folder) / setting / f"{view.name}.png", content.tobytes())
