"""Disparities in files: PNG of 8 or 16 bits times a scale, PFM, NumPy; in memory NaN is where nothing is known."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np

from superpoint_tf.data.photographs.reading import PhotographError, read_photograph_bytes
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.storage import AnyPath

PNG_SCALE = 256.0  # of 16-bit files, as KITTI's: 0 is unknown
SUFFIXES = (".png", ".pfm", ".npy")
_LARGEST_PNG_PX = 65535 / PNG_SCALE


def read_disparity_png(path: str | AnyPath, scale: float) -> np.ndarray:
    """Return the grey levels of a PNG divided by `scale`, float32 (H, W), NaN for 0; raises PhotographError."""
    content = read_photograph_bytes(path)
    levels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if levels is None:
        raise PhotographError(path, "damaged, or not a picture")
    if levels.ndim == 3:
        if not (levels[..., :3] == levels[..., :1]).all():
            raise PhotographError(path, "colours are no disparities; expected grey levels, 8 or 16 bits")
        levels = levels[..., 0]
    return np.where(levels > 0, levels / np.float32(scale), np.float32(np.nan)).astype(np.float32)


def read_pfm(path: str | AnyPath) -> np.ndarray:
    """Return a grey PFM as float32 (H, W), upper row first, NaN where it is infinite or no number.

    Raises PhotographError for another file, or one that ends too early.
    """
    content = read_photograph_bytes(path)
    lines: list[bytes] = []
    place = 0
    while len(lines) < 3 and (end := content.find(b"\n", place)) >= 0 and end < 256:
        head, place = content[place:end].strip(), end + 1
        if not head.startswith(b"#"):
            lines.append(head)
    try:
        width, height = (int(number) for number in lines[1].split())
        order = "<" if float(lines[2]) < 0 else ">"
        if lines[0] != b"Pf" or min(width, height) < 1:
            raise ValueError
    except (IndexError, ValueError):
        raise PhotographError(path, "not a grey PFM; expected `Pf`, `width height`, `scale`") from None
    if len(content) - place < 4 * width * height:
        raise PhotographError(path, f"cut short: {len(content) - place} bytes of {4 * width * height}; get it again")
    values = np.frombuffer(content, f"{order}f4", width * height, place).reshape(height, width)[::-1]
    return np.where(np.isfinite(values), values, np.nan).astype(np.float32)


def pfm_bytes(values: np.ndarray) -> bytes:
    """Return float32 (H, W) as PFM, NaN as infinity."""
    height, width = values.shape
    known = np.where(np.isfinite(values), values, np.inf).astype("<f4")
    return f"Pf\n{width} {height}\n-1.0\n".encode() + known[::-1].tobytes()


def save_disparity(path: str | Path, disparity: np.ndarray) -> None:
    """Write float32 (H, W) in the format of the suffix: `.png` of 16 bits times 256 (0: unknown), `.pfm`, `.npy`.

    Raises ValueError for another suffix, or disparities that 16 bits do not hold.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".png":
        storage.write_bytes(path, _png_bytes(disparity, path))
    elif suffix == ".pfm":
        storage.write_bytes(path, pfm_bytes(disparity))
    elif suffix == ".npy":
        content = io.BytesIO()
        np.save(content, disparity.astype(np.float32))
        storage.write_bytes(path, content.getvalue())
    else:
        raise ValueError(f"{path}: name a file that ends with {', '.join(SUFFIXES)}")


def default_view(path: str | Path) -> str:
    """Return where a coloured view of disparities goes if nobody says: beside them."""
    place = storage.as_path(path)
    return str(place.with_name(f"{place.stem}_view.png"))


def _png_bytes(disparity: np.ndarray, path: str | Path) -> bytes:
    known = np.isfinite(disparity)
    largest = float(disparity[known].max(initial=0.0))
    if largest > _LARGEST_PNG_PX:
        raise ValueError(f"{path}: a disparity of {largest:.0f} px is above {_LARGEST_PNG_PX:.0f}; name a .pfm or .npy")
    levels = np.where(known, np.maximum(np.rint(np.where(known, disparity, 0.0) * PNG_SCALE), 1.0), 0.0)
    content: bytes = cv2.imencode(".png", levels.astype(np.uint16))[1].tobytes()
    return content
