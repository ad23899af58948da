"""Masks in adaptation and training: nothing is labelled or learnt where they are black, in no view."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.adaptation.job import AdaptationRun
from superpoint_tf.adaptation.rounds import adapt
from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.batches.kinds import BATCHES
from superpoint_tf.data.labels.label_sets import find_label
from superpoint_tf.data.labels.labels import load_label, read_manifest
from superpoint_tf.data.photographs.photograph_sets import PhotographSet
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights
from superpoint_tf.runtime.progress import Console
from superpoint_tf.training.build import build_task
from superpoint_tf.training.builders.detector_tasks import build_adapted_task, build_joint_task
from superpoint_tf.training.objectives.joint_objective import JointObjective
from superpoint_tf.training.run_folder import RunFolder

NAMES = ("deep/a.png", "b.png", "c.png")
SHAPE = (64, 80)  # of the frame
FILE_SHAPE = (128, 200)  # twice as large, and wider: the sides are cut off
Said = pytest.CaptureFixture[str]


def config(folder: Path, masks: str = "masks", **photographs: Any) -> Config:
    return build_config(
        {
            "name": "tiny",
            "workers": 0,
            "network": {"width": 0.0625, "batch_norm": False, "descriptor_dim": 8},
            "photographs": {
                "root": str(folder / "images"),
                "image_shape": list(SHAPE),
                "masks": str(folder / masks) if masks else "",
                "photometric": {"enabled": False},
                "min_votes": 0.0,
                **photographs,
            },
            "detector": {"batch_size": 2, "warmup_steps": 1},
            "joint": {
                "batch_size": 3,
                "labels": str(folder / "labels"),
                "keypoint_weight": 1.0,
                "consistency_weight": 1.0,
            },
            "adaptation": {
                "num_homographies": 3,
                "chunk_size": 2,
                "erosion_px": 2,
                "num_figures": 1,
                "detection": {"threshold": 0.0, "border_px": 4},
            },
            "evaluation": {"image_shape": [40, 48], "num_pairs": 1},
        }
    )


def file_mask() -> np.ndarray:
    """Return a mask of a file: a block in the middle of the frame is black, and its lower right corner."""
    mask = np.full(FILE_SHAPE, 255, np.uint8)
    mask[30:71, 70:121], mask[100:, 150:] = 0, 0
    return mask


def forbidden_in_frame() -> np.ndarray:
    """Return which pixels of the frame show a black one of the file, by hand: halved, 20 px cut off on both sides."""
    black = file_mask()[:, 20:180] == 0
    return black.reshape(64, 2, 80, 2).any(axis=(1, 3))


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("detector") / "weights.npz"
    network = config(path.parent).network.with_system("magicpoint")
    get_weights(build_network(network, seed=1), network).save(path)
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate((*NAMES, "validation.png")):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.random.default_rng(number).integers(0, 256, FILE_SHAPE, dtype=np.uint8))
    for name in NAMES[:2]:
        path = tmp_path / "masks" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), file_mask())
    return tmp_path


def run(folder: Path, detector: str, masks: str = "masks", **photographs: Any) -> AdaptationRun:
    chosen = PhotographSet(str(folder / "images"), NAMES, ("validation.png",), "")
    return AdaptationRun(config(folder, masks, **photographs), chosen, detector, str(folder / "labels"), 1)


def label(folder: Path, name: str) -> Any:
    return load_label(find_label(str(folder / "labels"), 1, name))


def test_nothing_is_labelled_under_a_mask_and_nobody_votes_there(folder: Path, detector: str, capsys: Said):
    adapt(run(folder, detector), Console())
    said = capsys.readouterr().out
    assert "masks | 2 of 3 photographs have a mask in" in said and "without a mask are used as a whole" in said
    assert "masks/c.png.png" in said
    forbidden = forbidden_in_frame()
    for name in NAMES[:2]:
        found = label(folder, name)
        pixels = np.floor(found.keypoints + 0.5).astype(int)
        assert len(pixels) and not forbidden[pixels[:, 1], pixels[:, 0]].any()
        assert not found.votes[forbidden].any() and found.votes[~forbidden].any()
    whole = label(folder, "c.png")
    assert whole.votes[forbidden].any()


def test_other_masks_are_labels_made_otherwise_wherever_they_lie(folder: Path, detector: str):
    adapt(run(folder, detector), Console())
    (folder / "masks").rename(folder / "moved")
    adapt(run(folder, detector, "moved"), Console())  # the same content
    cv2.imwrite(str(folder / "moved/b.png.png"), 255 - file_mask())
    with pytest.raises(ConfigError, match=r"holds labels made otherwise:\n  content of the masks: "):
        adapt(run(folder, detector, "moved"), Console())
    with pytest.raises(ConfigError, match=r"content of the masks: .* -> ''"):
        adapt(run(folder, detector, ""), Console())


def test_a_mask_of_another_size_leaves_its_photograph_out_with_both_sizes(folder: Path, detector: str):
    cv2.imwrite(str(folder / "masks/b.png.png"), file_mask()[:100])
    counts = adapt(run(folder, detector), Console()).counts
    (left,) = counts["left_out"]
    assert left["path"] == "b.png" and "has 200x100 pixels, the picture 200x128" in left["reason"]


def joint_batch(settings: Config, count: int = 3, first: int = 0) -> dict[str, np.ndarray]:
    task = build_joint_task(settings)
    rendered = task.source.render(task.source.payloads(range(first, first + count)))
    tensors = {name: tf.constant(value) for name, value in rendered.items()}
    batch = BATCHES["joint"].assemble(tensors, task.source.key, task.views)
    names = [Path(task.source.picture_name(number)).name for number in range(first, first + count)]
    return {**{name: value.numpy() for name, value in batch.items()}, "names": np.array(names)}


@pytest.mark.parametrize("with_masked_labels", [True, False])
@pytest.mark.parametrize("flip_and_crop", [{}, {"flip": True, "views": "both"}])
def test_no_cell_or_point_of_either_view_shows_what_is_under_a_mask(
    folder: Path, detector: str, with_masked_labels: bool, flip_and_crop: dict[str, Any]
):
    """Pictures that are white where the mask is black: by the pixels themselves, no code of the package's masks."""
    for name in NAMES[:2]:
        cv2.imwrite(str(folder / "images" / name), np.where(file_mask() == 0, 255, 20).astype(np.uint8))
    adapt(run(folder, detector, "masks" if with_masked_labels else ""), Console())
    batch = joint_batch(config(folder, **flip_and_crop), count=6)
    masked = np.isin(batch["names"], ["a.png", "b.png"])
    assert masked.any() and not masked.all()
    for view in (0, 1):
        cells = batch[f"cells_valid{view}"]
        bright = batch[f"images{view}"][..., 0].reshape(6, 8, 8, 10, 8).max(axis=(2, 4)) > 0.5  # of each cell
        assert (cells & ~bright)[masked].any() and not (cells & bright)[masked].any()
        points = batch[f"points{view}"]
        for image, found in zip(batch[f"images{view}"][masked], points[masked], strict=True):
            there = np.floor(found[np.isfinite(found[:, 0])] + 0.5).astype(int)
            assert not (image[there[:, 1], there[:, 0], 0] > 0.5).any()


