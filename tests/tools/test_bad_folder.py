"""A folder of 500 pictures, good and bad of every kind, through the tools that read folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
import yaml
from picture_zoo import LEFT_OUT_PLACES, bad_cases, good_cases, names_used, scene, write_zoo

from superpoint_tf.data.labels.label_chunks import read_archived
from superpoint_tf.data.labels.label_places import index_path, split_archived
from superpoint_tf.data.labels.label_sets import find_label, labelled_photographs
from superpoint_tf.data.labels.labels import LabelError, load_label, read_manifest
from superpoint_tf.data.photographs import reading
from superpoint_tf.runtime import storage

Run = Callable[..., int]
COUNT = 500
CONFIG = {
    "name": "tiny",
    "workers": 0,
    "network": {"width": 0.0625, "batch_norm": False, "descriptor_dim": 8},
    "photographs": {"image_shape": [40, 56]},
    "adaptation": {"num_homographies": 2, "chunk_size": 2, "num_figures": 1, "detection": {"threshold": 0.001}},
}
REASONS = {name: case.reason for name, case in bad_cases().items()} | LEFT_OUT_PLACES


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder of COUNT pictures: the zoo, and nine scenes again and again; nobody may read `locked.png`."""
    write_zoo(tmp_path / "images")
    for number in range(COUNT - len(REASONS) - len(list(names_used()))):
        cv2.imwrite(str(tmp_path / f"images/plain {number:03d}.png"), np.roll(scene(), number % 9, axis=0))
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "locked.png":
            raise PermissionError(13, "Permission denied", str(path))  # root would be let in
        return read(path)

    monkeypatch.setattr(reading.Path, "read_bytes", refuse)
    return tmp_path / "images"


def assert_named(lines: list[str], label: str) -> None:
    """Check that every bad file has one line with its reason, and no good one has."""
    said = [line for line in lines if line.startswith(label)]
    assert len(said) == len(REASONS)
    for name, reason in REASONS.items():
        assert any(name in line and reason in line for line in said), (name, said)


