"""Starting tools, ending them at chosen moments and starting them again, until they have done their work."""

from __future__ import annotations

import collections
import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import yaml

from superpoint_tf.runtime import storage
from superpoint_tf.synthetic import draw_sample

TRAINING = {"steps": 12, "batch_size": 2, "log_every": 1, "validate_every": 5, "checkpoint_every": 3, "warmup_steps": 2}
INTERVAL = TRAINING["checkpoint_every"]
SETTINGS = {
    "name": "tiny",
    "workers": 0,
    "network": {"width": 0.0625, "descriptor_dim": 8},
    "synthetic": {"num_train": 30, "num_validation": 1, "num_test": 1, "draw": {"image_shape": [40, 48]}},
    "photographs": {"root": "images", "image_shape": [40, 48]},
    "detector": {**TRAINING, "num_figures": 1},
    "adaptation": {"num_homographies": 3, "chunk_size": 2, "retrain_steps": 4, "num_figures": 1},
    "joint": {**TRAINING, "num_figures": 1},
    "evaluation": {"image_shape": [40, 48], "num_pairs": 1, "num_synthetic": 1},
}
_RESULTS = (".tfrecord", ".npz", "metrics.jsonl", "manifest.json", "summary.json", "config.yaml", "inputs.json")
_LEFTOVERS = re.compile(r".*\.part$|.*_temp$|.*\.tempstate.*|checkpoint\.tmp.*|.*\.parts$")


@dataclass(frozen=True)
class Tool:
    """A command, the folders that it finds, and the folder that it writes."""

    arguments: list[str]
    output: str
    needs: tuple[str, ...] = ()


DETECTOR, LABELS = "outputs/tiny-magicpoint", "labels/tiny"
TOOLS = {
    "generate": Tool(["generate_synthetic.py", "--config", "tiny.yaml"], "data/synthetic"),
    "detector": Tool(
        ["train_superpoint.py", "tiny.yaml", "--output", DETECTOR, "--set", "train=detector"], DETECTOR, ("generate",)
    ),
    "adapt": Tool(
        ["homographic_adapt.py", "--iters", "2", "--config", "tiny.yaml", "--detector", DETECTOR], LABELS, ("detector",)
    ),
    "joint": Tool(["train_superpoint.py", "tiny.yaml"], "outputs/tiny", ("adapt", "detector")),
}


@dataclass
class Ending:
    """How a start of a tool ended: exit code, the moments it met (none if it was killed), and what it said."""

    code: int
    seen: list[str]
    said: str


class Server:
    """Runs tools in processes forked from one that has imported TensorFlow."""

    def __init__(self) -> None:
        script = str(Path(__file__).with_name("tool_server.py"))
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen([sys.executable, script], text=True, **pipes)
        assert self._read() == "ready"

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def run(self, folder: Path, arguments: list[str], kill_after_s: float | None = None, **moments: Any) -> Ending:
        """Run a tool in a folder, until it ends, or is killed after some seconds or at a moment (see `Moments`)."""
        assert self._process.stdin is not None
        log = folder / "log"
        start = log.stat().st_size if log.exists() else 0
        request = {"arguments": arguments, "folder": str(folder), "log": str(log), "moments": moments}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        pid = self._read()
        timer = threading.Timer(kill_after_s or 1e6, _kill, (pid,))
        timer.start()
        answer = self._read()
        timer.cancel()
        return Ending(answer["code"], answer["seen"], log.read_bytes()[start:].decode(errors="replace"))

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


@dataclass
class Undisturbed:
    """A tool's finished folder, with what a run of it meets."""

    folder: Path
    seconds: float
    moments: collections.Counter[str]  # how often a run meets each kind
    results: dict[str, str]


class Laboratory:
    """Undisturbed runs, made once each, and runs that are killed beside them."""

    def __init__(self, server: Server, root: Path) -> None:
        self.server, self._root = server, root
        self._undisturbed: dict[str, Undisturbed] = {}

    def undisturbed(self, name: str) -> Undisturbed:
        """Run a tool to its end, or return that run."""
        if name not in self._undisturbed:
            folder, began = self.prepare(name, "undisturbed"), time.monotonic()
            ending = self.server.run(folder, TOOLS[name].arguments)
            assert ending.code == 0, ending.said[-3000:]
            seconds = time.monotonic() - began
            met = collections.Counter(ending.seen)
            self._undisturbed[name] = Undisturbed(folder, seconds, met, results(folder, name))
        return self._undisturbed[name]

    def prepare(self, name: str, variant: str) -> Path:
        """Make a folder in which a tool finds what it needs."""
        folder = self._root / f"{name}-{variant}"
        (folder / "images").mkdir(parents=True)
        (folder / "tiny.yaml").write_text(yaml.safe_dump(SETTINGS))
        for number in range(6):
            cv2.imwrite(str(folder / "images" / f"{number}.png"), draw_sample(7, number)[0])
        for needed in TOOLS[name].needs:
            made = TOOLS[needed].output
            shutil.copytree(self.undisturbed(needed).folder / made, folder / made)
        return folder


