"""Every system that can be trained, as a row of data: what its network is, what trains it, what it gives."""

from .system import COSTS, MAPS, SCORES, VECTORS, DenseSpec, Layer, PatchSpec, StereoSpec, System
from .systems import SYSTEMS

__all__ = [
    "COSTS",
    "MAPS",
    "SCORES",
    "SYSTEMS",
    "VECTORS",
    "DenseSpec",
    "Layer",
    "PatchSpec",
    "StereoSpec",
    "System",
]
