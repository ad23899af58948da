"""Processes that work as one: lost ones, failed ones, requests to stop; on this machine, without Ray or TensorFlow.

What they run counts steps together and writes the name of a checkpoint at each third, as a training does.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from superpoint_tf.cluster import gang
from superpoint_tf.cluster.gang import LEFT_ALONE, Gone, Work, run_gang
from superpoint_tf.cluster.process import ProcessKeeper
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Console
from superpoint_tf.runtime.workers import WorkerDied
from superpoint_tf.training.checkpoint_files import newest_step

COUNTING = """
import json, os, pathlib, signal, sys, time
folder, steps = pathlib.Path(sys.argv[1]), int(sys.argv[2])
task = json.loads(os.environ["TASK"])
written = [int(path.stem.split("-")[1]) for path in folder.glob("*.index")]
stopped = []
signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
print("from", max(written, default=0), "of", len(task["addresses"]), flush=True)
for step in range(max(written, default=0) + 1, steps + 1):
    time.sleep(0.02)
    exec(sys.argv[3])
    (folder / f"{step} of {task['addresses'][task['index']]}").touch()
    while not stopped and not all((folder / f"{step} of {address}").exists() for address in task["addresses"]):
        time.sleep(0.005)
    if task["index"] == 0 and step % 3 == 0:
        (folder / f"latest-{step}.index").touch()
    if stopped:
        sys.exit(143)
