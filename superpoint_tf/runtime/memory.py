"""How much memory a picture would need in the network, and how much there is."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from superpoint_tf.runtime.progress import format_bytes

_CONTROL_GROUPS = Path("/sys/fs/cgroup")
_MEMORY_INFO = Path("/proc/meminfo")
_OWN_GROUP = Path("/proc/self/cgroup")
# Peak resident bytes a pixel on a CPU, rounded up: measured 287 at width 1/2 and 623 at width 1 (1024x1024, 2048x2048).
# The first layers, of 32 and 64 channels there, hold maps at full size.
_BYTES_A_PIXEL = 120.0
_BYTES_A_PIXEL_AND_CHANNEL = 9.4
# What a further phase keeps until all have been seen, descriptors and heatmap: 25.3 measured with 256 numbers a cell.
_BYTES_A_PIXEL_AND_PHASE = 28.0
_SIDE_STEP = 16  # of the side that is proposed


class PictureTooLarge(ValueError):
    """A picture that the network has no memory for; the message names its size and the remedy."""


def check_memory(image_shape: tuple[int, ...], channels: int, scale: float = 1.0, phases: int = 1) -> None:
    """Raise PictureTooLarge if a picture (H, W) seen at `scale` and in `phases` needs more memory than is free.

    `channels` are those of the first layer.
    """
    needed, free = estimate_bytes(image_shape, channels, phases) * scale**2, free_bytes()
    if free is not None and needed > free:
        why = f"about {format_bytes(needed)} are needed, {format_bytes(free)} are free"
        raise too_large(image_shape, why, math.sqrt(free / needed))


def too_large(image_shape: tuple[int, ...], why: str, factor: float = 0.5) -> PictureTooLarge:
    """Return the error of a picture (H, W) that does not fit; `factor` is what its sides would have to shrink by."""
    height, width = image_shape[:2]
    side = max(_SIDE_STEP, int(max(height, width) * factor) // _SIDE_STEP * _SIDE_STEP)
    return PictureTooLarge(
        f"{width}x{height} pixels are too large for the memory ({why}); shrink it (tools: --resize {side} or less)"
    )


def estimate_bytes(image_shape: tuple[int, ...], channels: int, phases: int = 1) -> float:
    """Return the bytes that one picture (H, W), seen phase after phase, adds at the peak, rather too many."""
    one_pass = _BYTES_A_PIXEL + _BYTES_A_PIXEL_AND_CHANNEL * channels
    return image_shape[0] * image_shape[1] * (one_pass + _BYTES_A_PIXEL_AND_PHASE * (phases - 1))


def free_bytes() -> int | None:
    """Return the memory that this process may still take: the machine's or its control group's; None if unknown."""
    return min([*_machine_bytes(), *_group_bytes()], default=None)


def _machine_bytes() -> Iterator[int]:
    try:
        lines = _MEMORY_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:  # no Linux
        return
    yield from (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))


def _group_bytes() -> Iterator[int]:
    """Yield what each control group that holds this process has left: a container's limit is one of them."""
    try:
        own = next(line[3:] for line in _OWN_GROUP.read_text(encoding="utf-8").splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):
        return
    folder = _CONTROL_GROUPS / own.strip("/")
    for group in (folder, *folder.parents):
        if group.is_relative_to(_CONTROL_GROUPS):
            try:
                limit, used = (
                    int((group / name).read_text(encoding="utf-8")) for name in ("memory.max", "memory.current")
                )
            except (OSError, ValueError):  # no such file, or `max`
                continue
            yield max(limit - used + _reclaimable_bytes(group), 0)


def _reclaimable_bytes(group: Path) -> int:
    """Return the file cache of a control group, which counts as used and is given up on demand."""
    try:
        lines = (group / "memory.stat").read_text(encoding="utf-8").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("inactive_file ", "active_file ")))
