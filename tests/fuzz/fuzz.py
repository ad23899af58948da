"""Fuzz a parser for a while: python tests/fuzz/fuzz.py config --seconds 600

Guided by coverage where atheris is installed (`pip install atheris`, Linux), else by seeded mutation. Each new finding
is printed and kept in --findings; copy the file to tests/fuzz/corpus/<target>/ once the parser is mended.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import random
import resource
import sys
import tempfile
import time
import traceback
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parents[1]), str(HERE)]
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

INSTRUMENTED = ["superpoint_tf", "yaml", "zipfile"]
SLOW_S = 2.0
LARGE_BYTES = 512 * 2**20


class Findings:
    """What came out beside the documented errors, each place in the code once."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder, self.seen, self.runs = name, folder, set[str](), 0
        self.refused = 0
        self._peak = 0

    def note(self, content: bytes, what: str, place: str) -> None:
        """Print a finding and keep the input, unless the same was seen before."""
        if place in self.seen:
            return
        self.seen.add(place)
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}-{len(self.seen):02d}"
        path.write_bytes(content)
        print(f"\nFINDING {path} (run {self.runs}): {what}\n  at {place}", flush=True)

    def watch(self, content: bytes, seconds: float) -> None:
        """Note an input that took long, or much memory: the peak of the process rose by it."""
        if seconds > SLOW_S:
            self.note(content, f"took {seconds:.1f} s", "slow")
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if self._peak and peak - self._peak > LARGE_BYTES:
            self.note(content, f"took {(peak - self._peak) / 2**20:.0f} MB", "memory")
        self._peak = peak


def run_one(target: object, content: bytes, folder: Path, findings: Findings) -> None:
    from targets import attempt

    findings.runs += 1
    began = time.process_time()
    try:
        findings.refused += attempt(target, content, folder) is not None  # type: ignore[arg-type]
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        ours = [frame for frame in frames if "superpoint_tf" in frame.filename] or frames
        place = f"{type(error).__name__} in {Path(ours[-1].filename).name}:{ours[-1].name}:{ours[-1].lineno}"
        findings.note(content, f"{type(error).__name__}: {str(error)[:200]!r}", place)
    findings.watch(content, time.process_time() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description="Fuzz a parser of SuperPoint-TF.")
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--without-atheris", action="store_true", help="mutate by the seed alone, the same every time")
    arguments = parser.parse_args()
    guided = importlib.util.find_spec("atheris") is not None and not arguments.without_atheris
    if guided:
        import atheris
        import numpy  # noqa: F401  # before: to instrument it takes longer than it tells

        with atheris.instrument_imports(include=INSTRUMENTED):
            target = _load(arguments.target)
    else:
        target = _load(arguments.target)
    findings = Findings(arguments.target, arguments.findings)
    with tempfile.TemporaryDirectory() as temporary:
        (folder := Path(temporary) / "folder").mkdir()
        if guided:
            _run_guided(target, folder, findings, arguments)
        else:
            _run_seeded(target, folder, findings, arguments)


def _load(name: str) -> object:
    """Return a target whose modules are all imported: only those of now are guided by coverage."""
    from targets import build_target

    target = build_target(name)
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(Exception):
        target.read(target.seeds()[0], Path(folder))
    return target


def _run_seeded(target: object, folder: Path, findings: Findings, arguments: argparse.Namespace) -> None:
    from mutation import mutate

    generator, began = random.Random(arguments.seed), time.monotonic()
    seeds = target.seeds()  # type: ignore[attr-defined]
    while time.monotonic() - began < arguments.seconds:
        run_one(target, mutate(generator, seeds), folder, findings)
    _report(findings)


def _run_guided(target: object, folder: Path, findings: Findings, arguments: argparse.Namespace) -> None:
    import atheris

    (corpus := folder.parent / "corpus").mkdir()
    for number, seed in enumerate(target.seeds()):  # type: ignore[attr-defined]
        (corpus / f"seed-{number}").write_bytes(seed)
    (dictionary := folder.parent / "tokens.txt").write_text(_dictionary())

    reported = time.monotonic()

    def one_input(content: bytes) -> None:
        nonlocal reported
        run_one(target, content, folder, findings)
        if time.monotonic() - reported > 20:
            reported = time.monotonic()
            _report(findings)

    options = [f"-max_total_time={arguments.seconds}", f"-seed={arguments.seed}", f"-dict={dictionary}"]
    atheris.Setup(
        [sys.argv[0], str(corpus), *options, "-timeout=60", "-rss_limit_mb=6000", "-max_len=65536"], one_input
    )
    atheris.Fuzz()  # ends the process


def _dictionary() -> str:
    from mutation import TOKENS

    return "\n".join('"' + "".join(f"\\x{byte:02x}" for byte in token) + '"' for token in TOKENS if len(token) <= 64)


def _report(findings: Findings) -> None:
    print(
        f"{findings.name}: {findings.runs} runs, {findings.refused} refused, {len(findings.seen)} findings", flush=True
    )


if __name__ == "__main__":
    main()
