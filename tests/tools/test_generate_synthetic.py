"""The generator as a user meets it: exit codes, messages, and going on after a signal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
SMALL = ["--set", "synthetic.num_validation=1", "synthetic.num_test=1", "synthetic.draw.image_shape=[32, 40]"]


def command(*arguments: str) -> list[str]:
    return [sys.executable, str(CHECKOUT / "tools/generate_synthetic.py"), *arguments]


def run(*arguments: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = {**os.environ, **environment}
    return subprocess.run(command(*arguments), cwd=cwd, capture_output=True, text=True, timeout=120, env=variables)


def test_help_is_there_at_once_and_loads_nothing_large(tmp_path: Path):
    before = os.times()
    done = run("--help", cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
    after = os.times()
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert "superpoint_tf" in loaded and not loaded & {"tensorflow", "keras", "imgaug", "skimage", "scipy", "h5py"}
    # of the processor, which others may share: .3 s, and TensorFlow alone takes four
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    assert done.returncode == 0 and all(
        word in done.stdout for word in ("--num", "--output", "--seed", "--workers", "--primitives", "--shard", "--set")
    )
    assert spent < 1.5


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--set", "synthetic.num_trian=5"], "did you mean `synthetic.num_train`?"),
        (["--primitives", "star,cub"], "cub"),
        (["--seed", "-1"], "seed"),
        (["--workers", "-2"], "workers"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--num", "0"], "above 0"),
        (["--shard", "2/2"], "0 <= i < n"),
    ],
)
def test_wrong_arguments_end_with_code_2_and_create_nothing(tmp_path: Path, arguments: list[str], message: str):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 2 and message in done.stderr and "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_default_output_and_the_next_command(tmp_path: Path):
    done = run("--num", "5", "--primitives", "star,noise", "--workers", "0", *SMALL, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "train 5, validation 2, test 2 pictures, 32x40 | seed 0" in lines[0] and "expected 0:00:0" in lines[1]
    assert lines[2] == " data | look at data/synthetic/contact_sheet.png"
    assert lines[-1] == " next | python tools/homographic_adapt.py --iters 2"
    manifest = json.loads((tmp_path / "data/synthetic/manifest.json").read_text())
    assert manifest["draw"]["primitives"] == ["star", "noise"] and manifest["pictures"]["train"] == 5
    assert (tmp_path / "data/synthetic/contact_sheet.png").exists()
    again = run("--num", "6", "--primitives", "star,noise", *SMALL, cwd=tmp_path)
    assert again.returncode == 2 and "pictures.train: 5 -> 6" in again.stderr and "--overwrite" in again.stderr


def test_tasks_of_a_cluster_write_their_shares_and_together_what_one_process_writes(tmp_path: Path):
    arguments = ["--num", "5", "--workers", "0", *SMALL, "--output"]
    cluster = {"worker": ["host0:2222", "host1:2222"]}
    for index in (1, 0):  # the chief last: it waits for the other
        tf_config = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        done = run(*arguments, "shared", cwd=tmp_path, TF_CONFIG=tf_config)
        assert done.returncode == 0 and f"shard {index}/2 of 3 files" in done.stdout, done.stderr
    assert run(*arguments, "whole", cwd=tmp_path, TF_CONFIG="").returncode == 0
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert sorted(path.name for path in (tmp_path / "shared").iterdir()) == names
    assert all((tmp_path / "shared" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in names)


def test_a_malformed_tf_config_ends_with_code_2_and_creates_nothing(tmp_path: Path):
    done = run("--num", "5", cwd=tmp_path, TF_CONFIG="{cluster")
    assert done.returncode == 2 and "TF_CONFIG={cluster: not valid JSON" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_after_a_signal_the_same_command_goes_on_to_the_same_bytes(tmp_path: Path, number: signal.Signals, code: int):
    """The signal goes to the whole group, as Ctrl-C on a terminal does."""
    arguments = ["--num", "5000", "--output", "out", "--workers", "2", *SMALL]
    process = subprocess.Popen(
        command(*arguments), cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    for _ in range(1200):
        if len(list((tmp_path / "out").glob("train-*.tfrecord.json"))) >= 1:
            break
        time.sleep(0.05)
    (os.kill if number == signal.SIGKILL else os.killpg)(process.pid, number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert code == -9 or "start the same command again to go on" in errors
    assert run(*arguments, cwd=tmp_path).returncode == 0
    assert run(*arguments[:3], "whole", *arguments[4:], cwd=tmp_path).returncode == 0
    names = sorted(path.name for path in (tmp_path / "whole").iterdir())
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == names
    assert all((tmp_path / "out" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes() for name in names)
