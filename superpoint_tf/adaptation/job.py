"""One call of the adaptation tool."""

from __future__ import annotations

from dataclasses import dataclass

from superpoint_tf.cluster.cluster import Cluster
from superpoint_tf.config import Config
from superpoint_tf.data.labels.photograph_chunks import PhotographChunks, chunk_size
from superpoint_tf.data.photographs.masked_photographs import PhotographReading
from superpoint_tf.data.photographs.photograph_sets import PhotographStream
from superpoint_tf.runtime import storage
from superpoint_tf.training.replicas import Replicas


@dataclass(frozen=True)
class AdaptationRun:
    """One call of the tool: what is labelled, by what, into which folder, and which share of it is done here."""

    config: Config
    photographs: PhotographStream
    detector: str  # weights of the first detector
    output: str  # label folder
    rounds: int
    shard: tuple[int, int] = (0, 1)
    strict: bool = False  # a photograph that cannot be read is an error
    replicas: Replicas | None = None  # devices that retrain the detector; None: one
    cluster: Cluster | None = None  # that labels; None: this process

    @property
    def reading(self) -> PhotographReading:
        """Return how the photographs are read."""
        section = self.config.photographs
        return PhotographReading(section.stretch, section.masks, self.photographs.root)

    @property
    def chunks(self) -> PhotographChunks:
        """Return the photographs to label, in chunks; their lists are written when the label folder is opened."""
        total = len(self.photographs.train)
        return PhotographChunks(self.output, total, chunk_size(total, self.config.adaptation.labels_per_file))

    def round_detector(self, round: int) -> str:
        """Return the weights that label in `round`: the first detector, then the one retrained on the round before."""
        return self.detector if round == 1 else storage.join(self.output, f"detector_round_{round - 1}", "weights.npz")
