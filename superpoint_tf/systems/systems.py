"""The table of all systems by name."""

from __future__ import annotations

from .dense_systems import DENSE_SYSTEMS
from .pair_systems import PAIR_SYSTEMS
from .patch_systems import PATCH_SYSTEMS
from .stereo_systems import STEREO_SYSTEMS
from .system import System

SYSTEMS: dict[str, System] = {**DENSE_SYSTEMS, **PATCH_SYSTEMS, **PAIR_SYSTEMS, **STEREO_SYSTEMS}
