from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from superpoint_tf.command_line import load_config_argument
from superpoint_tf.demonstration import demonstration
from superpoint_tf.demonstration.demonstration import (
    CONFIG,
    SHIPPED,
    SHIPPED_CONFIG,
    StageFailed,
    _chain_commands,
    _labelling_commands,
    _run_command,
    _stages,
)
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.runtime.interruption import Interrupted


def argument(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def overrides(command: list[str]) -> list[str]:
    return command[command.index("--set") + 1 :]


@pytest.fixture
def stub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in place of every tool; tests write it."""
    monkeypatch.setattr(demonstration, "start_of", lambda tool: [sys.executable, str(tmp_path / f"{tool}.py")])
    return tmp_path / "tool.py"


def test_every_command_is_a_tool_of_the_checkout_with_the_quick_config(checkout: Path):
    commands = _chain_commands("outputs/demo")
    assert [command[0] for command in commands] == [
        "generate_synthetic",
        "train_superpoint",
        "homographic_adapt",
        "train_superpoint",
    ]
    assert all((checkout / "tools" / f"{command[0]}.py").is_file() and CONFIG in command for command in commands)


def test_each_command_reads_what_the_one_before_wrote():
    generate, magicpoint, adapt, joint = _chain_commands("somewhere")
    config = load_config_argument(CONFIG, overrides(magicpoint))
    assert config.train == "detector"
    assert argument(generate, "--output") == config.synthetic.root == "somewhere/synthetic"
    assert argument(magicpoint, "--output") == argument(adapt, "--detector") == "somewhere/magicpoint"
    assert argument(adapt, "--output") == argument(joint, "--labels") == "somewhere/labels"
    assert argument(joint, "--output") == "somewhere/superpoint"
    assert load_config_argument(CONFIG, []).train == "joint"


def test_the_default_labels_with_the_shipped_detector_of_its_configs_network(checkout: Path):
    (command,) = _labelling_commands("somewhere")
    assert (checkout / "tools" / f"{command[0]}.py").is_file()
    assert argument(command, "--detector") == SHIPPED["MagicPoint"]  # whatever lies in outputs/
    network = load_config_argument(SHIPPED_CONFIG, []).network
    stages = _stages("somewhere", from_scratch=False)
    assert all(load_weights(name).network.with_system(network.system) == network for name in stages.values())


@pytest.mark.parametrize("output", ["my runs", "run #1", "a: b", "[x]", "1e3", "/tmp/é"])
def test_the_folder_may_have_any_name(output: str):
    generate, magicpoint, *_ = _chain_commands(output)
    root = load_config_argument(CONFIG, overrides(magicpoint)).synthetic.root
    assert root == argument(generate, "--output") == f"{output}/synthetic"


def test_a_command_gets_its_arguments_and_runs_in_the_users_folder(
    stub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "user").mkdir()
    monkeypatch.chdir(tmp_path / "user")
    stub.write_text("import sys, pathlib; pathlib.Path('said').write_text(repr(sys.argv[1:]))")
    _run_command("tool", ["--output", "my runs"])
    assert (tmp_path / "user" / "said").read_text() == "['--output', 'my runs']"


def test_a_command_that_fails_ends_the_demonstration_and_is_named_with_its_code(stub: Path):
    stub.write_text("import sys; sys.exit(7)")
    with pytest.raises(StageFailed, match=r"`python tools/tool\.py --output 'my runs'` failed with exit code 7"):
        _run_command("tool", ["--output", "my runs"])


def test_a_command_killed_by_the_system_fails_too(stub: Path):
    stub.write_text("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(StageFailed, match="exit code -9"):
        _run_command("tool", [])


def test_sigterm_is_passed_on_once_and_the_command_saves_before_the_demonstration_ends(stub: Path, tmp_path: Path):
    stub.write_text(
        "import pathlib, signal, sys, time\n"
        "here, caught = pathlib.Path(__file__).parent, []\n"
        "signal.signal(signal.SIGTERM, lambda *_: caught.append(1))\n"
        "(here / 'ready').touch()\n"
        "deadline = time.monotonic() + 30\n"
        "while not caught and time.monotonic() < deadline: time.sleep(0.01)\n"
        "time.sleep(0.5)\n"
        "(here / 'saved').write_text(str(len(caught)))\n"
        "sys.exit(143)\n"
    )

    def terminate() -> None:
        deadline = time.monotonic() + 30
        while not (tmp_path / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=terminate)
    before = signal.getsignal(signal.SIGTERM)
    thread.start()
    with pytest.raises(Interrupted) as stopped:
        _run_command("tool", [])
    thread.join()
    assert stopped.value.exit_code == 143
    assert (tmp_path / "saved").read_text() == "1"
    assert signal.getsignal(signal.SIGTERM) is before
