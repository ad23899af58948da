"""The learning rate of every step, a function of the settings alone."""

from __future__ import annotations

import math
from collections.abc import Callable

from superpoint_tf.config import TrainingConfig

# The share of the peak after the warm-up, by what share of the steps is done, and by how often `steps` has fallen.
SCHEDULES: dict[str, Callable[[TrainingConfig, float, int], float]] = {
    "constant": lambda settings, progress, falls: 1.0,
    "linear": lambda settings, progress, falls: 1.0 - progress,
    "cosine": lambda settings, progress, falls: 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)),
    "steps": lambda settings, progress, falls: settings.fall**falls,
}


def learning_rate(settings: TrainingConfig, step: int) -> float:
    """Return the learning rate of a 0-based step.

    It warms up linearly; then it is as `SCHEDULES` says.
    """
    warmup = min(settings.warmup_steps, settings.steps // 2)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    progress = min((step - warmup) / max(settings.steps - warmup, 1), 1.0)
    return settings.learning_rate * SCHEDULES[settings.schedule](settings, progress, step // settings.fall_every)
