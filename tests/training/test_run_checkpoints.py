"""Which checkpoint a run goes on from: damaged ones, lists that are lost, and what a kill leaves beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf

from superpoint_tf.config import ConfigError
from superpoint_tf.runtime import storage
from superpoint_tf.training.replicas import single_replica
from superpoint_tf.training.run_checkpoints import RunCheckpoints
from superpoint_tf.training.run_folder import RunFolder


class SmallState:
    """As much of a TrainingState as checkpoints know of: `value` is ten times the step."""

    def __init__(self) -> None:
        self.replicas = single_replica()
        self.step = tf.Variable(0, dtype=tf.int64)
        self.value = tf.Variable(tf.zeros(1000))
        self.checkpoint = tf.train.Checkpoint(step=self.step, value=self.value)

    def restore(self, path: str) -> None:
        self.checkpoint.restore(path).assert_consumed()


def open_run(folder: Path) -> tuple[SmallState, RunCheckpoints]:
    state = SmallState()
    checkpoints = RunCheckpoints(state, RunFolder(folder))  # type: ignore[arg-type]
    checkpoints.restore()
    return state, checkpoints


def run_to(folder: Path, *steps: int) -> Path:
    state, checkpoints = open_run(folder)
    for step in steps:
        state.step.assign(step)
        state.value.assign(tf.fill([1000], 10.0 * step))
        checkpoints.save(step)
    return folder / "checkpoints"


def names(files: Path) -> list[str]:
    return sorted(path.name for path in files.iterdir())


def whole(*steps: int) -> list[str]:
    ends = ("data-00000-of-00001", "index")
    return ["checkpoint", *(f"latest-{step}.{end}" for step in steps for end in ends)]


def test_two_are_kept_and_the_newest_is_restored(tmp_path: Path):
    files = run_to(tmp_path, 3, 6, 9)
    assert names(files) == whole(6, 9)
    assert int(open_run(tmp_path)[0].step) == 9


def test_old_ones_are_pruned_over_restarts_too(tmp_path: Path):
    for step in (3, 6, 9, 12):
        files = run_to(tmp_path, step)
    assert names(files) == sorted(whole(9, 12))


@pytest.mark.parametrize("end", ["index", "data-00000-of-00001"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "empty", "gone"])
def test_a_damaged_latest_is_named_and_falls_back_to_the_one_before(tmp_path: Path, end: str, damage: str):
    file = run_to(tmp_path, 3, 6) / f"latest-6.{end}"
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    else:
        content[len(content) // 2] ^= 0x10
        file.write_bytes({"cut": content[: len(content) // 2], "flipped": content, "empty": b""}[damage])
    state, checkpoints = open_run(tmp_path)
    assert int(state.step) == 3 and float(state.value[0]) == 30
    unnoticed = (end, damage) == ("index", "gone")  # its last file is missing: it was never finished
    assert [text[:9] for text in checkpoints.damaged] == ["latest-6:"] * (not unnoticed)
    run_to(tmp_path, 6)
    assert int(open_run(tmp_path)[0].step) == 6 and names(file.parent) == whole(3, 6)


@pytest.mark.parametrize("content", [None, b"", b'model_checkpoint_path: "latest-3"\nall_mod'])
def test_a_lost_or_damaged_list_of_checkpoints_loses_no_checkpoint(tmp_path: Path, content: bytes | None):
    files = run_to(tmp_path, 3, 6)
    (files / "checkpoint").unlink() if content is None else (files / "checkpoint").write_bytes(content)
    assert int(open_run(tmp_path)[0].step) == 6
    assert names(run_to(tmp_path, 9)) == whole(6, 9)


def test_what_a_killed_writer_left_is_deleted_and_foreign_files_are_not(tmp_path: Path):
    files = run_to(tmp_path, 3, 6)
    (files / "latest-7_temp").mkdir()
    for name in (
        "latest-7_temp/part-00000-of-00001.data-00000-of-00001.tempstate1",
        "latest-7.data-00000-of-00001",
        "checkpoint.tmp0123",
        "notes.txt",
    ):
        (files / name).write_bytes(b"half")
    open_run(tmp_path)
    assert names(files) == [*whole(3, 6), "notes.txt"]


def test_a_run_none_of_whose_checkpoints_can_be_read_is_refused_and_nothing_is_deleted(tmp_path: Path):
    files = run_to(tmp_path, 3, 6)
    for path in files.glob("*.index"):
        path.write_bytes(b"ruin")
    with pytest.raises(ConfigError, match=r"no checkpoint can be read \(latest-6: .*latest-3: .*--overwrite"):
        open_run(tmp_path)
    assert names(files) == whole(3, 6)


def test_a_disk_that_refuses_names_the_checkpoint_and_keeps_those_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from tensorflow.python.ops import io_ops

    def full(*_: object) -> None:
        raise tf.errors.ResourceExhaustedError(None, None, "No space left on device")

    files = run_to(tmp_path, 3)
    _, checkpoints = open_run(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(io_ops, "save_v2", full)
        with pytest.raises(storage.WriteError, match=r"checkpoints/latest-6: cannot be written \(No space left"):
            checkpoints.save(6)
    assert names(files) == whole(3)
    assert int(open_run(tmp_path)[0].step) == 3


def test_without_checkpoints_a_run_begins_at_the_beginning(tmp_path: Path):
    state, checkpoints = open_run(tmp_path)
    assert int(state.step) == 0 and checkpoints.damaged == []
