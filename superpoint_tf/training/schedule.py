"""The learning rate of every step, a function of the settings alone."""

from __future__ import annotations

import math

from superpoint_tf.config import TrainingConfig


def learning_rate(settings: TrainingConfig, step: int) -> float:
    """Return the learning rate of a 0-based step.

    It warms up linearly; then it is constant, falls linearly to zero, or by a cosine to a hundredth.
    """
    warmup = min(settings.warmup_steps, settings.steps // 2)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    if settings.schedule == "constant":
        return settings.learning_rate
    progress = min((step - warmup) / max(settings.steps - warmup, 1), 1.0)
    if settings.schedule == "linear":
        return settings.learning_rate * (1.0 - progress)
    return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))
