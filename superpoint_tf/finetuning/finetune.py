"""Fine-tune weights on a folder of photographs: label, train, judge, keep the better ones; each goes on if stopped."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from superpoint_tf.adaptation.job import AdaptationRun
from superpoint_tf.adaptation.rounds import adapt
from superpoint_tf.config import Config, ConfigError
from superpoint_tf.drawing.figures import figure_matches
from superpoint_tf.drawing.layout import stack
from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.in_memory import Extractor
from superpoint_tf.evaluation.methods.methods import extractor_of, load_extractors
from superpoint_tf.evaluation.pair_protocol import MeasuredPair, PairProtocol
from superpoint_tf.evaluation.pairs import ImagePair
from superpoint_tf.finetuning.judgement import AFTER, BEFORE, CLASSICAL, Judgement, judge, make_pairs
from superpoint_tf.finetuning.split import Split
from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.networks.pretrained import WEIGHTS_FILE
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console
from superpoint_tf.training.builders.detector_tasks import build_joint_task
from superpoint_tf.training.replicas import Replicas
from superpoint_tf.training.trainer import train

MARKER = "finetune.json"  # of the folder; says what is fine-tuned on what
_NUM_FIGURES = 3


@dataclass(frozen=True)
class FinetuneFolder:
    """What a fine-tuning leaves; `weights` are those to use: after it, or, where it did not help, those before."""

    path: Path

    @property
    def labels(self) -> str:
        return str(self.path / "labels")

    @property
    def run(self) -> Path:
        return self.path / "run"

    @property
    def weights(self) -> Path:
        return self.path / WEIGHTS_FILE

    @property
    def verdict(self) -> Path:
        return self.path / "verdict.json"

    @property
    def figure(self) -> Path:
        return self.path / "figures" / "before_and_after.png"

    def open(self, weights: str, images: str, overwrite: bool) -> None:
        """Mark the folder; raises ConfigError for one that holds something else.

        With `overwrite` an earlier verdict goes at once, with its weights and figure: they are not of what comes.
        """
        marker = self.path / MARKER
        if self.path.exists() and any(self.path.iterdir()) and not marker.exists():
            raise ConfigError(f"{self.path}: not empty and not of a fine-tuning; choose another --output")
        wanted = {"weights": weights, "images": images}
        if marker.exists() and not overwrite and (found := storage.read_json(marker)) != wanted:
            raise ConfigError(
                f"{self.path}: fine-tunes {found.get('weights')} on {found.get('images')}, asked for are {weights} and "
                f"{images}; choose another --output, or pass --overwrite"
            )
        if overwrite:
            for path in (self.weights, self.verdict, self.figure):
                path.unlink(missing_ok=True)
        storage.write_json(marker, wanted)


def prepare_config(config: Config, split: Split, weights: str, folder: FinetuneFolder) -> Config:
    """Return the config with the network of `weights`, the photographs' folder and our labels.

    Raises WeightsError if there are no such weights, ConfigError if they do not detect and describe, as SuperPoint.
    """
    network = load_weights(weights).network
    if network.system != "superpoint":
        raise ConfigError(f"{weights}: weights of {network.system}; a fine-tuning needs those of superpoint")
    return dataclasses.replace(
        config.trained_as("joint"),
        network=network,
        photographs=dataclasses.replace(config.photographs, root=split.photographs.root),
        joint=dataclasses.replace(config.joint, init=weights, labels=folder.labels),
    )


def finetune(
    config: Config,
    split: Split,
    folder: FinetuneFolder,
    console: Console,
    replicas: Replicas | None = None,
    strict: bool = False,
    overwrite: bool = False,
) -> Judgement:
    """Label, train and judge; write the weights to keep, `verdict.json` and a figure. `config` as `prepare_config`.

    What an earlier call finished is not done again. Raises ConfigError for labels or a run made otherwise, unless
    `overwrite`, PhotographError with `strict`, and Interrupted on Ctrl-C or SIGTERM.
    """
    weights = config.joint.init
    folder.open(weights, split.photographs.root, overwrite)
    _say_parts(split, console)
    run = AdaptationRun(config, split.photographs, weights, folder.labels, 1, strict=strict, replicas=replicas)
    adapt(run, console, overwrite)
    trained = train(build_joint_task(config), folder.run, overwrite=overwrite, replicas=replicas)
    pairs = make_pairs([storage.join(split.photographs.root, name) for name in split.judges], config, console)
    methods = _methods(weights, str(trained))
    judgement = judge(pairs, methods, config, console)
    kept = str(trained) if judgement.keeps_after else weights
    save_png(folder.figure, _draw(pairs, methods, judgement.protocol))
    load_weights(kept).save(folder.weights)
    storage.write_json(folder.verdict, _json(judgement, kept))
    return judgement


def _say_parts(split: Split, console: Console) -> None:
    counts = len(split.photographs.train), len(split.photographs.validation), len(split.judges)
    console.line("data", split.photographs.note)
    console.line("data", "{} photographs to learn from, {} choose the weights, {} judge them".format(*counts))


def _methods(before: str, after: str) -> dict[str, Extractor]:
    ours = {BEFORE: before, AFTER: after}
    networks = {name: extractor_of(SuperPoint.from_pretrained(path)) for name, path in ours.items()}
    return {**networks, **load_extractors([CLASSICAL])}


def _draw(pairs: list[ImagePair], methods: dict[str, Extractor], protocol: PairProtocol) -> np.ndarray:
    """Draw the matches of each method on some pairs, of different photographs."""
    panels = []
    for pair in pairs[:_NUM_FIGURES]:  # photographs take turns
        for name, extract in methods.items():
            images = pair.image0, pair.image1
            found = extract(images[0], protocol.nms_radius_px), extract(images[1], protocol.nms_radius_px)
            measured = MeasuredPair(found, pair.homography_0to1, protocol)
            errors = metrics.match_errors(*measured.points, measured.matches, pair.homography_0to1)
            views = (*images, *measured.points, measured.matches)
            panels.append(figure_matches(f"{name}: {pair.name}", *views, errors <= protocol.distance_px))
    return stack(panels)


def _json(judgement: Judgement, kept: str) -> dict[str, Any]:
    return {"kept": kept, **judgement.as_json()}
