"""One detector labels photographs in one process: decoding, the network and writing overlap."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Generator, Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from superpoint_tf.adaptation.aggregate import Adapter, Aggregate, image_seed
from superpoint_tf.adaptation.job import AdaptationRun
from superpoint_tf.adaptation.preparation import Preparation, PreparedPhotograph
from superpoint_tf.data.labels.chunk_writer import ChunkWriter
from superpoint_tf.data.labels.label_chunks import StoredLabel
from superpoint_tf.data.labels.label_votes import cut_votes
from superpoint_tf.data.labels.labels import Label, digest_label, encode_label
from superpoint_tf.data.labels.photograph_chunks import Chunk
from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.data.photographs.stretch import looks_narrow
from superpoint_tf.data.views import to_unit
from superpoint_tf.detection.keypoints import detect_keypoints
from superpoint_tf.networks.weights import load_network
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.workers import ordered_map

_NOT_FINITE = "the detector's answer is not finite; use adaptation.precision=float32, or other weights"
_WINDOW = 2  # one photograph's labels are found and written while the network is at the next


class Labelled(NamedTuple):
    """What came of a photograph."""

    name: str
    chunk: int  # that its label lies in
    num_keypoints: int = 0
    digest: str = ""  # of its name and its label file
    is_new: bool = False  # labelled now
    is_narrow: bool = False  # with hardly a keypoint and few grey levels
    error: str = ""  # why it cannot be used


class _Detected(NamedTuple):
    """A photograph that has passed the network, if it needed to."""

    photograph: PreparedPhotograph
    aggregate: Aggregate | None  # None: labelled already, or cannot be read


class Labeller:
    """The detector of a round, its weights loaded."""

    def __init__(self, run: AdaptationRun, round: int) -> None:
        self._run = run
        self.model, weights = load_network(run.round_detector(round), run.config.adaptation.precision)
        self.adapter = Adapter(self.model, run.config.adaptation)
        self.detector_sha256, self.width = weights.fingerprint(), weights.network.width
        self._round, self._image_shape = round, run.config.photographs.image_shape
        self._prepare = Preparation(run.reading, self._image_shape)

    def label(self, chunk: Chunk, readers: concurrent.futures.Executor | None, ahead: int) -> Generator[Labelled]:
        """Label the photographs of a chunk, read by `readers`, at most `ahead` before their turn.

        What is finished comes first and is not looked at again. What there is when it ends, also by an error or since
        nobody takes the next one, is saved. Raises PhotographError for a photograph that cannot be read if the run is
        `strict`, and for a detector whose numbers overflow.
        """
        writer = ChunkWriter(self._run.output, self._round, chunk, self.detector_sha256, self._image_shape)
        for stored in writer.stored:
            yield _labelled(stored, chunk)
        if writer.turns:
            try:
                yield from self._label_rest(chunk, writer, readers, ahead)
            finally:
                writer.save()

    def _label_rest(
        self, chunk: Chunk, writer: ChunkWriter, readers: concurrent.futures.Executor | None, ahead: int
    ) -> Iterator[Labelled]:
        finisher = concurrent.futures.ThreadPoolExecutor(1)
        try:
            prepared: Iterable[PreparedPhotograph] = ordered_map(readers, self._prepare, writer.turns, window=ahead)
            detected = _detect(self._run, self.adapter, prepared)
            finish = partial(_finish, self._run, self.detector_sha256)
            for item in ordered_map(finisher, finish, detected, window=_WINDOW):
                if item.error:
                    writer.leave_out(item.name, item.error)
                    yield Labelled(item.name, chunk.number, error=item.error)
                elif item.image is None:
                    yield _labelled(writer.keep(item.name), chunk)
                else:
                    stored = writer.add(item.name, item.label, item.num_keypoints)
                    narrow = looks_narrow(item.image, item.num_keypoints)
                    yield _labelled(stored, chunk)._replace(is_new=True, is_narrow=narrow)
        finally:
            finisher.shutdown(wait=True, cancel_futures=True)


def _labelled(stored: StoredLabel, chunk: Chunk) -> Labelled:
    digest = digest_label(stored.photograph, stored.sha256)
    return Labelled(stored.photograph, chunk.number, stored.num_keypoints, digest)


def _detect(run: AdaptationRun, adapter: Adapter, photographs: Iterable[PreparedPhotograph]) -> Iterator[_Detected]:
    """Start the network on each photograph in turn; on a GPU nothing here waits for it."""
    for item in photographs:
        if item.error and run.strict:
            raise PhotographError(storage.join(run.photographs.root, item.name), item.error)
        if item.image is None:
            yield _Detected(item, None)
            continue
        image = to_unit(item.image)
        yield _Detected(item, adapter(image, image_seed(run.config.seed, item.sha256)))


def _finish(run: AdaptationRun, detector_sha256: str, detected: _Detected) -> PreparedPhotograph:
    """Find the keypoints of what the warps agree on, if there is any, and how many had a vote where: its label."""
    item = detected.photograph
    if detected.aggregate is None or item.image_to_label is None:
        return item
    heatmap = detected.aggregate.heatmap.numpy()
    if not np.isfinite(heatmap).all():
        raise PhotographError(storage.join(run.photographs.root, item.name), _NOT_FINITE)
    settings = run.config.adaptation
    keypoints, scores = detect_keypoints(heatmap, settings.detection, mask=item.mask)
    made_from = (run.config.photographs.image_shape, item.image_to_label, item.sha256, detector_sha256)
    votes = cut_votes(detected.aggregate.count.numpy(), settings.detection.border_px)
    if item.mask is not None:
        votes[~item.mask] = 0  # nobody was asked: training ignores it, as what no warp saw
    label = Label(keypoints, scores, *made_from, votes, settings.num_homographies)
    return dataclasses.replace(item, num_keypoints=len(keypoints), label=encode_label(label))