def results(folder: Path, name: str) -> dict[str, str]:
    """Checksums of everything of a tool that equal runs must agree on."""
    root = folder / TOOLS[name].output
    return {
        path.relative_to(root).as_posix(): storage.sha256_file(path)
        for path in sorted(root.rglob("*"))
        if path.name.endswith(_RESULTS)
    }


def leftovers(folder: Path) -> list[str]:
    """Return what must not be there when a tool has ended well: unfinished files, more than two checkpoints."""
    unfinished = [str(path) for path in folder.rglob("*") if _LEFTOVERS.fullmatch(path.name)]
    return unfinished + [
        str(place) for place in folder.rglob("checkpoints") if len(list(place.glob("latest-*.index"))) > 2
    ]


@dataclass
class Record:
    """What was done to a tool, and what it made of it."""

    kills: int = 0
    kinds: set[str] = field(default_factory=set)
    steps_repeated: list[int] = field(default_factory=list)
    finished: int = 0


def end_again_and_again(
    laboratory: Laboratory, name: str, count: int, seed: int, number: int = signal.SIGKILL
) -> Record:
    """Start a tool, end it by signal `number`, start it again ..., in new folders, until it was ended `count` times.

    Most starts end at a moment of a kind that the undisturbed run has met, each kind in its turn; for SIGKILL every
    fourth ends after a random time. Asserts that each folder becomes that of the undisturbed run.
    """
    calm, chance, record = laboratory.undisturbed(name), random.Random(seed), Record()
    kinds = chance.sample(sorted(calm.moments), len(calm.moments))
    starts = 0
    while record.kills < count:
        folder = laboratory.prepare(name, f"{number}-{record.finished}")
        before: Ending | None = None
        done: dict[str, int] = {}
        while before is None or before.code != 0:
            options: dict[str, Any] = {}
            if record.kills < count:
                by_time = number == signal.SIGKILL and starts % 4 == 3
                kind = kinds[starts % len(kinds)]
                options = {"kill_after_s": chance.uniform(0, calm.seconds)} if by_time else {"kind": kind}
                options |= {"signal": number} if not by_time else {}
                options |= {"skip": chance.randrange(min(calm.moments[kind], 2))} if not by_time else {}
                starts += 1
            ending = laboratory.server.run(folder, [*TOOLS[name].arguments], **options)
            _check_ending(ending, number)
            check_kept(folder, done)
            done = finished_files(folder, name)
            if before is not None:
                record.steps_repeated.append(_steps_repeated(before.said, ending.said))
            if ending.code != 0:
                record.kills += 1
                record.kinds.add(options.get("kind", "time"))
            before = ending
        assert results(folder, name) == calm.results
        assert leftovers(folder) == []
        record.finished += 1
        shutil.rmtree(folder)
    return record


def _check_ending(ending: Ending, number: int) -> None:
    polite = {signal.SIGTERM: (143, -signal.SIGTERM), signal.SIGINT: (130,)}
    allowed = polite.get(signal.Signals(number), (-signal.SIGKILL,))
    assert ending.code in (0, *allowed), (ending.code, ending.said[-3000:])
    assert "Traceback" not in ending.said, ending.said[-3000:]


def finished_files(folder: Path, name: str) -> dict[str, int]:
    """Return the files of a tool that are finished for good, with their inodes: whoever writes one anew changes it."""
    root = folder / TOOLS[name].output
    if name == "adapt":
        return {str(path): path.stat().st_ino for path in root.glob("round_*/**/*.npz")}
    if name == "generate":
        return {str(path): path.stat().st_ino for path in root.glob("*.tfrecord") if Path(f"{path}.json").exists()}
    return {}


def check_kept(folder: Path, done: dict[str, int]) -> None:
    """Assert that what was finished before is the same file now: no work was done again."""
    changed = [path for path, inode in done.items() if Path(path).stat().st_ino != inode]
    assert changed == []


def _steps_repeated(before: str, after: str) -> int:
    """Return how many steps of the training that a start was at are made again by the next start."""
    reached = re.findall(r"train \| step +(\d+)/", before)
    resumed = re.findall(r"train \| (?:continues at step (\d+)|(starts))", after)
    if not reached or not resumed:
        return 0
    return int(reached[-1]) - int(resumed[0][0] or 0)
