"""A video whose container says by how much to turn its frames, as phones write it."""

from __future__ import annotations

import struct
from pathlib import Path

import cv2
import numpy as np

_MATRICES = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}  # of the track header, clockwise


def write_turned_video(path: Path, frames: list[np.ndarray], degrees: int) -> None:
    """Write BGR frames as an mp4 that players turn clockwise by 90, 180 or 270 degrees."""
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (width, height))
    for frame in frames:
        writer.write(frame)
    writer.release()
    content = bytearray(path.read_bytes())
    header = content.find(b"tkhd")
    matrix = header + 8 + (32 if content[header + 4] == 1 else 20) + 16
    a, b, c, d = (65536 * value for value in _MATRICES[degrees])
    content[matrix : matrix + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 0x40000000)
    path.write_bytes(content)
