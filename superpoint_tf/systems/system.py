"""What a system is: a paper, a network as layers in order, what trains it, and what it gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

MAPS = "maps"  # a heatmap, and perhaps a map of descriptors, of a whole picture
VECTORS = "vectors"  # one descriptor of one patch


class Layer(NamedTuple):
    """One layer of a network: its kind and its settings by name."""

    kind: str
    values: dict[str, Any]


def conv(channels: int, side: int = 3, padding: str = "same", stride: int = 1) -> Layer:
    """Return a convolution of `side` x `side` pixels without bias.

    Padding `same` puts side // 2 zeros on every side, whatever the stride; `valid` puts none.
    """
    if padding not in ("same", "valid"):
        raise ValueError(f"padding {padding!r} is not known; use 'same' or 'valid'")
    return Layer("conv", {"channels": channels, "side": side, "padding": padding, "stride": stride})


def bn() -> Layer:
    """Return batch normalisation without scale and offset."""
    return Layer("bn", {})


def relu() -> Layer:
    """Return max(0, x)."""
    return Layer("relu", {})


def dropout(share: float) -> Layer:
    """Return a layer that in training sets this share of the numbers to zero, and divides the others by the rest."""
    return Layer("dropout", {"share": share})


def l2() -> Layer:
    """Return the scaling of all numbers of a patch, as one vector, to unit length."""
    return Layer("l2", {})


@dataclass(frozen=True)
class PatchSpec:
    """A network from one patch to one vector."""

    side_px: int  # of the patch that it sees
    input: str  # what is done to the grey levels first: `standardised`
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class DenseSpec:
    """A network from a picture to maps; `NetworkConfig` has its sizes."""

    detector: str  # how its maps become keypoints: `cells`
    descriptor: bool  # whether it has a map of descriptors


@dataclass(frozen=True)
class System:
    """One row of the table of systems."""

    paper: str
    network: PatchSpec | DenseSpec
    train: str  # the section of the config that trains it
    losses: tuple[str, ...]  # that may train it; the first is the paper's
    gives: str  # MAPS or VECTORS: what evaluation and tools may ask of it