"""


class LocalPlaces:
    """Places on this machine, two by default; those that are `gone` answer nothing."""

    def __init__(self, count: int) -> None:
        self.hosts = ["127.0.0.1"] * count
        self.keepers = [ProcessKeeper() for _ in self.hosts]
        self.gone: set[int] = set()

    def ask(self, requests: Sequence[tuple[Any, ...]]) -> list[Any]:
        return [
            Gone("its machine is off") if index in self.gone else self.keepers[index](request)
            for index, request in enumerate(requests)
        ]

    def pid(self, index: int) -> int:
        process = self.keepers[index]._process
        assert process is not None
        return process.pid


class LocalSite:
    def __init__(self, count: int = 2) -> None:
        self.count, self.opened = count, 0
        self.places: LocalPlaces | None = None

    @contextlib.contextmanager
    def reserve(self, stop: StopRequest) -> Iterator[LocalPlaces]:
        stop.raise_if_requested("stopped before workers began")
        self.opened += 1
        self.places = LocalPlaces(self.count)
        yield self.places
        for keeper in self.places.keepers:
            keeper.signal(signal.SIGKILL)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gang, "_POLL_S", 0.02)
    monkeypatch.setattr(gang, "_GRACE_S", 5.0)


def counting(folder: Path, steps: int = 30, also: str = "") -> Work:
    """Return what counts to `steps`; `also` is done at each step."""

    def environment(addresses: Sequence[str], index: int) -> dict[str, str]:
        return {"TASK": json.dumps({"addresses": list(addresses), "index": index})}

    arguments = ["-c", COUNTING, str(folder), str(steps), also]
    return Work(lambda: arguments, environment, os.getcwd(), "", lambda: newest_step(folder))


def meanwhile(condition: Callable[[], bool], action: Callable[[], object]) -> threading.Thread:
    def wait_and_act() -> None:
        deadline = time.monotonic() + 60
        while not condition() and time.monotonic() < deadline:
            time.sleep(0.01)
        action()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    return thread


def test_all_run_together_each_with_the_addresses_of_all_and_the_first_is_heard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    also = "assert len(set(task['addresses'])) == 3; step == 2 and print('é of', task['index'])"
    assert run_gang(LocalSite(3), counting(tmp_path, 3, also), Console(), StopRequest()) == 0
    assert capsys.readouterr().out == "from 0 of 3\né of 0\n"


@pytest.mark.parametrize("seed", range(3))
def test_one_that_is_killed_or_whose_machine_is_gone_lets_all_start_again_from_the_checkpoint(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
):
    draw = random.Random(seed)
    victim, moment, machine = draw.randrange(2), 3 * draw.randrange(1, 8), bool(seed % 2)
    site, before = LocalSite(), list[int]()

    def lose() -> None:
        assert site.places is not None
        before.append(site.places.pid(1 - victim))
        if machine:
            site.places.gone.add(victim)
        else:
            os.kill(site.places.pid(victim), signal.SIGKILL)

    thread = meanwhile(lambda: newest_step(tmp_path) >= moment, lose)
    assert run_gang(site, counting(tmp_path), Console(), StopRequest()) == 0
    thread.join()
    said = capsys.readouterr().out
    why = "its machine is off" if machine else "killed by SIGKILL"
    assert f"worker {victim} of 2 is lost ({why}); all start again from step " in said
    assert site.opened == 2 and newest_step(tmp_path) == 30 and said.count("from 0 of 2") == 1
    with pytest.raises(ProcessLookupError):  # the other has not gone on alone
        while True:
            os.kill(before[0], 0)
            time.sleep(0.01)


def test_losses_without_a_new_checkpoint_end_it_and_those_with_one_do_not(tmp_path: Path):
    dies = "if task['index'] == 1 and step % 4 == 0 and not (folder / f'{step}').exists():\n"
    dies += "        (folder / f'{step}').touch(); os.kill(os.getpid(), 9)"
    site = LocalSite()
    assert run_gang(site, counting(tmp_path, also=dies), Console(), StopRequest()) == 0
    assert site.opened == 8  # lost at 4, 8, ... 28
    site = LocalSite()
    (tmp_path / "other").mkdir()
    with pytest.raises(WorkerDied, match=r"worker 1 of 2 is lost \(killed by SIGKILL\), 4 times without progress"):
        run_gang(
            site,
            counting(tmp_path / "other", also="task['index'] and os.kill(os.getpid(), 9)"),
            Console(),
            StopRequest(),
        )
    assert site.opened == 4


@pytest.mark.parametrize("which", [0, 1])
def test_one_that_fails_by_itself_ends_it_with_its_own_code_and_words(
    tmp_path: Path, which: int, capsys: pytest.CaptureFixture[str]
):
    fails = f"if step == 4: print('no such picture', task['index']); sys.exit(2 if task['index'] == {which} else 75)"
    site = LocalSite()
    assert run_gang(site, counting(tmp_path, also=fails), Console(), StopRequest()) == 2
    written = capsys.readouterr()
    assert site.opened == 1 and f"no such picture {which}" in (written.out if which == 0 else written.err)


def test_those_that_lose_each_other_start_again(tmp_path: Path):
    parted = "(folder / 'parted')"
    alone = f"if not {parted}.exists() and step == 5: {parted}.touch(); sys.exit({LEFT_ALONE})"
    site = LocalSite(1)
    assert run_gang(site, counting(tmp_path, also=alone), Console(), StopRequest()) == 0
    assert site.opened == 2


def test_one_that_was_stopped_though_nobody_asked_lets_all_start_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    asked = "if step == 5 and not written: os.kill(os.getpid(), 15)"
    site = LocalSite()
    assert run_gang(site, counting(tmp_path, also=asked), Console(), StopRequest()) == 0
    assert site.opened == 2 and "(stopped with exit code 143); all start again from step 3" in capsys.readouterr().out


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_request_to_stop_reaches_all_who_save(tmp_path: Path, number: int, code: int):
    site, stop = LocalSite(), StopRequest()
    thread = meanwhile(lambda: newest_step(tmp_path) >= 3, lambda: setattr(stop, "signal_number", number))
    assert run_gang(site, counting(tmp_path, 3000), Console(), stop) == code
    thread.join()
    assert site.opened == 1 and site.places is not None
    assert [keeper.look().code for keeper in site.places.keepers] == [143, 143]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_a_process_ends_with_its_keeper_even_if_that_is_killed():
    keep = "from superpoint_tf.cluster.process import ProcessKeeper; import time; keeper = ProcessKeeper();"
    keep += "keeper.start(['-c', 'import time; time.sleep(300)'], {}, '/', '');"
    keep += "print(keeper._process.pid, flush=True); time.sleep(300)"
    keeper = subprocess.Popen([sys.executable, "-c", keep], stdout=subprocess.PIPE, text=True)
    assert keeper.stdout is not None
    kept = int(keeper.stdout.readline())
    os.kill(kept, 0)
    keeper.kill()
    keeper.wait()
    with pytest.raises(ProcessLookupError):
        for _ in range(500):
            os.kill(kept, 0)
            time.sleep(0.02)


def test_a_script_that_is_not_on_this_machine_is_named():
    with pytest.raises(ValueError, match=r"/nowhere/train\.py is not there on .*: the machines of a cluster need"):
        ProcessKeeper().start(["/nowhere/train.py"], {}, "/", "")


def test_a_process_runs_in_the_folder_of_the_command_or_not_at_all(tmp_path: Path):
    (tmp_path / "where.py").write_text("import os; open('here', 'w').write(os.getcwd())")
    keeper = ProcessKeeper()
    keeper.start(["where.py"], {}, str(tmp_path), "")
    while keeper.look().code is None:
        time.sleep(0.02)
    assert (tmp_path / "here").read_text() == str(tmp_path.resolve())
    with pytest.raises(ValueError, match=r"/nowhere is not there on .*: the machines of a cluster need a file system"):
        ProcessKeeper().start(["-c", "pass"], {}, "/nowhere", "")
