"""Pictures that EXIF turns, and their features in the pixels that the file stores."""

from __future__ import annotations

import io

import cv2
import numpy as np
import pytest
from picture_zoo import ORIENTATIONS, encode, turn
from PIL import Image

from superpoint_tf.data.photographs.orientation import read_orientation, stored_shape, stored_to_upright, turn_back
from superpoint_tf.data.photographs.reading import decode_photograph
from superpoint_tf.features import NO_ANGLE, Features

STORED = np.arange(12, dtype=np.uint8).reshape(3, 4)  # each pixel its own number


def turned(orientation: int, kind: str = "PNG", **options: object) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(Image.fromarray(STORED).convert("RGB"), kind, exif=exif, **options)


@pytest.mark.parametrize("orientation", [1, *ORIENTATIONS])
def test_a_keypoint_on_a_pixel_shown_is_turned_back_to_where_the_file_has_that_pixel(orientation: int):
    shown = STORED if orientation == 1 else turn(STORED, orientation)
    height, width = shown.shape
    ys, xs = np.mgrid[:height, :width]
    keypoints = np.stack([xs.ravel(), ys.ravel()], axis=1).astype(np.float32)
    found = turn_back(Features(keypoints, np.ones(12, np.float32)), shown.shape, orientation).keypoints
    assert stored_shape(shown.shape, orientation) == STORED.shape
    assert found.dtype == np.float32
    np.testing.assert_array_equal(STORED[found[:, 1].astype(int), found[:, 0].astype(int)], shown.ravel())
    np.testing.assert_array_equal(found, found.astype(int))  # half a pixel would show


@pytest.mark.parametrize("orientation", [1, *ORIENTATIONS])
def test_a_corner_of_the_frame_stays_a_corner_of_the_frame(orientation: int):
    height, width = STORED.shape
    corner = np.array([width - 0.5, height - 0.5, 1.0])  # the outer one at the bottom right
    shape = STORED.shape if orientation == 1 else turn(STORED, orientation).shape
    x, y, _ = stored_to_upright(shape, orientation) @ corner
    assert x in (-0.5, shape[1] - 0.5) and y in (-0.5, shape[0] - 0.5)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_an_angle_turns_with_the_pixels_it_points_at(orientation: int):
    """From the centre of a keypoint to where its angle points: both ends of the arrow are turned alike."""
    shape, angle = turn(STORED, orientation).shape, 30.0
    tail = np.array([[1.0, 1.5]], np.float32)
    head = tail + np.array([[np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))]], np.float32)
    both = Features(np.vstack([tail, head]), np.ones(2), angles_deg=np.array([angle, NO_ANGLE], np.float32))
    back = turn_back(both, shape, orientation)
    x, y = back.keypoints[1] - back.keypoints[0]
    assert back.angles_deg is not None
    assert back.angles_deg[0] == pytest.approx(np.rad2deg(np.arctan2(y, x)) % 360, abs=1e-3)
    assert back.angles_deg[1] == NO_ANGLE


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"quality": 98}),
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_the_orientation_read_is_the_one_that_the_reader_turns_by(orientation: int, kind: str, options: dict):
    content = turned(orientation, kind, **options)
    assert read_orientation(content) == orientation
    shown = decode_photograph(content, "x")
    assert shown.shape == turn(STORED, orientation).shape
    if kind != "JPEG":
        np.testing.assert_array_equal(shown, turn(STORED, orientation))


def test_where_opencv_is_told_to_ignore_it_it_reads_the_stored_pixels():
    """As hloc does, and as COLMAP does by itself."""
    content = np.frombuffer(turned(6), np.uint8)
    read = cv2.imdecode(content, cv2.IMREAD_GRAYSCALE | cv2.IMREAD_IGNORE_ORIENTATION)
    np.testing.assert_array_equal(read, STORED)


def test_what_says_nothing_or_nonsense_or_is_no_picture_is_upright():
    assert read_orientation(encode(Image.fromarray(STORED))) == 1
    assert read_orientation(b"no picture") == 1 and read_orientation(b"") == 1
    exif = Image.Exif()
    exif[0x0112] = 99
    buffer = io.BytesIO()
    Image.fromarray(STORED).save(buffer, "JPEG", exif=exif)
    assert read_orientation(buffer.getvalue()) == 1


def test_an_orientation_that_xmp_alone_says_is_the_one_that_the_reader_turns_by():
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    content = encode(Image.fromarray(STORED), "JPEG", quality=98, xmp=xmp)
    shown = decode_photograph(content, "x")
    assert read_orientation(content) == (6 if shown.shape == (4, 3) else 1)
