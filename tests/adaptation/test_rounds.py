from __future__ import annotations

import dataclasses
import json
import shutil
import signal
import threading
import time
import types
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.adaptation import labeller, labelling, rounds
from superpoint_tf.adaptation.preparation import PreparedPhotograph
from superpoint_tf.adaptation.rounds import AdaptationRun, adapt
from superpoint_tf.config import ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.labels.chunk_writer import ChunkWriter
from superpoint_tf.data.labels.label_chunks import ChunkIndex, read_index, unpack_archive, write_chunk
from superpoint_tf.data.labels.label_places import archive_path
from superpoint_tf.data.labels.label_sets import find_label, labelled_photographs
from superpoint_tf.data.labels.labels import (
    Label,
    LabelError,
    LabelManifest,
    Part,
    encode_label,
    load_label,
    read_manifest,
    write_manifest,
)
from superpoint_tf.data.photographs.photograph_sets import PhotographSet
from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights
from superpoint_tf.runtime import storage, waiting
from superpoint_tf.runtime.interruption import Interrupted, StopRequest
from superpoint_tf.runtime.progress import Console
from superpoint_tf.synthetic import draw_sample

NAMES = ("a b.png", "deep/c.png", "z.png", "é.png")


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> str:

    network = config().network.with_system("magicpoint")
    path = tmp_path_factory.mktemp("detector") / "weights.npz"
    get_weights(build_network(network, seed=1), network).save(path)
    return str(path)


def draw_photographs(folder: Path) -> Path:
    for number, name in enumerate((*NAMES, "validation.png")):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), draw_sample(0, number)[0])
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return draw_photographs(tmp_path)


@pytest.fixture(scope="module")
def one_round(tmp_path_factory: pytest.TempPathFactory, detector: str) -> Path:
    folder = draw_photographs(tmp_path_factory.mktemp("one"))
    start(make_run(folder, detector))
    return folder


@pytest.fixture
def labelled(tmp_path: Path, one_round: Path) -> Path:
    """Return a copy of photographs that are labelled once, in `labels`."""
    shutil.copytree(one_round, tmp_path, dirs_exist_ok=True)
    return tmp_path


@pytest.fixture(scope="module")
def two_rounds(tmp_path_factory: pytest.TempPathFactory, detector: str) -> Path:
    """Return photographs that are labelled twice, undisturbed, in `labels`; nobody may change them."""
    folder = draw_photographs(tmp_path_factory.mktemp("two"))
    start(make_run(folder, detector, iters=2))
    return folder


