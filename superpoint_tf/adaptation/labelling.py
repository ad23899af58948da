"""Label one share of the photographs by one detector: decoding, the network and writing overlap."""

from __future__ import annotations

import concurrent.futures
import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np

from superpoint_tf.adaptation.aggregate import Adapter, Aggregate, image_seed
from superpoint_tf.adaptation.job import AdaptationRun
from superpoint_tf.adaptation.preparation import Preparation, PreparedPhotograph
from superpoint_tf.adaptation.round_figures import draw_round
from superpoint_tf.config import ConfigError
from superpoint_tf.data.labels.label_votes import cut_votes
from superpoint_tf.data.labels.labels import Label, add_digests, digest_label, label_path, save_label
from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.data.photographs.stretch import looks_narrow, say_narrow
from superpoint_tf.data.views import to_unit
from superpoint_tf.detection.keypoints import detect_keypoints
from superpoint_tf.networks.weights import load_network
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Console, Progress, announce_cost, format_duration
from superpoint_tf.runtime.workers import ordered_map, resolve_workers, start_pool

_TIMED_PHOTOGRAPHS = 3  # after the first, which compiles
_TRAINING_COST = 6.0  # a training step costs about this many times the forward pass of its pictures
_NOT_FINITE = "the detector's answer is not finite; use adaptation.precision=float32, or other weights"
_LABEL_BYTES = 8192.0  # of a file on disk, in blocks: 240x320 px with 300 keypoints and 20 to 100 votes has 5 to 8 KB
_WINDOW = 2  # one photograph's labels are found and written while the network is at the next


@dataclass(frozen=True)
class RoundResult:
    """What labelling one share of the photographs gave."""

    photographs: tuple[str, ...]
    num_keypoints: int
    labels_sha256: str
    left_out: tuple[dict[str, str], ...]


class _Detected(NamedTuple):
    """A photograph that has passed the network, if it needed to."""

    photograph: PreparedPhotograph
    aggregate: Aggregate | None  # None: labelled already, or cannot be read


def label_round(run: AdaptationRun, round: int, console: Console) -> RoundResult:
    """Label this shard's photographs in `round`; those that are finished are only counted.

    Raises ConfigError if none can be read, PhotographError with `strict` or for a detector whose numbers overflow, and
    Interrupted after Ctrl-C or SIGTERM.
    """
    settings, (index, shards) = run.config.adaptation, run.shard
    names = run.photographs.train[index::shards]
    model, weights = load_network(run.round_detector(round), settings.precision)
    adapter = Adapter(model, settings)
    console.line(
        "adapt",
        f"round {round}/{run.rounds} | {len(names)} photographs | {settings.num_homographies} homographies each | "
        f"detector {run.round_detector(round)} (width {weights.network.width:g})",
    )
    image_shape = run.config.photographs.image_shape
    prepare = Preparation(run.reading, run.output, round, image_shape, weights.fingerprint())
    tally, labelled = _Tally(), 0
    workers = resolve_workers(run.config.workers)
    pool, writer = start_pool(workers), concurrent.futures.ThreadPoolExecutor(1)
    try:
        with StopRequest() as stop, Progress(len(names), "adapt", "photographs", console=console) as progress:
            prepared = ordered_map(pool, prepare, names, window=2 * max(workers, 1))
            detected = _detect(run, adapter, prepared)
            for item in ordered_map(writer, partial(_finish, run, prepare), detected, window=_WINDOW):
                tally.add(item)
                if item.image is None:
                    progress.skip()
                else:
                    progress.update(1, **{"kp/img": tally.keypoints_per_image})
                    labelled += 1
                    if labelled == 1 + _TIMED_PHOTOGRAPHS:
                        _announce(run, round, progress, console)
                stop.raise_if_requested(f"{run.output}: stopped in round {round}")
    finally:
        writer.shutdown(wait=True, cancel_futures=True)
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)
    if names and not tally.labelled:
        left_out = tally.left_out[:3]
        raise ConfigError(f"{run.photographs.root}: none of {len(names)} photographs could be read: {left_out}")
    if tally.narrow:
        console.line("hint", say_narrow(tally.narrow[0], len(tally.narrow)))
    if index == 0 and tally.labelled:
        what = (run.config, run.reading, tally.labelled, adapter, model, run.output, round)
        if figure := draw_round(*what):
            console.line("adapt", f"look at {figure}")
    return tally.result()


class _Tally:
    """What has been labelled so far."""

    def __init__(self) -> None:
        self.labelled: list[str] = []
        self.narrow: list[str] = []  # with hardly a keypoint and few grey levels
        self.left_out: list[dict[str, str]] = []
        self._digests: list[str] = []
        self._num_keypoints = 0

    def add(self, item: PreparedPhotograph) -> None:
        """Count a photograph that is labelled or cannot be read."""
        if item.error:
            self.left_out.append({"path": item.name, "reason": item.error})
            return
        self.labelled.append(item.name)
        if item.image is not None and looks_narrow(item.image, item.num_keypoints):
            self.narrow.append(item.name)
        self._digests.append(item.label_sha256)
        self._num_keypoints += item.num_keypoints

    @property
    def keypoints_per_image(self) -> float:
        """Return the mean over the photographs that are labelled."""
        return self._num_keypoints / max(len(self.labelled), 1)

    def result(self) -> RoundResult:
        """Return what the round gave."""
        digest = add_digests(self._digests)
        return RoundResult(tuple(self.labelled), self._num_keypoints, digest, tuple(self.left_out))


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


def _announce(run: AdaptationRun, round: int, progress: Progress, console: Console) -> None:
    """Say what is left of this round and of those to come, at the rate of the photographs that are labelled."""
    config, rounds_left = run.config, run.rounds - round
    per_photograph, share = 1 / progress.rate, len(run.photographs.train) / run.shard[1]
    this_round = per_photograph * (progress.total - progress.done)
    pictures = config.adaptation.retrain_steps * config.detector.batch_size
    retraining = pictures * per_photograph / config.adaptation.num_homographies * _TRAINING_COST
    seconds = this_round + rounds_left * (per_photograph * share + retraining)
    note = f" ({format_duration(this_round)} of it for round {round})" if rounds_left else ""
    announce_cost(console, seconds, _LABEL_BYTES * run.rounds * len(run.photographs.train), note)
