"""Label one share of the photographs in a round, in this process or on a cluster, and count what came of them."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from superpoint_tf import command_line
from superpoint_tf.adaptation.job import AdaptationRun
from superpoint_tf.adaptation.labeller import Labelled, Labeller
from superpoint_tf.adaptation.round_figures import draw_round
from superpoint_tf.cluster.cluster import Cluster
from superpoint_tf.cluster.worker import differs, unshared
from superpoint_tf.config import ConfigError
from superpoint_tf.data.labels.label_sets import LabelChunks
from superpoint_tf.data.labels.labels import IDENTITY_FILE, MOST_LEFT_OUT, add_digests
from superpoint_tf.data.labels.photograph_chunks import Chunk
from superpoint_tf.data.photographs.stretch import say_narrow
from superpoint_tf.networks import pretrained
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Console, Progress, announce_cost, format_duration
from superpoint_tf.runtime.workers import resolve_workers, start_pool

_TIMED_PHOTOGRAPHS = 3  # after the first, which compiles
_TRAINING_COST = 6.0  # a training step costs about this many times the forward pass of its pictures
_CHUNKS = 2  # that a worker or shard should have
_LABEL_BYTES = 8192.0  # of a label: 240x320 px with 180 to 300 keypoints and 16 to 100 votes have 5 to 8 kB


@dataclass(frozen=True)
class RoundResult:
    """What labelling one share of the chunks gave."""

    chunks: tuple[int, ...]  # how many labels each chunk of the share has
    num_keypoints: int
    labels_sha256: str
    left_out: tuple[dict[str, str], ...]  # the first ones
    num_left_out: int


def label_round(run: AdaptationRun, round: int, console: Console) -> RoundResult:
    """Label this shard's chunks of photographs in `round`: every so manieth. What is finished is only counted.

    Raises ConfigError if none can be read, PhotographError with `strict` or for a detector whose numbers overflow, and
    Interrupted after Ctrl-C or SIGTERM.
    """
    settings, (index, shards) = run.config.adaptation, run.shard
    lists = run.chunks
    own = range(index, len(lists), shards)
    total = lists.count(own)
    labeller = Labeller(run, round)
    console.line(
        "adapt",
        f"round {round}/{run.rounds} | {total} photographs | {settings.num_homographies} homographies each | "
        f"detector {run.round_detector(round)} (width {labeller.width:g})",
    )
    if hint := _few_chunks(run):
        console.line("hint", hint)
    tally, labelled, chunks = _Tally(), 0, map(lists.read, own)
    shown = Progress(total, "adapt", "photographs", console=console, in_bursts=run.cluster is not None)
    with StopRequest() as stop, shown as progress:
        if run.cluster is None:
            found = _label_here(run, round, labeller, chunks, stop)
        else:
            found = _label_on_cluster(run, round, run.cluster, labeller.detector_sha256, chunks, len(own), stop)
        for item in found:
            tally.add(item)
            if not item.is_new:
                progress.skip()
                continue
            progress.update(1, **{"kp/img": tally.keypoints_per_image})
            labelled += 1
            if labelled == 1 + _TIMED_PHOTOGRAPHS and run.cluster is None:
                _announce(run, round, progress, console)
    if total and not tally.num_labelled:
        left_out = tally.left_out[:3]
        raise ConfigError(f"{run.photographs.root}: none of {total} photographs could be read: {left_out}")
    if tally.num_narrow:
        console.line("hint", say_narrow(tally.first_narrow, tally.num_narrow))
    if index == 0 and tally.num_labelled:
        labels = LabelChunks(run.output, round, [tally.chunks[number] for number in range(len(lists))])
        if figure := draw_round(run.config, run.reading, labels, labeller.adapter, labeller.model):
            console.line("adapt", f"look at {figure}")
    return tally.result(own)


def _few_chunks(run: AdaptationRun) -> str:
    """Return what to do where there are fewer chunks than workers or shards to label them; else nothing."""
    count, shards = len(run.chunks), run.shard[1]
    workers, what = (run.cluster.capacity, "workers") if run.cluster else (shards, "shards")
    if count >= workers or run.chunks.total <= count:
        return ""
    size = max(run.chunks.total // (_CHUNKS * workers), 1)
    return (
        f"{count} chunk{'s' * (count > 1)} of photographs for {workers} {what}: the others have nothing to do; "
        f"--set adaptation.labels_per_file={size}, in a new --output, makes more"
    )


def _label_here(
    run: AdaptationRun, round: int, labeller: Labeller, chunks: Iterable[Chunk], stop: StopRequest
) -> Iterator[Labelled]:
    workers = resolve_workers(run.config.workers)
    pool = start_pool(workers)
    try:
        for chunk in chunks:
            with contextlib.closing(labeller.label(chunk, pool, ahead=2 * max(workers, 1))) as labelled:  # saves
                for item in labelled:
                    yield item
                    stop.raise_if_requested(_stopped(run, round))
    finally:
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)


def _label_on_cluster(
    run: AdaptationRun,
    round: int,
    cluster: Cluster,
    detector_sha256: str,
    chunks: Iterable[Chunk],
    most: int,
    stop: StopRequest,
) -> Iterator[Labelled]:
    """Let workers label chunks, each writing its own; what a dead one has saved is not labelled again."""
    photographs = dataclasses.replace(run.photographs, train=(), validation=())  # workers get theirs by and by
    sent = dataclasses.replace(run, photographs=photographs, cluster=None, replicas=None)
    start = partial(_start_labelling, sent, round, detector_sha256)
    for labelled in cluster.map(start, chunks, most, stop, _stopped(run, round), _describe):
        yield from labelled


def _start_labelling(run: AdaptationRun, round: int, detector_sha256: str) -> Callable[[Chunk], list[Labelled]]:
    """Return, in a worker, the function that labels a chunk."""
    command_line.set_up_tensorflow(announce=False)
    for path in (run.photographs.root, run.reading.masks, storage.join(run.output, IDENTITY_FILE)):
        if path and not storage.exists(path):
            raise unshared(path)
    if not pretrained.exists(run.round_detector(round)):
        raise unshared(run.round_detector(round))
    labeller = Labeller(run, round)
    if labeller.detector_sha256 != detector_sha256:
        raise differs(f"{run.round_detector(round)} holds other weights")
    reader = concurrent.futures.ThreadPoolExecutor(1)
    return lambda chunk: list(labeller.label(chunk, reader, ahead=2))


def _describe(chunk: Chunk) -> str:
    names = chunk.photographs
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"


def _stopped(run: AdaptationRun, round: int) -> str:
    return f"{run.output}: stopped in round {round}"


class _Tally:
    """What has been labelled so far, in numbers: it does not grow with the photographs."""

    def __init__(self) -> None:
        self.chunks: Counter[int] = Counter()  # labels, by the number of their chunk
        self.left_out: list[dict[str, str]] = []  # the first ones
        self.num_labelled = self.num_narrow = self._num_left_out = self._num_keypoints = 0
        self.first_narrow = ""  # with hardly a keypoint and few grey levels
        self._digest = add_digests(())

    def add(self, item: Labelled) -> None:
        """Count a photograph that is labelled or cannot be read."""
        if item.error:
            self._num_left_out += 1
            if len(self.left_out) < MOST_LEFT_OUT:
                self.left_out.append({"path": item.name, "reason": item.error})
            return
        self.num_labelled += 1
        self.chunks[item.chunk] += 1
        if item.is_narrow:
            self.num_narrow += 1
            self.first_narrow = self.first_narrow or item.name
        self._digest = add_digests((self._digest, item.digest))
        self._num_keypoints += item.num_keypoints

    @property
    def keypoints_per_image(self) -> float:
        """Return the mean over the photographs that are labelled."""
        return self._num_keypoints / max(self.num_labelled, 1)

    def result(self, chunks: Iterable[int]) -> RoundResult:
        """Return what the round gave, of the chunks with these numbers."""
        counts = tuple(self.chunks[number] for number in chunks)
        return RoundResult(counts, self._num_keypoints, self._digest, tuple(self.left_out), self._num_left_out)


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
