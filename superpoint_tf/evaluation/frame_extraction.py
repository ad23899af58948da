"""Every method's features of frames that come one after the other, found in this process or on a cluster."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast

import cv2
import numpy as np

from superpoint_tf import command_line
from superpoint_tf.cluster.cluster import Cluster
from superpoint_tf.cluster.worker import differs
from superpoint_tf.evaluation.feature_store import FeatureStore
from superpoint_tf.evaluation.methods.methods import Method, NamedMethod
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import View
from superpoint_tf.features import Features
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import StopRequest

Item = TypeVar("Item")
Stores = Sequence[tuple[Method, FeatureStore]]
_FRAMES, _ITEMS = 4, 64  # of a chunk at most: that a worker gets at once, that wait here for its answer
_MOST_WORKERS = 1 << 20  # as many as there are


class MethodCluster(NamedTuple):
    """A cluster, and how its workers load the methods."""

    cluster: Cluster
    load: Callable[[], Sequence[NamedMethod]]


@dataclass(frozen=True)
class FrameExtraction:
    """How features of frames are found and where they go."""

    setting: str
    protocol: PairProtocol
    stores: Stores
    describe: bool = True  # False: descriptors are not kept
    images_folder: str | Path | None = None  # write the frames there, for extractors in other programs
    on: MethodCluster | None = None  # None: this process finds them


def extract_frames(
    items: Iterable[Item],
    views_of: Callable[[Item], Sequence[View]],
    how: FrameExtraction,
    stop: StopRequest,
    stopped: str,
) -> Iterator[tuple[Item, int]]:
    """Yield each item with how often a method was run on one of its views; those whose features are there are not.

    Raises Interrupted with the message `stopped` when `stop` asks for it, between items.
    """
    if how.on is not None:
        yield from _extract_on_cluster(items, views_of, how, how.on, stop, stopped)
        return
    for item in items:
        computed = 0
        for frame in _frames(views_of(item), how):
            for name, features in find_frame(frame, how.setting, how.protocol, how.describe, _methods(how.stores)):
                _store(frame, name, features, how)
                computed += 1
        yield item, computed
        stop.raise_if_requested(stopped)


class _Frame(NamedTuple):
    """A view that some methods have not seen."""

    view: View
    sha256: str
    methods: tuple[str, ...]


def _frames(views: Sequence[View], how: FrameExtraction) -> list[_Frame]:
    """Return what there is to do on views, and write them if that is asked for."""
    frames = []
    for view in views:
        write_image(how.images_folder, how.setting, view)
        digest, name = _digest(view.image), f"{how.setting}/{view.name}"
        missing = tuple(method.name for method, store in how.stores if not store.has(name, digest))
        if missing:
            frames.append(_Frame(view, digest, missing))
    return frames


def find_frame(
    frame: _Frame, setting: str, protocol: PairProtocol, describe: bool, methods: dict[str, Method]
) -> Iterator[tuple[str, Features]]:
    """Yield what each method that is asked finds, by its name."""
    for name in frame.methods:
        own = replace(frame.view, image=frame.view.image.copy())  # whatever one does to it, the next sees the picture
        features = methods[name].find(own, setting, protocol)
        yield name, features if describe else features._replace(descriptors=None)


def _methods(stores: Stores) -> dict[str, Method]:
    return {method.name: method for method, _ in stores}


def _store(frame: _Frame, name: str, features: Features, how: FrameExtraction) -> None:
    store = next(store for method, store in how.stores if method.name == name)
    height, width = frame.view.image.shape[:2]
    key = f"{how.setting}/{frame.view.name}"
    store.write(key, features, (height, width), frame.sha256, how.protocol.max_keypoints)


def _digest(image: np.ndarray) -> str:
    return storage.sha256(str(image.shape).encode() + np.ascontiguousarray(image).tobytes())


def write_image(folder: str | Path | None, setting: str, view: View) -> None:
    """Write a frame as `<folder>/<setting>/<view name>.png`; nothing without a folder."""
    if folder is None:
        return
    done, content = cv2.imencode(".png", view.image)
    assert done  # a grey uint8 picture always can be
    storage.write_bytes(Path(folder) / setting / f"{view.name}.png", content.tobytes())


# ------------------------------------------------------------------------------------------------ on a cluster


class _Chunk(NamedTuple):
    """Items, and what there is to do on their views."""

    items: tuple[Any, ...]
    frames: tuple[tuple[_Frame, ...], ...]  # of each item


def _extract_on_cluster(
    items: Iterable[Item],
    views_of: Callable[[Item], Sequence[View]],
    how: FrameExtraction,
    on: MethodCluster,
    stop: StopRequest,
    stopped: str,
) -> Iterator[tuple[Item, int]]:
    """Do what `extract_frames` does: views are made here, in order, and what workers find is written here."""
    identities = {method.name: method.identity for method, _ in how.stores}
    start = partial(_start_finding, on.load, identities, how.setting, how.protocol, how.describe)
    waiting: collections.deque[_Chunk] = collections.deque()

    chunks = _chunks(items, views_of, how)
    first = None
    for chunk in chunks:
        if any(chunk.frames):
            first = chunk
            break
        for item in chunk.items:  # workers are not started for what is there
            yield item, 0
        stop.raise_if_requested(stopped)
    if first is None:
        return

    def sent() -> Iterator[tuple[_Frame, ...]]:
        for chunk in itertools.chain([first], chunks):
            waiting.append(chunk)
            yield tuple(itertools.chain.from_iterable(chunk.frames))

    for answers in on.cluster.map(start, sent(), _MOST_WORKERS, stop, stopped, _describe):
        chunk, found = waiting.popleft(), iter(answers)
        for item, frames in zip(chunk.items, chunk.frames, strict=True):
            computed = 0
            for frame in frames:
                for name, features in next(found):
                    _store(frame, name, features, how)
                    computed += 1
            yield item, computed
        stop.raise_if_requested(stopped)


def _chunks(
    items: Iterable[Item], views_of: Callable[[Item], Sequence[View]], how: FrameExtraction
) -> Iterator[_Chunk]:
    taken: list[Item] = []
    frames: list[tuple[_Frame, ...]] = []
    for item in items:
        taken.append(item)
        frames.append(tuple(_frames(views_of(item), how)))
        if sum(map(len, frames)) >= _FRAMES or len(taken) >= _ITEMS:
            yield _Chunk(tuple(taken), tuple(frames))
            taken, frames = [], []
    if taken:
        yield _Chunk(tuple(taken), tuple(frames))


def _describe(frames: tuple[_Frame, ...]) -> str:
    return " to ".join(dict.fromkeys(frame.view.name for frame in (*frames[:1], *frames[-1:]))) or "nothing"


def _start_finding(
    load: Callable[[], Sequence[NamedMethod]],
    identities: dict[str, dict[str, Any]],
    setting: str,
    protocol: PairProtocol,
    describe: bool,
) -> Callable[[tuple[_Frame, ...]], list[list[tuple[str, Features]]]]:
    """Return, in a worker, the function that finds the features of frames."""
    command_line.set_up_tensorflow(announce=False)
    methods = {method.name: cast(Method, method) for method in load()}
    for name, identity in identities.items():
        if methods[name].identity != identity:
            raise differs(f"{name} is not the same")
    return lambda frames: [list(find_frame(frame, setting, protocol, describe, methods)) for frame in frames]