def test_adaptation_uses_or_names_each_of_500_pictures_and_labels_stay_with_their_content(
    run_tool: Run, tiny_weights: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    command = ("homographic_adapt.py", "--iters", "1", "--config", "tiny.yaml", "--images", "images")

    def adapt(*more: str) -> list[str]:
        assert run_tool(*command, "--detector", tiny_weights, *more) == 0
        return capsys.readouterr().out.splitlines()

    lines = adapt()
    manifest = read_manifest("labels/tiny")
    left_out = {item["path"]: item["reason"] for item in manifest.counts["left_out"]}
    assert left_out.keys() == REASONS.keys() and all(reason in left_out[name] for name, reason in REASONS.items())
    names = tuple(labelled_photographs("labels/tiny", manifest))
    assert len(names) + len(manifest.validation) + len(left_out) == COUNT
    assert set(names_used()) <= {*names, *manifest.validation}
    summary = next(line for line in lines if "round 1/1 done" in line)
    assert f"{len(names)} photographs | " in summary and f"| {len(REASONS)} left out" in summary
    assert_named(lines, " warn | left out: ")
    check_frames(names)
    check_changed_pictures(folder, names, adapt)
    assert run_tool(*command, "--detector", tiny_weights, "--output", "labels/strict", "--strict") == 1
    first = min(name for name in REASONS if not name.startswith("\\"))  # in the order of the listing
    said = capsys.readouterr().err
    assert f"error: images/{first}: " in said and REASONS[first] in said
    assert not storage.exists("labels/strict/manifest.json")


def test_bad_pictures_of_a_validation_folder_are_named_too_and_strict_stops_at_them(
    run_tool: Run, tiny_weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for name in ("train/a.png", "val/b.png", "val/c.png"):
        storage.write_bytes(tmp_path / "images" / name, b"")
        cv2.imwrite(str(tmp_path / "images" / name), scene())
    storage.write_bytes(tmp_path / "images/val/bad.jpg", (tmp_path / "images/val/b.png").read_bytes()[:200])
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(CONFIG))
    command = ["homographic_adapt.py", "--iters", "1", "--config", "tiny.yaml", "--images", "images"]
    command += ["--detector", tiny_weights, "--set", "photographs.train=train", "photographs.validation=val"]
    assert run_tool(*command, "--strict") == 1
    assert "error: images/val/bad.jpg: damaged" in capsys.readouterr().err
    assert run_tool(*command) == 0
    assert "| 1 left out" in (said := capsys.readouterr().out) and "left out: val/bad.jpg: damaged" in said
    manifest = read_manifest("labels/tiny")
    labelled = tuple(labelled_photographs("labels/tiny", manifest))
    assert (labelled, manifest.validation) == (("train/a.png",), ("val/b.png", "val/c.png"))
    assert [item["path"] for item in manifest.counts["left_out"]] == ["val/bad.jpg"]


def check_frames(names: tuple[str, ...]) -> None:
    """Twins have labels of their own, and pictures that show the same have the same labels."""
    labels = {name: load_label(find_label("labels/tiny", 1, name)) for name in names}
    twins = [name for name in ("twin.png", "twin.bmp") if name in labels]
    assert len({labels[name].sha256 for name in twins}) == len(twins)
    assert all(label.image_shape == (40, 56) for label in labels.values())


def check_changed_pictures(folder: Path, names: tuple[str, ...], adapt: Callable[..., list[str]]) -> None:
    """A picture that changed since has no label: training refuses it and names an index; without it it is made anew."""
    changed, kept = [name for name in names if name.startswith("plain")][:2]
    paths = [find_label("labels/tiny", 1, name) for name in (changed, kept)]
    before = [read_archived(*split_archived(path)) for path in paths]
    shift, digest = 0, ""
    while digest < "f":  # the smallest are held out for validation: this one stays where it is
        shift += 1
        cv2.imwrite(str(folder / changed), np.roll(scene(), shift, axis=1))
        digest = storage.sha256_file(folder / changed)
    index = index_path(split_archived(paths[0])[0])
    with pytest.raises(LabelError, match=f"made from another version of the photograph.*; delete {index} and run"):
        load_label(paths[0], expected_sha256=digest)
    Path(index).unlink()
    adapt()
    after = [read_archived(*split_archived(path)) for path in paths]
    assert after[0] != before[0] and after[1] == before[1]
    assert load_label(paths[0]).sha256 == digest


def test_extraction_uses_or_names_each_of_500_pictures(
    run_tool: Run, tiny_weights: str, folder: Path, capsys: pytest.CaptureFixture[str]
):
    settings = ("--weights", tiny_weights, "--threshold", "0.001", "--max-keypoints", "20")
    assert run_tool("extract.py", "images", *settings) == 0
    lines = capsys.readouterr().out.splitlines()
    used = COUNT - len(REASONS)
    assert any(f"{used} extracted" in line and f"{len(REASONS)} left out" in line for line in lines)
    assert_named(lines, " left | ")
    with h5py.File("features.h5") as file:
        found: dict[str, Any] = {name: file[name]["image_size"][()].tolist() for name in names_used()}
    assert found == {name: stored_size(name) for name in names_used()}
    assert run_tool("extract.py", "images", *settings, "--output", "strict.h5", "--strict") == 1
    assert f"images/{min(bad_cases())}: " in capsys.readouterr().err


def stored_size(name: str) -> list[int]:
    """Return (width, height) of the pixels that the file of a picture stores, which other programs read."""
    width, height = shown_size(name)
    quarter_turns = ("turned 5", "turned 6", "turned 7", "turned 8")
    return [height, width] if name.startswith(quarter_turns) else [width, height]


def shown_size(name: str) -> tuple[int, int]:
    """Return (width, height) of a picture as it is shown."""
    case = good_cases().get(name)
    grey = scene() if case is None else case.grey
    assert grey is not None
    return grey.shape[1], grey.shape[0]
