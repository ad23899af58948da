"""The table of all systems by name."""

from __future__ import annotations

from .correspondence_systems import CORRESPONDENCE_SYSTEMS
from .crop_systems import CROP_SYSTEMS
from .delf_systems import DELF_SYSTEMS
from .digit_systems import DIGIT_SYSTEMS
from .map_systems import MAP_SYSTEMS
from .pair_systems import PAIR_SYSTEMS
from .patch_systems import PATCH_SYSTEMS
from .stereo_systems import STEREO_SYSTEMS
from .superpoint_systems import SUPERPOINT_SYSTEMS
from .system import System

SYSTEMS: dict[str, System] = {
    **SUPERPOINT_SYSTEMS,
    **MAP_SYSTEMS,
    **PATCH_SYSTEMS,
    **PAIR_SYSTEMS,
    **DIGIT_SYSTEMS,
    **CROP_SYSTEMS,
    **CORRESPONDENCE_SYSTEMS,
    **DELF_SYSTEMS,
    **STEREO_SYSTEMS,
}
