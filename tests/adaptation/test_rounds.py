from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import pytest

from superpoint_tf import storage
from superpoint_tf.adaptation import rounds
from superpoint_tf.adaptation.rounds import AdaptationRun, adapt
from superpoint_tf.checkpoints import get_weights
from superpoint_tf.config import ConfigError, build_config
from superpoint_tf.data.labels import LabelManifest, label_path, load_label, read_manifest, write_manifest
from superpoint_tf.data.photograph_sets import PhotographSet
from superpoint_tf.data.photographs import PhotographError
from superpoint_tf.network import build_network
from superpoint_tf.progress import Console
from synthetic import draw_sample

NAMES = ("a b.png", "deep/c.png", "z.png", "é.png")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> str:
    import tensorflow as tf

    tf.keras.utils.set_random_seed(1)
    network = config().network
    path = tmp_path_factory.mktemp("detector") / "weights.npz"
    get_weights(build_network(network, False), network, False).save(path)
    return str(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, name in enumerate((*NAMES, "validation.png")):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), draw_sample(0, number)[0])
    return tmp_path


def config(**adaptation: Any) -> Any:
    return build_config(
        {
            "name": "tiny",
            "workers": 0,
            "network": {"width": 0.0625, "batch_norm": False, "descriptor_dim": 8},
            "photographs": {"image_shape": [40, 48]},
            "detector": {
                "batch_size": 2,
                "log_every": 2,
                "validate_every": 2,
                "checkpoint_every": 1,
                "warmup_steps": 1,
            },
            "adaptation": {"num_homographies": 3, "chunk_size": 2, "retrain_steps": 2, "num_figures": 1, **adaptation},
            "evaluation": {"image_shape": [40, 48], "num_pairs": 1},
        }
    )


def make_run(folder: Path, detector: str, output: str = "labels", iters: int = 1, **changes: Any) -> AdaptationRun:
    photographs = PhotographSet(str(folder / "images"), NAMES, ("validation.png",), "")
    run = AdaptationRun(config(), photographs, detector, str(folder / output), iters)
    return dataclasses.replace(run, **changes)


def start(run: AdaptationRun, **options: Any) -> LabelManifest:
    return adapt(run, Console(), **options)


def label_bytes(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.glob("round_*/**/*.npz"))}


def test_every_photograph_gets_a_label_in_its_own_frame_and_the_manifest_says_how(folder: Path, detector: str):
    manifest = start(make_run(folder, detector))
    assert manifest == read_manifest(str(folder / "labels"))
    assert manifest.photographs == NAMES and manifest.validation == ("validation.png",)
    assert manifest.final_round == 1 and manifest.counts["left_out"] == []
    label = load_label(label_path(str(folder / "labels"), 1, "deep/c.png"))
    assert label.image_shape == (40, 48)
    assert label.sha256 == storage.sha256((folder / "images/deep/c.png").read_bytes())
    height_scale = label.image_to_label[1, 1]
    assert height_scale == pytest.approx(1 / 3) and label.image_to_label[1, 2] == pytest.approx(0.5 / 3 - 0.5)
    assert (folder / "labels/figures/round_1.png").stat().st_size > 1000


def test_two_rounds_retrain_the_detector_between_them_and_the_second_uses_it(folder: Path, detector: str):
    manifest = start(make_run(folder, detector, iters=2))
    retrained = folder / "labels/detector_round_1/weights.npz"
    assert manifest.final_round == 2 and manifest.rounds == (1, 2)
    assert manifest.detector == {"path": str(retrained), "sha256": storage.sha256_file(retrained)}
    assert len(label_bytes(folder / "labels")) == 2 * len(NAMES)
    assert not (folder / "labels/detector_round_2").exists()  # N labellings and N - 1 retrainings


def test_finished_photographs_are_skipped_on_restart_and_changed_ones_are_labelled_again(
    folder: Path, detector: str, monkeypatch: pytest.MonkeyPatch
):
    run, labelled = make_run(folder, detector), []
    start(run)
    before = label_bytes(folder / "labels")
    label = rounds._label

    def remember(run: Any, round: int, adapter: Any, item: Any) -> int:
        labelled.append(item.name)
        return label(run, round, adapter, item)

    monkeypatch.setattr(rounds, "_label", remember)
    start(run)
    assert labelled == [] and label_bytes(folder / "labels") == before
    cv2.imwrite(str(folder / "images/z.png"), draw_sample(0, 99)[0])
    start(run)
    assert labelled == ["z.png"] and label_bytes(folder / "labels") != before


def test_labels_do_not_depend_on_which_photographs_are_labelled_with_them(folder: Path, detector: str):
    start(make_run(folder, detector))
    alone = PhotographSet(str(folder / "images"), ("z.png",), ("validation.png",), "")
    start(make_run(folder, detector, "alone", photographs=alone))
    assert label_bytes(folder / "alone")["round_1/z.png.npz"] == label_bytes(folder / "labels")["round_1/z.png.npz"]


def test_the_union_of_the_shards_is_what_one_process_writes(folder: Path, detector: str):
    start(make_run(folder, detector, "one"))
    shards = [make_run(folder, detector, "shards", shard=(index, 2)) for index in range(2)]
    part = rounds._label_round(shards[1], 1, Console(), "")
    write_manifest(str(folder / "shards"), rounds._manifest(shards[1], 1, part), (1, 2))
    start(shards[0])
    assert label_bytes(folder / "shards") == label_bytes(folder / "one")
    assert (folder / "shards/manifest.json").read_bytes() == (folder / "one/manifest.json").read_bytes()


def test_an_unreadable_photograph_is_left_out_counted_and_named(folder: Path, detector: str):
    (folder / "images/z.png").write_bytes(b"not a picture")
    manifest = start(make_run(folder, detector))
    assert [item["path"] for item in manifest.counts["left_out"]] == ["z.png"]
    assert manifest.photographs == tuple(name for name in NAMES if name != "z.png")
    with pytest.raises(PhotographError, match=r"z\.png"):
        start(make_run(folder, detector, "strict", strict=True))


def test_a_folder_of_other_labels_is_refused_with_the_difference_unless_overwritten(folder: Path, detector: str):
    start(make_run(folder, detector))
    before = label_bytes(folder / "labels")
    other = make_run(folder, detector, config=config(num_homographies=4))
    with pytest.raises(ConfigError, match=r"adaptation\.num_homographies: 3 -> 4"):
        start(other)
    assert label_bytes(folder / "labels") == before
    start(other, overwrite=True)
    assert label_bytes(folder / "labels") != before


def test_overwrite_never_deletes_a_folder_of_somebody_else(folder: Path, detector: str):
    with pytest.raises(ValueError, match="not made by this tool"):
        start(make_run(folder, detector, "images"), overwrite=True)
    assert (folder / "images/z.png").exists()


def test_another_list_of_photographs_is_refused(folder: Path, detector: str):
    start(make_run(folder, detector))
    fewer = PhotographSet(str(folder / "images"), NAMES[:2], ("validation.png",), "")
    with pytest.raises(ConfigError, match="the list of photographs is another one"):
        start(make_run(folder, detector, photographs=fewer))
