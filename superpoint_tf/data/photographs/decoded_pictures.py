"""Pictures kept as they are decoded, a file each, by the content they were decoded from."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np

from superpoint_tf.runtime import storage

SUFFIX = ".npy"


def keep_decoded(folder: str, content: bytes, setting: str, decode: Callable[[], np.ndarray]) -> np.ndarray:
    """Return a picture uint8 (H, W) from `folder`; the first time from `decode`, which is then kept there.

    It is found by its file's `content` and the `setting` it is decoded with, so that one folder serves any number of
    roots and trainings, and a file that changed is decoded anew. Raises what `decode` raises, and WriteError.
    """
    digest = storage.sha256(content + b"\0" + setting.encode())
    path = storage.join(folder, digest[:2], digest + SUFFIX)
    try:
        kept = storage.read_bytes(path)
    except FileNotFoundError:
        picture = decode()
        buffer = io.BytesIO()
        np.save(buffer, picture, allow_pickle=False)
        storage.write_bytes(path, buffer.getvalue())
        return picture
    found: np.ndarray = np.load(io.BytesIO(kept), allow_pickle=False)
    return found
