"""What the processes of a training on a cluster are started with."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from superpoint_tf.cluster.gang import Work
from superpoint_tf.config.cluster import Cluster, read_cluster
from superpoint_tf.runtime.progress import Console
from superpoint_tf.runtime.workers import WorkerDied
from superpoint_tf.training import on_cluster
from superpoint_tf.training.on_cluster import passed_on, train_on_cluster, worker_arguments


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("c.yaml --ray 10.0.0.1:6379 --workers 8 --output o", "c.yaml --output o"),
        ("c.yaml --ray=10.0.0.1:6379 --workers=8", "c.yaml"),
        ("c.yaml --ray --workers 8", "c.yaml"),
        ("--workers 2 c.yaml --set a.b=1 workers=3 --ray", "c.yaml --set a.b=1 workers=3"),
        ("--workers 2 --ray -- c.yaml", "-- c.yaml"),
    ],
)
def test_workers_get_the_command_without_what_starts_them(given: str, kept: str):
    assert worker_arguments(given.split()) == kept.split()


def test_settings_of_tensorflow_and_of_this_package_are_passed_on():
    variables = {"TF_DETERMINISTIC_OPS": "1", "SUPERPOINT_TF_LOG": "debug", "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "3"}
    assert passed_on(variables) == {"TF_DETERMINISTIC_OPS": "1", "SUPERPOINT_TF_LOG": "debug"}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """Return what a cluster would be given to run."""
    found: list[Work] = []

    def note(site: Any, work: Work, *rest: Any) -> int:
        found.append(work)
        return 0

    monkeypatch.setattr(on_cluster, "run_gang", note)
    (tmp_path / "config.yaml").write_text("name: earlier\n")
    given = ["c.yaml", "--overwrite", "--ray", "--workers", "2", "--output", str(tmp_path)]
    assert train_on_cluster(None, given, str(tmp_path), Console()) == 0  # type: ignore[arg-type]
    return found[0]


def test_an_earlier_run_is_overwritten_once(tmp_path: Path, work: Work):
    def given() -> Sequence[str]:
        return work.arguments()[1:] if work.arguments()[0] != "-m" else work.arguments()[3:]

    assert given() == ["c.yaml", "--overwrite", "--output", str(tmp_path)]
    assert "--overwrite" in given()  # a worker that was lost before it came to it
    (tmp_path / "config.yaml").unlink()
    (tmp_path / "config.yaml").write_text("name: now\n")
    assert given() == ["c.yaml", "--output", str(tmp_path)]


def test_each_finds_itself_in_tf_config(work: Work, monkeypatch: pytest.MonkeyPatch):
    addresses = ["10.0.0.1:4000", "[fe80::1]:4001"]
    variables = [work.environment(addresses, index) for index in (0, 1)]
    assert [read_cluster(each) for each in variables] == [Cluster(0, 2), Cluster(1, 2)]
    assert json.loads(variables[1]["TF_CONFIG"])["cluster"] == {"worker": addresses}


def test_progress_is_the_newest_checkpoint_that_is_whole(tmp_path: Path, work: Work):
    assert work.progress() == 0
    (tmp_path / "checkpoints").mkdir()
    for name in ("latest-9.index", "latest-12.index", "latest-15.data-00000-of-00001"):
        (tmp_path / "checkpoints" / name).touch()
    assert work.progress() == 12


def test_too_many_losses_name_the_run_and_what_helps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def lose(*given: Any) -> int:
        raise WorkerDied("worker 1 of 2 is lost")

    monkeypatch.setattr(on_cluster, "run_gang", lose)
    with pytest.raises(WorkerDied, match=r"run: worker 1 of 2 is lost; .*save more often"):
        train_on_cluster(None, [], "run", Console())  # type: ignore[arg-type]
