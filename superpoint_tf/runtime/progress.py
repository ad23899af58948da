"""The console: aligned lines kept in a log, one progress bar on a terminal, and what a stage is expected to cost."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

from superpoint_tf.runtime import storage
from superpoint_tf.runtime.quiet import let_through

LONG_HOURS = 2.0  # above this a stage also names the quick config
QUICKSTART = "configs/quickstart.yaml"  # fine-tunes what comes with the package
FROM_SCRATCH = "configs/from_scratch.yaml"  # trains the whole chain, which ends with too few steps to match
Item = TypeVar("Item")


class Console:
    """Print `label | text` lines, and append them to `log_path` if one is given.

    `quick_command` is the quick form of the present command, which `announce_cost` names where the stage is long.
    """

    def __init__(self, log_path: str | Path | None = None, quick_command: str = "") -> None:
        self.quick_command = quick_command
        self._log: TextIO | None = None
        if log_path is not None:
            with storage.writing(log_path):
                Path(log_path).parent.mkdir(parents=True, exist_ok=True)
                self._log = open(log_path, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 (kept open)

    def line(self, label: str, text: str) -> None:
        """Print one line; a progress bar on the same terminal is moved out of its way."""
        line = f"{label:>5} | {text}"
        tqdm.write(line, file=sys.stdout)
        sys.stdout.flush()
        if self._log:
            with storage.writing(self._log.name):
                self._log.write(line + "\n")

    def close(self) -> None:
        """Close the log file."""
        if self._log:
            self._log.close()


class Bar:
    """A bar with rate and ETA on a terminal; elsewhere nothing."""

    def __init__(self, total: int, label: str, unit: str, initial: int = 0) -> None:
        self._bar: Any = None
        with let_through():
            if sys.stderr.isatty():
                self._bar = tqdm(
                    total=total,
                    initial=initial,
                    desc=f"{label:>5}",
                    unit=f" {unit}",
                    dynamic_ncols=True,
                    leave=False,
                    smoothing=0,  # the rate of all items, as on lines
                )

    @property
    def is_shown(self) -> bool:
        """Tell whether there is a terminal."""
        return self._bar is not None

    def update(self, n: int = 1, figures: Mapping[str, float | str] | None = None) -> None:
        """Count `n` more items; `figures` are shown behind the bar."""
        if self._bar is not None:
            with let_through():
                if figures:
                    self._bar.set_postfix({name: _figure(value) for name, value in figures.items()}, refresh=False)
                self._bar.update(n)

    def skip(self, n: int) -> None:
        """Leave `n` of the items to come out of the rate."""
        if self._bar is not None:
            self._bar.initial += n

    def begin_timing(self) -> None:
        """Leave out of the rate what was done until now, such as compiling."""
        if self._bar is not None:
            self._bar.initial, self._bar.start_t = self._bar.n, time.time()

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            with let_through():
                self._bar.close()


class Progress:
    """Show how far a loop is: a bar with rate and ETA on a terminal, a line every `interval_s` seconds elsewhere.

    The rate leaves out the first item, which waits for what is loaded and compiled; with `in_bursts`, as items come
    from the workers of a cluster, it counts from the beginning.
    """

    def __init__(
        self,
        total: int,
        label: str,
        unit: str,
        *,
        initial: int = 0,
        console: Console | None = None,
        interval_s: float = 15.0,
        in_bursts: bool = False,
    ) -> None:
        self.total, self.label, self.unit = total, label, unit
        self.done = self._untimed = initial
        self._console = console or Console()
        self._interval_s = interval_s
        self._start = self._last_line = time.monotonic()
        self._is_warm = in_bursts
        self._bar = Bar(total, label, unit, initial)

    @property
    def rate(self) -> float:
        """Return the items a second after the first one, 0 before there are others; of a first that is all, its own."""
        return (self.done - self._untimed) / max(time.monotonic() - self._start, 1e-9)

    def update(self, n: int = 1, **figures: float | str) -> None:
        """Count `n` more items; `figures` are shown behind the bar or on the line."""
        self.done += n
        self._bar.update(n, figures)
        if not self._is_warm and self.done < self.total:
            self._is_warm, self._untimed, self._start = True, self.done, time.monotonic()
            self._bar.begin_timing()
        late = time.monotonic() - self._last_line >= self._interval_s
        if not self._bar.is_shown and (late or self.done == self.total):
            self._last_line = time.monotonic()
            self.log_line(**figures)

    def skip(self, n: int = 1) -> None:
        """Count items that an earlier call did; they say nothing of the rate."""
        self._untimed += n
        self._bar.skip(n)
        was_warm, self._is_warm = self._is_warm, True
        self.update(n)
        self._is_warm = was_warm

    def log_line(self, **figures: float | str) -> None:
        """Write the aligned line now."""
        rate, width = self.rate, len(str(self.total))
        parts = [f"{self.done:>{width}}/{self.total} {self.unit}"]
        parts += [f"{_figure(value)} {name}" for name, value in figures.items()]
        if rate > 0:
            parts.append(f"{rate:.1f}/s")
            if self.done < self.total:
                parts.append(f"eta {format_duration((self.total - self.done) / rate)}")
        self._console.line(self.label, " | ".join(parts))

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()


def watched(items: Iterable[Item], total: int, label: str, unit: str, console: Console) -> Iterator[Item]:
    """Yield items, and show how many of them have been dealt with."""
    with Progress(total, label, unit, console=console) as progress:
        for item in items:
            yield item
            progress.update()


def _figure(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:.4g}"


def format_duration(seconds: float) -> str:
    """Format seconds as h:mm:ss, with days in front where there are any."""
    seconds = round(seconds)
    days, rest = divmod(seconds, 86400)
    text = f"{rest // 3600}:{rest // 60 % 60:02d}:{rest % 60:02d}"
    return f"{days}d {text}" if days else text


def format_bytes(count: float) -> str:
    """Format a number of bytes with a decimal unit."""
    for unit in ("B", "kB", "MB", "GB"):
        if abs(count) < 999.5:  # what three digits would not round up to 1e+03
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def announce_cost(console: Console, seconds: float, disk_bytes: float, note: str = "") -> None:
    """Print the time and disk a stage is expected to take, and above two hours the quick form of the same command."""
    expected = f"expected {format_duration(seconds)} on this machine{note}"
    console.line("plan", f"{expected}, {format_bytes(disk_bytes)} on disk")
    if seconds > LONG_HOURS * 3600 and console.quick_command:
        console.line("plan", f"for a result in minutes: {console.quick_command}")
        console.line("plan", "going on; it can be stopped at any moment and continues when started again")
