"""Every system that can be trained, as a row of data: what its network is, what trains it, what it gives."""

from .system import MAPS, SCORES, VECTORS, DenseSpec, Layer, MapSpec, PatchSpec, System
from .systems import SYSTEMS

__all__ = ["MAPS", "SCORES", "SYSTEMS", "VECTORS", "DenseSpec", "Layer", "MapSpec", "PatchSpec", "System"]