@pytest.fixture
def names_labelled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows by the name of each photograph that is labelled and not skipped."""
    names: list[str] = []
    finish = labeller._finish

    def remember(run: Any, detector_sha256: str, detected: Any) -> Any:
        if detected.aggregate is not None:
            names.append(detected.photograph.name)
        return finish(run, detector_sha256, detected)

    monkeypatch.setattr(labeller, "_finish", remember)
    return names


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
            "adaptation": {
                **{"num_homographies": 3, "chunk_size": 2, "retrain_steps": 2, "num_figures": 1, "labels_per_file": 3},
                **adaptation,
            },
            "evaluation": {"image_shape": [40, 48], "num_pairs": 1},
        }
    )


def make_run(folder: Path, detector: str, output: str = "labels", iters: int = 1, **changes: Any) -> AdaptationRun:
    photographs = PhotographSet(str(folder / "images"), NAMES, ("validation.png",), "")
    run = AdaptationRun(config(), photographs, detector, str(folder / output), iters)
    return dataclasses.replace(run, **changes)


def start(run: AdaptationRun, **options: Any) -> LabelManifest:
    return adapt(run, Console(), **options)


def together(*runs: AdaptationRun) -> None:
    """Run each in a thread; fail if one raises or still waits after a while."""
    errors: list[BaseException] = []

    def start_one(run: AdaptationRun) -> None:
        try:
            start(run)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=start_one, args=(run,), daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + 60
    while any(thread.is_alive() for thread in threads) and not errors and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not errors
    assert not any(thread.is_alive() for thread in threads)


def contents(folder: Path, below: str = "labels") -> dict[str, bytes]:
    """Return the files below `folder / below`, with the folder's own path taken out of what is written in them.

    Of a retraining only the weights: its logs hold times.
    """
    files = [p for p in sorted((folder / below).rglob("*")) if p.is_file()]
    kept = [p for p in files if "detector_round_1" not in p.parts or p.name == "weights.npz"]
    return {p.relative_to(folder).as_posix(): p.read_bytes().replace(str(folder).encode(), b"") for p in kept}


def label_bytes(root: Path) -> dict[str, bytes]:
    """Return the label file of each photograph and round."""
    archives = sorted(root.glob("round_*/*.zip"))
    labels = {path: unpack_archive(str(path)) for path in archives}
    return {f"{path.parent.name}/{name}": content for path in archives for name, content in labels[path].items()}


def label_of(root: Path, photograph: str) -> Label:
    return load_label(find_label(str(root), 1, photograph))


def indexes(root: Path, round: int) -> list[ChunkIndex]:
    return [read_index(str(path)) for path in sorted(root.glob(f"round_{round}/*.zip"))]


def test_every_photograph_gets_a_label_in_its_own_frame_and_the_manifest_says_how(one_round: Path):
    folder = one_round
    manifest = read_manifest(str(folder / "labels"))
    assert tuple(labelled_photographs(str(folder / "labels"), manifest)) == NAMES
    assert manifest.validation == ("validation.png",) and manifest.chunks == (3, 1)
    assert manifest.final_round == 1 and manifest.counts["left_out"] == [] and manifest.counts["num_left_out"] == 0
    files = [path.name for path in sorted((folder / "labels/round_1").iterdir())]
    assert files == ["000000.index.npz", "000000.zip", "000001.index.npz", "000001.zip"]
    label = label_of(folder / "labels", "deep/c.png")
    assert label.image_shape == (40, 48)
    assert label.sha256 == storage.sha256((folder / "images/deep/c.png").read_bytes())
    height_scale = label.image_to_label[1, 1]
    assert height_scale == pytest.approx(1 / 3) and label.image_to_label[1, 2] == pytest.approx(0.5 / 3 - 0.5)
    assert (folder / "labels/figures/round_1.png").stat().st_size > 1000


def test_the_figure_of_a_round_is_announced_where_it_is_written(
    labelled: Path, detector: str, capsys: pytest.CaptureFixture[str]
):
    start(make_run(labelled, detector))  # labels nothing, and draws what is labelled
    figure = labelled / "labels/figures/round_1.png"
    assert f"adapt | look at {figure}\n" in capsys.readouterr().out and figure.exists()


def test_no_label_is_nearer_to_the_frame_than_the_border_because_erosion_keeps_the_frames_edge(
    labelled: Path, detector: str
):
    def nearest_to_frame(output: str) -> float:
        labels = [label_of(labelled / output, name) for name in NAMES]
        height, width = labels[0].image_shape
        points = np.concatenate([label.keypoints for label in labels])
        return float(np.minimum(points, (width - 1, height - 1) - points).min())

    start(make_run(labelled, detector, "no_border", config=config(detection={"border_px": 0}, num_figures=0)))
    assert nearest_to_frame("no_border") == 0  # erosion leaves the edge
    assert nearest_to_frame("labels") >= config().adaptation.detection.border_px > 0


def test_a_label_says_how_many_warps_had_a_vote_and_none_had_within_the_border(one_round: Path):
    label = label_of(one_round / "labels", "z.png")
    border = config().adaptation.detection.border_px
    assert label.num_votes == config().adaptation.num_homographies == 3
    assert label.votes.shape == (40, 48) and label.votes.dtype == np.uint16 and 0 < label.votes.max() <= 3
    inner = label.votes[border:-border, border:-border]
    assert label.votes.sum() == inner.sum() and inner.min() >= 1  # the identity votes everywhere


def test_subpixel_labels_lie_between_pixels_of_those_without(labelled: Path, detector: str):
    settings = config(detection={"threshold": 0.001, "subpixel": True}, num_figures=0)
    start(make_run(labelled, detector, "subpixel", config=settings))
    whole = config(detection={"threshold": 0.001}, num_figures=0)
    start(make_run(labelled, detector, "whole", config=whole))
    between, pixels = (label_of(labelled / name, "z.png") for name in ("subpixel", "whole"))
    assert (pixels.keypoints == np.rint(pixels.keypoints)).all() and len(pixels.keypoints) > 3
    assert (between.keypoints != np.rint(between.keypoints)).any()
    np.testing.assert_array_equal(between.scores, pixels.scores)


def test_a_short_retraining_does_not_warm_up_for_half_of_its_steps():
    settings = build_config({"detector": {"warmup_steps": 100}, "adaptation": {"retrain_steps": 200}})
    retraining = rounds.retraining_settings(settings, "first.npz")
    assert (retraining.steps, retraining.warmup_steps, retraining.init) == (200, 20, "first.npz")
    long = dataclasses.replace(settings, adaptation=dataclasses.replace(settings.adaptation, retrain_steps=20_000))
    assert rounds.retraining_settings(long, "first.npz").warmup_steps == 100


def test_a_folder_begun_without_votes_is_refused_before_anything_is_written(labelled: Path, detector: str):
    path = labelled / "labels/adaptation.json"
    plan = json.loads(path.read_text())
    del plan["label_format"]  # as the version wrote it whose labels had no votes
    path.write_text(json.dumps(plan))
    before = contents(labelled)
    with pytest.raises(ConfigError, match=r"label format: 1 -> 2\n.*--overwrite"):
        start(make_run(labelled, detector))
    assert contents(labelled) == before


def test_two_rounds_retrain_the_detector_between_them_and_the_second_uses_it(two_rounds: Path):
    folder, manifest = two_rounds, read_manifest(str(two_rounds / "labels"))
    retrained = folder / "labels/detector_round_1/weights.npz"
    assert manifest.final_round == 2 and manifest.rounds == (1, 2)
    assert manifest.detector == {"path": str(retrained), "sha256": storage.sha256_file(retrained)}
    assert len(label_bytes(folder / "labels")) == 2 * len(NAMES)
    assert not (folder / "labels/detector_round_2").exists()  # N labellings and N - 1 retrainings


@pytest.mark.parametrize("retrain", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_run_stopped_in_its_second_round_and_restarted_equals_an_undisturbed_one(
    retrain: bool,
    folder: Path,
    detector: str,
    two_rounds: Path,
    monkeypatch: pytest.MonkeyPatch,
    names_labelled: list[str],
):
    def copy_the_retrained(task: Any, output: str, **_: Any) -> None:
        storage.write_bytes(f"{output}/weights.npz", (two_rounds / "labels/detector_round_1/weights.npz").read_bytes())

    if not retrain:  # that training repeats itself is tested in the trainer's own tests
        monkeypatch.setattr(rounds, "train", copy_the_retrained)
    requests: list[StopRequest] = []

    class Remembered(StopRequest):
        def __init__(self) -> None:
            super().__init__()
            requests.append(self)

    add = ChunkWriter.add

    def stop_after_the_second_of_round_2(writer: ChunkWriter, photograph: str, content: bytes, number: int) -> Any:
        stored = add(writer, photograph, content, number)
        if photograph == NAMES[1] and (folder / "labels/manifest.json").exists():
            requests[-1].signal_number = signal.SIGTERM
        return stored

    with monkeypatch.context() as patch:
        patch.setattr(labelling, "StopRequest", Remembered)
        patch.setattr(ChunkWriter, "add", stop_after_the_second_of_round_2)
        with pytest.raises(Interrupted, match="stopped in round 2") as stopped:
            start(make_run(folder, detector, iters=2))
    assert stopped.value.exit_code == 143
    written = [name for index in indexes(folder / "labels", 2) for name in index.photographs]
    assert written == list(NAMES[:2])  # whatever the network had seen of the third
    assert read_manifest(str(folder / "labels")).final_round == 1
    names_labelled.clear()
    start(make_run(folder, detector, iters=2))
    assert names_labelled == list(NAMES[len(written) :])
    assert contents(folder) == contents(two_rounds)


def test_finished_chunks_are_skipped_and_one_without_its_index_is_looked_at_again_and_only_what_changed_labelled(
    labelled: Path, detector: str, names_labelled: list[str], monkeypatch: pytest.MonkeyPatch
):
    run, labels = make_run(labelled, detector), labelled / "labels"
    before = label_bytes(labels)
    with monkeypatch.context() as patch:
        patch.setattr(labeller, "ordered_map", None)  # not even read
        start(run)
    assert names_labelled == [] and label_bytes(labels) == before
    cv2.imwrite(str(labelled / "images/z.png"), draw_sample(0, 99)[0])
    digest = storage.sha256_file(labelled / "images/z.png")
    index = labels / "round_1/000000.index.npz"
    with pytest.raises(
        LabelError, match=rf"000000\.zip/z\.png\.npz: made from another version .*; delete {index} and run"
    ):
        load_label(find_label(str(labels), 1, "z.png"), expected_sha256=digest)
    index.unlink()
    start(run)
    changed = {name for name, content in label_bytes(labels).items() if content != before[name]}
    assert names_labelled == ["z.png"] and changed == {"round_1/z.png"}
    assert load_label(find_label(str(labels), 1, "z.png"), expected_sha256=digest)


def rewrite(archive: str, detector_sha256: str) -> None:
    """Write a chunk as another detector would have."""
    label = Label(np.ones((1, 2)), np.ones(1), (40, 48), np.eye(3), "0" * 64, detector_sha256)
    names = read_index(archive).photographs
    write_chunk(archive, detector_sha256, dict.fromkeys(names, encode_label(label)), [1] * len(names), {})


def test_labels_made_by_another_detector_are_made_again(labelled: Path, detector: str, names_labelled: list[str]):
    labels = label_bytes(labelled / "labels")
    rewrite(archive_path(str(labelled / "labels"), 1, 0), "0" * 64)
    assert label_bytes(labelled / "labels") != labels
    start(make_run(labelled, detector))
    assert names_labelled == list(NAMES[:3])
    start(make_run(labelled, detector, config=config(num_figures=0)))
    assert label_bytes(labelled / "labels") == labels


@pytest.mark.parametrize("file", ["000000.zip", "000000.index.npz"])
@pytest.mark.parametrize("keep", [0, 30, 700, None])
def test_a_damaged_chunk_is_made_again(
    labelled: Path, detector: str, names_labelled: list[str], file: str, keep: int | None
):
    """`keep` bytes are left of it; None: it is gone."""
    start(make_run(labelled, detector))  # the manifest names the copied folder
    before, path = contents(labelled), labelled / "labels/round_1" / file
    content = path.read_bytes()
    path.unlink()
    if keep is not None:
        path.write_bytes(content[:keep])
    start(make_run(labelled, detector))
    assert contents(labelled) == before
    assert names_labelled == ([] if file.endswith(".index.npz") else list(NAMES[:3]))  # an archive is enough


def test_a_process_killed_between_two_saves_loses_what_it_labelled_since(
    folder: Path, one_round: Path, detector: str, names_labelled: list[str], monkeypatch: pytest.MonkeyPatch
):
    class Killed(BaseException):
        pass

    add = ChunkWriter.add
    saves: list[str] = []

    def add_and_save_the_first(writer: ChunkWriter, photograph: str, *label: Any) -> Any:
        if saves:
            monkeypatch.setattr(ChunkWriter, "save", lambda writer: None)  # the process is gone: nothing is written
            raise Killed
        stored = add(writer, photograph, *label)
        writer.save()
        saves.append(photograph)
        return stored

    with monkeypatch.context() as patch:
        patch.setattr(ChunkWriter, "add", add_and_save_the_first)
        with pytest.raises(Killed):
            start(make_run(folder, detector))
    monkeypatch.undo()
    assert saves == [NAMES[0]] and [index.photographs for index in indexes(folder / "labels", 1)] == [NAMES[:1]]
    assert not (folder / "labels/manifest.json").exists()
    start(make_run(folder, detector))
    assert contents(folder) == contents(one_round)


def test_settings_that_change_no_label_may_change_on_restart(labelled: Path, detector: str, names_labelled: list[str]):
    before = label_bytes(labelled / "labels")
    manifest = start(make_run(labelled, detector, config=config(retrain_steps=5, num_figures=0)))
    assert names_labelled == [] and label_bytes(labelled / "labels") == before
    assert manifest.config["adaptation"]["retrain_steps"] == 5


def test_fewer_rounds_than_are_done_are_refused(two_rounds: Path, detector: str):
    before = contents(two_rounds)
    with pytest.raises(ConfigError, match="2 rounds are done; use --iters 2"):
        start(make_run(two_rounds, detector, iters=1))
    assert contents(two_rounds) == before


def test_labels_do_not_depend_on_which_photographs_are_labelled_with_them(labelled: Path, detector: str):
    folder = labelled
    alone = PhotographSet(str(folder / "images"), ("z.png",), ("validation.png",), "")
    start(make_run(folder, detector, "alone", photographs=alone))
    assert label_bytes(folder / "alone")["round_1/z.png"] == label_bytes(folder / "labels")["round_1/z.png"]


def test_the_union_of_the_shards_is_what_one_process_writes(labelled: Path, detector: str):
    folder = labelled
    start(make_run(folder, detector))  # labels nothing; the manifest names the copied folder
    both = [make_run(folder, detector, "shards", shard=(index, 2)) for index in range(2)]
    rounds._open_folder(both[1], overwrite=False)
    part = labelling.label_round(both[1], 1, Console())
    write_manifest(str(folder / "shards"), rounds._manifest(both[1], 1, part), Part(1, 1, 2))
    start(both[0])
    apart = {name: content for name, content in contents(folder, "shards").items() if "-shard-" not in name}
    assert {name.partition("/")[2]: content for name, content in apart.items()} == {
        name.partition("/")[2]: content for name, content in contents(folder).items()
    }
    assert len(apart) == 2 + 2 + 2 * 2 + 1  # plan and manifest, lists, chunks, a figure


def test_shard_0_started_again_in_round_2_does_not_wait_for_what_the_others_did_in_round_1(
    folder: Path, detector: str, two_rounds: Path, monkeypatch: pytest.MonkeyPatch
):
    def copy_the_retrained(task: Any, output: str, **_: Any) -> None:
        trained, summary = two_rounds / "labels/detector_round_1", "summary.json"
        shutil.copytree(trained, output, ignore=shutil.ignore_patterns(summary), dirs_exist_ok=True)
        shutil.copy(trained / summary, output)  # last: the other shard waits for it

    monkeypatch.setattr(rounds, "train", copy_the_retrained)
    monkeypatch.setattr(waiting, "_POLL_S", 0.01)
    together(*(make_run(folder, detector, iters=2, shard=(index, 2)) for index in range(2)))
    before = label_bytes(folder / "labels")
    assert before == label_bytes(two_rounds / "labels")
    for path in (folder / "labels/round_2").glob("000000.*"):  # as if it had been killed before this chunk
        path.unlink()
    together(make_run(folder, detector, iters=2, shard=(0, 2)))
    assert label_bytes(folder / "labels") == before


def test_an_unreadable_photograph_is_left_out_counted_and_named(folder: Path, detector: str):
    (folder / "images/z.png").write_bytes(b"not a picture")
    manifest = start(make_run(folder, detector))
    assert [item["path"] for item in manifest.counts["left_out"]] == ["z.png"]
    names = tuple(name for name in NAMES if name != "z.png")
    assert tuple(labelled_photographs(str(folder / "labels"), manifest)) == names and manifest.chunks == (2, 1)
    assert [index.left_out for index in indexes(folder / "labels", 1)] == [
        {"z.png": "not a picture in a known format"},
        {},
    ]
    with pytest.raises(PhotographError, match=r"z\.png"):
        start(make_run(folder, detector, "strict", strict=True))


def test_a_folder_of_other_labels_is_refused_with_the_difference_unless_overwritten(labelled: Path, detector: str):
    folder = labelled
    before = label_bytes(folder / "labels")
    other = make_run(folder, detector, config=config(num_homographies=4))
    with pytest.raises(ConfigError, match=r"adaptation\.num_homographies: 3 -> 4"):
        start(other)
    assert label_bytes(folder / "labels") == before
    start(other, overwrite=True)
    assert label_bytes(folder / "labels") != before


def test_overwrite_never_deletes_a_folder_of_somebody_else(folder: Path, detector: str):
    with pytest.raises(ValueError, match="not empty and not a label folder"):
        start(make_run(folder, detector, "images"), overwrite=True)
    assert (folder / "images/z.png").exists()


def test_an_output_folder_that_is_not_ours_is_refused_and_left_alone(folder: Path, detector: str):
    before = contents(folder, "images")
    assert len(before) == len(NAMES) + 1
    with pytest.raises(ConfigError, match=r"images: not empty and not a label folder; choose another --output"):
        start(make_run(folder, detector, "images"))
    assert contents(folder, "images") == before


def test_another_list_of_photographs_is_refused(labelled: Path, detector: str):
    folder = labelled
    fewer = PhotographSet(str(folder / "images"), NAMES[:2], ("validation.png",), "")
    with pytest.raises(ConfigError, match=r"list of photographs: [0-9a-f]{12} -> [0-9a-f]{12}\n"):
        start(make_run(folder, detector, photographs=fewer))


def test_an_answer_that_is_not_finite_stops_the_round_and_names_the_photograph(folder: Path, detector: str):
    photograph = PreparedPhotograph("z.png", "00", np.zeros((40, 48), np.uint8), np.eye(3))
    heatmap = np.zeros((40, 48), np.float32)
    heatmap[3, 4] = np.nan  # what float16 gives that overflows
    detected: Any = labeller._Detected(photograph, types.SimpleNamespace(heatmap=tf.constant(heatmap)))
    with pytest.raises(
        PhotographError, match=r"images/z\.png: the detector's answer is not finite; use adaptation\.prec"
    ):
        labeller._finish(make_run(folder, detector), "0" * 64, detected)
