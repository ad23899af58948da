"""Every system that can be trained, as a row of data: what its network is, what trains it, what it gives."""

from .system import CLASSES, MAPS, SCORES, VECTORS, CropSpec, DenseSpec, DigitSpec, Layer, MapSpec, PatchSpec, System
from .systems import SYSTEMS

__all__ = [
    "CLASSES",
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
    "System",
]
