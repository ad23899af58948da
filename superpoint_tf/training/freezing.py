"""Training a part of a network: layers that stay as they are."""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf

from superpoint_tf.config import ConfigError


def train_only(model: tf.keras.Model, beginnings: str) -> None:
    """Freeze the layers whose names begin with none of `beginnings`, comma-separated; "" freezes nothing.

    Frozen batch norm normalises by its moving averages. Raises ConfigError if no layer with weights is left.
    """
    wanted = tuple(name.strip() for name in beginnings.split(",") if name.strip())
    if not wanted:
        return
    layers = [layer for layer in _leaves(model) if layer.weights]
    for layer in layers:
        layer.trainable = layer.name.startswith(wanted)
    if not any(layer.trainable for layer in layers):
        names = ", ".join(layer.name for layer in layers)
        raise ConfigError(f"trainable: no layer's name begins with {beginnings!r}; the layers are {names}")


def _leaves(model: tf.keras.Model) -> Iterator[tf.keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, tf.keras.Model):
            yield from _leaves(layer)
        else:
            yield layer
