"""Training on sets of patches: distinct points, their own patches, the same for a number whatever else is asked for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from patch_folders import write_brown, write_strips

from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.batches.kinds import BATCHES
from superpoint_tf.data.batches.set_batch import set_batch
from superpoint_tf.data.patch_sets.point_patches import PointPatches
from superpoint_tf.data.patch_sets.read_sets import read_patch_sets
from superpoint_tf.data.patch_sets.set_source import PatchSetSource
from superpoint_tf.training.build import build_task
from superpoint_tf.training.trainer import train


def point_patches(views: tuple[int, ...], side: int = 4) -> PointPatches:
    """Return patches whose grey level is 10 times the point's number, plus which of its views it is."""
    points = np.repeat(np.arange(len(views)), views)
    view = np.concatenate([np.arange(count) for count in views])
    patches = np.broadcast_to((10 * points + view).astype(np.uint8)[:, None, None], (len(points), side, side))
    return PointPatches.of(patches, points, np.zeros(len(points), np.int64), ("a set",))


def test_a_sample_holds_distinct_points_in_two_different_patches_of_theirs():
    source = PatchSetSource(point_patches((3, 1, 2, 5, 2)), 2, key=7, description="a set")
    assert source.num_points == 4  # one is seen once
    batch = source.render(source.payloads(range(2)))
    assert sorted(batch["point"].tolist()) == [0, 2, 3, 4]  # two samples are an epoch
    first, second = (batch[name][:, 0, 0].astype(int) for name in ("patches0", "patches1"))
    np.testing.assert_array_equal(first // 10, batch["point"])
    np.testing.assert_array_equal(second // 10, batch["point"])
    assert (first != second).all()


def test_a_sample_is_a_function_of_its_number_and_the_key():
    source = PatchSetSource(point_patches((4,) * 20), 5, key=7, description="a set")
    together, alone = source.render(source.payloads([2, 9])), source.render(source.payloads([9]))
    for name in ("patches0", "patches1", "point"):
        np.testing.assert_array_equal(together[name][5:], alone[name])
    other = PatchSetSource(point_patches((4,) * 20), 5, key=8, description="a set")
    assert other.render(other.payloads([9]))["point"].tolist() != alone["point"].tolist()


def test_all_pairs_of_views_come_about_as_often():
    source = PatchSetSource(point_patches((3,)), 1, key=0, description="a set")
    batch = source.render(source.payloads(range(600)))
    pairs = batch["patches0"][:, 0, 0].astype(int) * 3 + batch["patches1"][:, 0, 0]
    counts = np.bincount(pairs, minlength=9).reshape(3, 3)
    assert (np.diag(counts) == 0).all() and counts[~np.eye(3, dtype=bool)].min() > 70


def test_of_several_rows_of_a_point_the_first_counts():
    source = PatchSetSource(point_patches((2, 2, 2)), 2, key=0, description="a set")
    raw = source.render(source.payloads(range(2)))  # an epoch has three points
    batch = set_batch({name: tf.constant(value) for name, value in raw.items()}, 0, None)
    expected = [point not in raw["point"][:row] for row, point in enumerate(raw["point"])]
    assert batch["valid"].numpy().tolist() == expected and sum(expected) == 3
    np.testing.assert_array_equal(batch["point"].numpy() >= 0, expected)
    np.testing.assert_allclose(batch["patches0"][..., 0], raw["patches0"] / 255, atol=1e-6)


def test_workers_hand_over_what_the_signature_says():
    source = PatchSetSource(point_patches((2,) * 8), 4, key=0, description="a set")
    signature = BATCHES["patch set"].signature(source, 2)
    batch = source.render(source.payloads(range(2)))
    assert set(signature) == set(batch)
    for name, spec in signature.items():
        assert (spec.shape, spec.dtype.as_numpy_dtype) == (batch[name].shape, batch[name].dtype), name


def test_a_set_in_which_nothing_is_seen_twice_is_refused():
    with pytest.raises(ValueError, match="a set: no point has two patches"):
        PatchSetSource(point_patches((1, 1)), 1, key=0, description="a set")


def test_whole_sequences_are_held_out_and_of_a_single_set_points(tmp_path: Path):
    write_strips(tmp_path / "strips")
    training, validation, note = read_patch_sets(tmp_path / "strips", 32)
    assert (set(training.sources.tolist()), set(validation.sources.tolist())) == ({0, 1}, {2}) and note == "v_two"
    assert not set(training.points.tolist()) & set(validation.points.tolist())
    write_brown(tmp_path / "brown" / "liberty")
    training, validation, note = read_patch_sets(tmp_path / "brown", 32)
    assert training.patches.shape[1:] == (32, 32) and note == "the last 5 points of liberty"
    assert training.points.max() < validation.points.min()


def test_several_sets_number_their_points_through(tmp_path: Path):
    for name in ("liberty", "yosemite"):
        write_brown(tmp_path / name)
    training, validation, note = read_patch_sets(tmp_path, 64)
    assert note == "yosemite" and len(np.unique(training.points)) == len(np.unique(validation.points)) == 100
    assert not set(training.points.tolist()) & set(validation.points.tolist())


@pytest.mark.parametrize("write", [write_strips, write_brown])
def test_a_set_trains_without_photographs(tmp_path: Path, write):
    write(tmp_path / "set")
    settings = {"data": str(tmp_path / "set"), "batch_size": 4, "points_per_picture": 2, "steps": 2, "warmup_steps": 0}
    config = build_config(
        {
            "train": "patches",
            "workers": 0,
            "network": {"system": "hardnet"},
            "patches": {**settings, "log_every": 1, "validate_every": 2},
        }
    )
    task = build_task(config)
    assert "held out for validation" in task.source.description and set(task.inputs) == {"patches"}
    train(task, tmp_path / "run")
    assert (tmp_path / "run" / "figures" / "validation_patches.png").is_file()
