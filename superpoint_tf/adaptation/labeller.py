"""One detector labels photographs in one process: decoding, the network and writing overlap."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Iterable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from superpoint_tf.adaptation.aggregate import Adapter, Aggregate, image_seed
from superpoint_tf.adaptation.job import AdaptationRun
from superpoint_tf.adaptation.preparation import Preparation, PreparedPhotograph
from superpoint_tf.data.labels.label_votes import cut_votes
from superpoint_tf.data.labels.labels import Label, digest_label, label_path, save_label
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
    num_keypoints: int = 0
    label_sha256: str = ""
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
        image_shape = run.config.photographs.image_shape
        self._prepare = Preparation(run.reading, run.output, round, image_shape, self.detector_sha256)

    def label(
        self, names: Iterable[str], readers: concurrent.futures.Executor | None, ahead: int
    ) -> Iterator[Labelled]:
        """Label photographs in order, read by `readers`, at most `ahead` before their turn; finished ones are skipped.

        Raises PhotographError for one that cannot be read if the run is `strict`, and for a detector whose numbers
        overflow.
        """
        writer = concurrent.futures.ThreadPoolExecutor(1)
        try:
            prepared = ordered_map(readers, self._prepare, names, window=ahead)
            detected = _detect(self._run, self.adapter, prepared)
            for item in ordered_map(writer, partial(_finish, self._run, self._prepare), detected, window=_WINDOW):
                is_new = item.image is not None
                is_narrow = item.image is not None and looks_narrow(item.image, item.num_keypoints)
                yield Labelled(item.name, item.num_keypoints, item.label_sha256, is_new, is_narrow, item.error)
        finally:
            writer.shutdown(wait=True, cancel_futures=True)


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


def _finish(run: AdaptationRun, prepare: Preparation, detected: _Detected) -> PreparedPhotograph:
    """Find and write the keypoints of what the warps agree on, if there is any, and how many had a vote where."""
    item = detected.photograph
    if detected.aggregate is None or item.image_to_label is None:
        return item
    heatmap = detected.aggregate.heatmap.numpy()
    if not np.isfinite(heatmap).all():
        raise PhotographError(storage.join(run.photographs.root, item.name), _NOT_FINITE)
    settings = run.config.adaptation
    keypoints, scores = detect_keypoints(heatmap, settings.detection, mask=item.mask)
    made_from = (prepare.image_shape, item.image_to_label, item.sha256, prepare.detector_sha256)
    votes = cut_votes(detected.aggregate.count.numpy(), settings.detection.border_px)
    if item.mask is not None:
        votes[~item.mask] = 0  # nobody was asked: training ignores it, as what no warp saw
    label = Label(keypoints, scores, *made_from, votes, settings.num_homographies)
    digest = save_label(label_path(run.output, prepare.round, item.name), label)
    return dataclasses.replace(item, num_keypoints=len(keypoints), label_sha256=digest_label(item.name, digest))
