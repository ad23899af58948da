"""Pictures kept as they are decoded, a file each, by the content they were decoded from."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import numpy as np

from superpoint_tf.runtime import storage

SUFFIX = ".npy"
_CHECKSUM_BYTES = 4  # at the end of a file, where NumPy's reader does not look


def keep_decoded(folder: str, content: bytes, setting: str, decode: Callable[[], np.ndarray]) -> np.ndarray:
    """Return a picture uint8 (H, W) from `folder`; the first time from `decode`, which is then kept there.

    It is found by its file's `content` and the `setting` it is decoded with, so that one folder serves any number of
    roots and trainings, and a file that changed is decoded anew. So is what is kept in a damaged file, which is
    replaced. Raises what `decode` raises, and WriteError.
    """
    digest = storage.sha256(content + b"\0" + setting.encode())
    path = storage.join(folder, digest[:2], digest + SUFFIX)
    try:
        kept = storage.read_bytes(path)
    except FileNotFoundError:
        kept = b""
    array, checksum = kept[:-_CHECKSUM_BYTES], kept[-_CHECKSUM_BYTES:]
    if array and checksum == _checksum(array):
        found: np.ndarray = np.load(io.BytesIO(array), allow_pickle=False)
        return found
    picture = decode()
    buffer = io.BytesIO()
    np.save(buffer, picture, allow_pickle=False)
    storage.write_bytes(path, buffer.getvalue() + _checksum(buffer.getvalue()))
    return picture


def _checksum(content: bytes) -> bytes:
    return zlib.crc32(content).to_bytes(_CHECKSUM_BYTES, "little")