def test_no_loss_hears_of_what_a_network_says_under_a_mask(folder: Path, detector: str):
    adapt(run(folder, detector), Console())
    settings = config(folder)
    batch = {name: tf.constant(value) for name, value in joint_batch(settings).items() if name != "names"}
    outputs = {
        "logits": tf.Variable(tf.random.stateless_normal((9, 8, 10, 65), (1, 2))),
        "descriptors": tf.Variable(tf.random.stateless_normal((9, 8, 10, 8), (3, 4))),
    }
    with tf.GradientTape() as tape:
        terms = JointObjective(settings).loss_terms(lambda images, training: outputs, batch)
        total = tf.add_n([term.sum * term.weight for term in terms.values()])
    gradients = tape.gradient(total, outputs)
    valid = tf.concat([batch["cells_valid0"], batch["cells_valid1"]], 0).numpy()
    # view 0 is seen a second time, moved by some pixels
    det, desc = (np.abs(gradients[name].numpy()[:6]).sum(axis=-1) for name in ("logits", "descriptors"))
    assert not valid.all() and det[valid].all() and not det[~valid].any()
    assert desc[valid].any()
    under = np.zeros((6, 8, 10), bool)
    masked = [name in ("a.png", "b.png") for name in joint_batch(settings)["names"]]
    cells = forbidden_in_frame().reshape(8, 8, 10, 8).all(axis=(1, 3))
    under[:3][masked] = cells
    assert under.any() and not (under & valid).any() and not desc[under].any()


