"""Training a part of a network: layers that stay as they are."""

from __future__ import annotations

from collections.abc import Iterator

import tensorflow as tf

from superpoint_tf.config import ConfigError


def train_only(model: tf.keras.Model, beginnings: str) -> None:
    """Freeze the layers whose names begin with none of `beginnings`, comma-separated; "" freezes nothing.

    A layer of a network inside it has two names, `conv_1` and `network/conv_1`. Frozen batch norm normalises by its
    moving averages. Raises ConfigError if no layer with weights is left.
    """
    wanted = tuple(name.strip() for name in beginnings.split(",") if name.strip())
    if not wanted:
        return
    layers = [(path, layer) for path, layer in _leaves(model) if layer.weights]
    for path, layer in layers:
        layer.trainable = layer.name.startswith(wanted) or path.startswith(wanted)
    if not any(layer.trainable for _, layer in layers):
        names = ", ".join(path for path, _ in layers)
        raise ConfigError(f"trainable: no layer's name begins with {beginnings!r}; the layers are {names}")


def _leaves(model: tf.keras.Model, prefix: str = "") -> Iterator[tuple[str, tf.keras.layers.Layer]]:
    for layer in model.layers:
        if isinstance(layer, tf.keras.Model):
            yield from _leaves(layer, f"{prefix}{layer.name}/")
        else:
            yield f"{prefix}{layer.name}", layer
