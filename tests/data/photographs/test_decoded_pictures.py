"""Pictures kept as they are decoded: the same pixels, decoded once, anew where a file or a setting changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.data.photographs.decoded_pictures import keep_decoded
from superpoint_tf.data.photographs.masked_photographs import PhotographReading
from superpoint_tf.data.photographs.reading import PhotographError


def write_picture(path: Path, seed: int, dtype: type = np.uint8) -> None:
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (20, 30), dtype))


def decoded_again(*arguments: object) -> np.ndarray:
    raise AssertionError(f"decoded again: {arguments[1]}")


def count_files(folder: Path) -> int:
    return len(list(folder.rglob("*.npy")))


def test_a_picture_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, kept = tmp_path / "a.png", tmp_path / "kept"
    write_picture(path, 0)
    plain = PhotographReading().read(str(path)).image
    reading = PhotographReading(decoded=str(kept))
    np.testing.assert_array_equal(reading.read(str(path)).image, plain)
    assert count_files(kept) == 1
    monkeypatch.setattr("superpoint_tf.data.photographs.masked_photographs.decode_photograph", decoded_again)
    np.testing.assert_array_equal(reading.read(str(path)).image, plain)


def test_another_content_and_another_window_are_decoded_anew(tmp_path: Path) -> None:
    path, kept = tmp_path / "a.png", tmp_path / "kept"
    for seed in (0, 1):
        write_picture(path, seed, np.uint16)
        for stretch in ("none", "percentile"):
            found = PhotographReading(stretch, decoded=str(kept)).read(str(path)).image
            np.testing.assert_array_equal(found, PhotographReading(stretch).read(str(path)).image)
    assert count_files(kept) == 4


def test_what_cannot_be_decoded_is_not_kept(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(PhotographError, match=r"a\.png"):
        PhotographReading(decoded=str(tmp_path / "kept")).read(str(tmp_path / "a.png"))
    assert count_files(tmp_path) == 0


def cut_short(kept: bytes) -> bytes:
    return kept[:-100]


def flip_a_bit(kept: bytes) -> bytes:
    return kept[:300] + bytes([kept[300] ^ 1]) + kept[301:]


def empty(kept: bytes) -> bytes:
    return b""


def without_checksum(kept: bytes) -> bytes:
    return kept[:-4]


def zeros(kept: bytes) -> bytes:
    return bytes(len(kept))


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, empty, without_checksum, zeros])
def test_a_damaged_file_is_decoded_anew_and_replaced(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 255, (20, 30), np.uint8)
    keep_decoded(str(tmp_path), b"content", "none", lambda: picture)
    (file,) = tmp_path.rglob("*.npy")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    np.testing.assert_array_equal(keep_decoded(str(tmp_path), b"content", "none", lambda: picture), picture)
    assert file.read_bytes() == whole


def test_two_that_decode_the_same_picture_at_once_leave_one_file(tmp_path: Path) -> None:
    picture = np.arange(6, dtype=np.uint8).reshape(2, 3)

    def decode() -> np.ndarray:
        return keep_decoded(str(tmp_path), b"content", "none", lambda: picture)  # the other is done before this one

    np.testing.assert_array_equal(keep_decoded(str(tmp_path), b"content", "none", decode), picture)
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".npy"]
    np.testing.assert_array_equal(keep_decoded(str(tmp_path), b"content", "none", lambda: decoded_again(0, 1)), picture)
