"""What a training run says: console lines, metrics.jsonl, TensorBoard, figures."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping

import cv2
import numpy as np
import tensorflow as tf

from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.runtime.progress import Bar, Console, format_duration
from superpoint_tf.training.run_folder import RunFolder


class Reporter:
    """Report a run to its folder and to the console."""

    def __init__(
        self, folder: RunFolder, total_steps: int, batch_size: int, start_step: int, quick_command: str = ""
    ) -> None:
        self.console = Console(folder.log, quick_command)
        self._folder, self._total, self._batch_size = folder, total_steps, batch_size
        self._writer = tf.summary.create_file_writer(str(folder.tensorboard))
        self._has_figures = False
        self._bar = Bar(total_steps, "train", "steps", start_step)
        self._begin_timing(start_step)

    def warm(self, step: int) -> None:
        """Leave the steps until now out of the rate: the first one compiles."""
        self._begin_timing(step)
        self._bar.begin_timing()

    def count(self, step: int) -> None:
        """Move the bar of a terminal on by a step."""
        self._bar.update()

    def remaining_s(self, step: int) -> float:
        """Return how long the steps to come take at the rate since the last report, without validations."""
        return (self._total - step) * (time.monotonic() - self._last_time) / max(step - self._last_step, 1)

    def _begin_timing(self, step: int) -> None:
        self._last_time, self._last_step = time.monotonic(), step

    def train(self, step: int, terms: Mapping[str, float], learning_rate: float) -> None:
        """Report the mean loss terms since the last report."""
        steps, seconds = step - self._last_step, time.monotonic() - self._last_time
        rate = steps * self._batch_size / max(seconds, 1e-9)
        speed = (
            f" | {rate:.1f} img/s | eta {format_duration(self.remaining_s(step))}" if steps else ""
        )  # the first compiles
        self._begin_timing(step)
        width = len(str(self._total))
        losses = "  ".join(f"{name} {value:.4f}" for name, value in terms.items())
        self.console.line(
            "train",
            f"step {step:>{width}}/{self._total} | {losses} | lr {learning_rate:.1e}{speed}",
        )
        self._folder.append_metrics({"step": step, "kind": "train", **terms, "learning_rate": learning_rate})
        measured = {**terms, "learning_rate": learning_rate} | ({"images_per_second": rate} if steps else {})
        self._scalars(step, {f"train/{name}": value for name, value in measured.items()})

    def validation(
        self, step: int, metrics: Mapping[str, float], figures: Mapping[str, np.ndarray], key: str, best_before: float
    ) -> None:
        """Report a validation: metrics, whether `metrics[key]` beats the best so far, figures (uint8 BGR)."""
        value = metrics[key]
        note = f"best (was {best_before:.3f})" if math.isfinite(best_before) else "first"
        if math.isfinite(best_before) and not value > best_before:
            note = f"best is {best_before:.3f}"
        shown = "  ".join(f"{name} {number:.3f}" for name, number in metrics.items())
        width = len(str(self._total))
        self.console.line("eval", f"step {step:>{width}}/{self._total} | {shown} | {key}: {note}")
        finite = {name: number if math.isfinite(number) else None for name, number in metrics.items()}
        self._folder.append_metrics({"step": step, "kind": "validation", **finite})
        self._scalars(step, {f"validation/{name}": number for name, number in metrics.items()})
        with self._writer.as_default():
            for name, figure in figures.items():
                save_png(self._folder.figures / f"{name}.png", figure)
                tf.summary.image(name, cv2.cvtColor(figure, cv2.COLOR_BGR2RGB)[None], step=step)
        if figures and not self._has_figures:  # later ones take their places
            self._has_figures = True
            self.console.line("eval", f"look at {self._folder.figures}: {', '.join(figures)}")
        self._begin_timing(step)  # the training rate leaves validation out

    def _scalars(self, step: int, values: Mapping[str, float]) -> None:
        with self._writer.as_default():
            for name, value in values.items():
                tf.summary.scalar(name, value, step=step)

    def close(self) -> None:
        """Flush and close the files, and remove the bar."""
        self._bar.close()
        self._writer.close()
        self.console.close()


class SilentReporter(Reporter):
    """Report nothing: of several workers the chief alone writes."""

    def __init__(self) -> None:
        self.console = _SilentConsole()

    def warm(self, step: int) -> None:
        pass

    def count(self, step: int) -> None:
        pass

    def remaining_s(self, step: int) -> float:
        return 0.0

    def train(self, step: int, terms: Mapping[str, float], learning_rate: float) -> None:
        pass

    def validation(
        self, step: int, metrics: Mapping[str, float], figures: Mapping[str, np.ndarray], key: str, best_before: float
    ) -> None:
        pass

    def close(self) -> None:
        pass


class _SilentConsole(Console):
    def line(self, label: str, text: str) -> None:
        pass
