"""Every system that can be trained, as a row of data: what its network is, what trains it, what it gives."""

from .system import (
    CLASSES,
    COSTS,
    MAPS,
    SCORES,
    VECTORS,
    CropSpec,
    DenseSpec,
    DigitSpec,
    Layer,
    MapSpec,
    PatchSpec,
    StereoSpec,
    System,
)
from .systems import SYSTEMS

__all__ = [
    "CLASSES",
    "COSTS",
    "MAPS",
    "SCORES",
    "SYSTEMS",
    "VECTORS",
    "CropSpec",
    "DenseSpec",
    "DigitSpec",
    "Layer",
    "MapSpec",
    "PatchSpec",
    "StereoSpec",
    "System",
]
