"""The pictures of README and demonstration: what each stage finds, and matches that are easy, hard, hopeless."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from superpoint_tf.config import HomographyConfig, PhotographsSection, PhotometricConfig
from superpoint_tf.data.photographs.photograph_sets import BUNDLED, find_photographs
from superpoint_tf.data.photographs.reading import cover_and_crop, read_photograph
from superpoint_tf.drawing.figures import figure_matches, figure_stages
from superpoint_tf.drawing.layout import stack
from superpoint_tf.drawing.visualization import save_jpeg, save_png
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.in_memory import suppressed
from superpoint_tf.evaluation.methods.baselines import CLASSICAL
from superpoint_tf.evaluation.methods.methods import extractor_of
from superpoint_tf.evaluation.pair_protocol import DETECTOR_PROTOCOL as PROTOCOL
from superpoint_tf.evaluation.pairs import ImagePair, View
from superpoint_tf.evaluation.sets.random_homographies import random_homography_pairs
from superpoint_tf.features.matching import match_descriptors
from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.runtime import storage

_SAVE = {".png": save_png, ".jpg": save_jpeg}
_DRAWN_CLASSICAL = ("Harris", "FAST", "SIFT")
_STAGES, _EASY, _HARD, _TURNED = "coffee.png", "astronaut.png", "rocket.jpg", "chelsea.png"
_CALM = HomographyConfig(
    perspective_amplitude_x=0.1, perspective_amplitude_y=0.1, scale_amplitude=0.1, max_angle_deg=10.0
)
_STRONG = HomographyConfig(max_angle_deg=30.0)


def draw_pictures(
    models: Mapping[str, SuperPoint], folder: Path, suffix: str, photograph: str | None = None
) -> list[Path]:
    """Write `stages` and `matches` into a folder, of scikit-image's photographs; return their paths.

    `models` are the stages by their titles; the last one describes. `suffix` is .png or .jpg. A `photograph` is drawn
    alone, for models that know the others from their training.
    """
    *_, (name, describer) = models.items()
    cases = _cases() if photograph is None else _cases_of(photograph)
    figures = {
        "stages": _stages_figure(models, _frame(photograph or _path(_STAGES))),
        "matches": stack([_match_figure(f"{name}, {title}", describer, pair) for title, pair in cases]),
    }
    paths = [folder / f"{stem}{suffix}" for stem in figures]
    for path, figure in zip(paths, figures.values(), strict=True):
        _SAVE[suffix](path, figure)
    return paths


def _path(name: str) -> str:
    return storage.join(find_photographs(PhotographsSection(), BUNDLED).root, name)


def _frame(path: str) -> np.ndarray:
    return cover_and_crop(read_photograph(path), PROTOCOL.image_shape)[0]


def _cases() -> list[tuple[str, ImagePair]]:
    turned = _quarter_turn(_frame(_path(_TURNED)))
    (easy, *_), (_, hard) = _cases_of(_path(_EASY)), _cases_of(_path(_HARD))
    return [easy, hard, ("a failure: a quarter turn, which the training does not hold", turned)]


def _cases_of(path: str) -> list[tuple[str, ImagePair]]:
    light = PhotometricConfig()
    return [
        ("easy: a slight change of view", _warped(path, _CALM, replace(light, enabled=False))),
        ("hard: another view and light", _warped(path, _STRONG, light)),
    ]


def _warped(path: str, homography: HomographyConfig, light: PhotometricConfig) -> ImagePair:
    (pair,) = random_homography_pairs([path], PROTOCOL.image_shape, homography, light, 0, 1)
    return pair


def _quarter_turn(image: np.ndarray) -> ImagePair:
    """Return a picture and the same turned anticlockwise by 90 degrees."""
    turned = np.ascontiguousarray(np.rot90(image))
    homography = np.array([[0.0, 1.0, 0.0], [-1.0, 0.0, image.shape[1] - 1.0], [0.0, 0.0, 1.0]])
    return ImagePair("turned", "turned", View("image", image), View("turned", turned), homography)


def _stages_figure(models: Mapping[str, SuperPoint], image: np.ndarray) -> np.ndarray:
    shown = {
        name: model.extract(image, max_keypoints=PROTOCOL.max_keypoints, nms_radius_px=PROTOCOL.nms_radius_px).keypoints
        for name, model in models.items()
    }
    for name in _DRAWN_CLASSICAL:
        found = suppressed(CLASSICAL[name])(image, PROTOCOL.nms_radius_px)
        shown[name] = found.keypoints[: PROTOCOL.max_keypoints]
    return figure_stages(image, [("photograph", None), *shown.items()])


def _match_figure(title: str, model: SuperPoint, pair: ImagePair) -> np.ndarray:
    extract = extractor_of(model)  # as the table measures it
    found = [
        extract(image, PROTOCOL.nms_radius_px).take(slice(PROTOCOL.max_keypoints))
        for image in (pair.image0, pair.image1)
    ]
    assert found[0].descriptors is not None and found[1].descriptors is not None  # the joint model describes
    matches = match_descriptors(found[0].descriptors, found[1].descriptors)
    errors = metrics.match_errors(found[0].keypoints, found[1].keypoints, matches, pair.homography_0to1)
    views = (pair.image0, pair.image1, found[0].keypoints, found[1].keypoints)
    return figure_matches(title, *views, matches, errors <= PROTOCOL.distance_px)
