"""Disparities on disk: what is written is read back, and what is no disparity is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.data.stereo.disparity_files import pfm_bytes, read_disparity_png, read_pfm, save_disparity

VALUES = np.array([[0.0, 1.5, np.nan], [40.25, 200.0, 3.0]], np.float32)


def test_sixteen_bits_keep_256ths_and_unknown_is_zero(tmp_path: Path) -> None:
    save_disparity(tmp_path / "d.png", VALUES)
    levels = cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED)
    assert levels.dtype == np.uint16 and levels.tolist() == [[1, 384, 0], [10304, 51200, 768]]
    found = read_disparity_png(tmp_path / "d.png", 256.0)
    np.testing.assert_allclose(found, np.where(VALUES == 0, 1 / 256, VALUES))


def test_pfm_and_npy_keep_all(tmp_path: Path) -> None:
    save_disparity(tmp_path / "d.pfm", VALUES)
    np.testing.assert_array_equal(read_pfm(tmp_path / "d.pfm"), VALUES)
    assert (tmp_path / "d.pfm").read_bytes().startswith(b"Pf\n3 2\n-1.0\n") and np.isinf(
        np.frombuffer((tmp_path / "d.pfm").read_bytes()[-12:], "<f4")[2]  # rows go up: the last is the first
    )
    save_disparity(tmp_path / "d.npy", VALUES)
    np.testing.assert_array_equal(np.load(tmp_path / "d.npy"), VALUES)


def test_big_endian_pfm_with_a_comment_is_read(tmp_path: Path) -> None:
    path = tmp_path / "d.pfm"
    path.write_bytes(b"Pf\n# made by hand\n2 1\n1.0\n" + np.array([3, 4], ">f4").tobytes())
    assert read_pfm(path).tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"PF\n2 1\n-1.0\n" + bytes(24), "not a grey PFM"),
        (b"Pf\n2\n-1.0\n", "not a grey PFM"),
        (b"Pf\n-2 1\n-1.0\n", "not a grey PFM"),
        (b"\x89PNG", "not a grey PFM"),
        (pfm_bytes(VALUES)[:-3], "cut short: 21 bytes of 24"),
    ],
)
def test_another_file_is_no_pfm(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "d.pfm").write_bytes(content)
    with pytest.raises(PhotographError, match=reason):
        read_pfm(tmp_path / "d.pfm")


def test_colours_and_damaged_pictures_are_no_disparities(tmp_path: Path) -> None:
    colours = np.zeros((2, 2, 3), np.uint8)
    colours[0, 0, 1] = 9
    cv2.imwrite(str(tmp_path / "c.png"), colours)
    with pytest.raises(PhotographError, match="colours are no disparities"):
        read_disparity_png(tmp_path / "c.png", 4.0)
    (tmp_path / "x.png").write_bytes(b"nothing")
    with pytest.raises(PhotographError, match="damaged, or not a picture"):
        read_disparity_png(tmp_path / "x.png", 4.0)


def test_other_suffixes_and_disparities_beyond_sixteen_bits_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ends with \.png, \.pfm, \.npy"):
        save_disparity(tmp_path / "d.jpg", VALUES)
    with pytest.raises(ValueError, match=r"300 px is above 256; name a .pfm or .npy"):
        save_disparity(tmp_path / "d.png", np.full((1, 1), 300, np.float32))