def test_the_retraining_between_rounds_ignores_the_same_cells(folder: Path, detector: str):
    adapt(run(folder, detector), Console())
    manifest = read_manifest(str(folder / "labels"))
    task = build_adapted_task(config(folder), str(folder / "labels"), manifest)
    assert "masks" in task.inputs
    rendered = task.source.render(task.source.payloads(range(3)))
    for number, known in enumerate(rendered["known"]):
        masked = Path(task.source.picture_name(number)).name != "c.png"
        assert (known & forbidden_in_frame()).any() != masked


def test_a_run_does_not_go_on_with_other_masks(folder: Path, detector: str, tmp_path: Path):
    adapt(run(folder, detector), Console())
    task = build_joint_task(config(folder))
    run_folder = RunFolder(tmp_path / "run")
    run_folder.write_inputs(task.config, task.inputs)
    cv2.imwrite(str(folder / "masks/c.png.png"), file_mask())
    other = build_joint_task(config(folder))
    with pytest.raises(ConfigError, match="content of masks: "):
        run_folder.open(other.config, other.sections, other.inputs)
    without = build_joint_task(config(folder, ""))
    with pytest.raises(ConfigError, match=r"content of masks: .* -> None"):
        run_folder.open(without.config, without.sections, without.inputs)
    run_folder.open(task.config, task.sections, task.inputs)


def test_labels_and_training_read_photographs_through_one_window(folder: Path, detector: str):
    adapt(run(folder, detector, stretch="percentile"), Console())
    build_joint_task(config(folder, stretch="percentile"))
    with pytest.raises(
        ConfigError, match=r"made with photographs\.stretch=percentile, the config says none: label again"
    ):
        build_joint_task(config(folder))
    with pytest.raises(ConfigError, match=r"photographs\.stretch: 'percentile' -> 'none'"):
        adapt(run(folder, detector), Console())


@pytest.mark.parametrize("train", ["dense", "lift", "lfnet", "classes", "stereo"])
def test_trainings_that_look_at_whole_pictures_refuse_masks(train: str):
    plain = build_config({}).trained_as(train)
    with pytest.raises(ConfigError, match=rf"`photographs\.masks`: `train: {train}` learns from whole pictures"):
        build_config(
            {
                "train": train,
                "network": {"system": plain.network.system},
                "photographs": {"masks": "m"},
                "lift": {"init": "x"},
                "classes": {"init": "x"},
            }
        )


def test_patches_are_cut_about_no_keypoint_under_a_mask(folder: Path):
    settings = build_config(
        {
            "train": "patches",
            "network": {"system": "hardnet"},
            "workers": 0,
            "photographs": dataclasses.asdict(config(folder, "masks/b.png.png").photographs)
            | {"homography": {"max_angle_deg": 5}},
            "patches": {"labels": "dog", "batch_size": 8, "points_per_picture": 4},
        }
    )
    task = build_task(settings)
    assert "masks" in task.inputs
    rendered = task.source.render(task.source.payloads(range(4)))
    forbidden = forbidden_in_frame()
    for keypoints in rendered["keypoints"]:
        pixels = np.floor(keypoints[np.isfinite(keypoints[:, 0])] + 0.5).astype(int)
        assert len(pixels) and not forbidden[pixels[:, 1].clip(0, 63), pixels[:, 0].clip(0, 79)].any()
