"""Every system that can be trained, as a row of data: what its network is, what trains it, what it gives."""

from .system import MAPS, VECTORS, DenseSpec, Layer, PatchSpec, System
from .systems import SYSTEMS

__all__ = ["MAPS", "SYSTEMS", "VECTORS", "DenseSpec", "Layer", "PatchSpec", "System"]
