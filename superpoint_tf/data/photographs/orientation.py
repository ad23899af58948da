"""How a picture is shown against how its file holds it: EXIF's orientation, and features in the file's own pixels.

Networks see pictures upright. COLMAP and hloc read the pixels as they are stored, whatever EXIF says, so what is
written for them is turned back. Orientations are EXIF's, 1 to 8; 1 is upright.
"""

from __future__ import annotations

import io
import warnings

import numpy as np
from PIL import Image

from superpoint_tf.features import NO_ANGLE, Features

UPRIGHT = 1
_TAG = 0x0112
_MAY_HOLD_EXIF = (b"eXIf", b"Raw profile type", b"XML:com.adobe.xmp")  # in a PNG, where Pillow decodes all to be sure
# Where the axes of the stored pixels point in the picture shown: columns are the images of right and down.
_TURNS = {
    1: ((1, 0), (0, 1)),
    2: ((-1, 0), (0, 1)),
    3: ((-1, 0), (0, -1)),
    4: ((1, 0), (0, -1)),
    5: ((0, 1), (1, 0)),
    6: ((0, -1), (1, 0)),
    7: ((0, -1), (-1, 0)),
    8: ((0, 1), (-1, 0)),
}


def read_orientation(content: bytes) -> int:
    """Return the orientation of an encoded picture, UPRIGHT where it says none or one that there is not."""
    if content.startswith(b"\x89PNG") and not any(mark in content for mark in _MAY_HOLD_EXIF):
        return UPRIGHT
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                orientation = image.getexif().get(_TAG, UPRIGHT)
    except Exception:  # every decoder raises its own kind; reading the pixels says what is wrong
        return UPRIGHT
    return orientation if orientation in _TURNS else UPRIGHT


def stored_shape(upright_shape: tuple[int, ...], orientation: int) -> tuple[int, int]:
    """Return (height, width) of the stored pixels of a picture that is shown with `upright_shape`."""
    height, width = upright_shape[:2]
    return (width, height) if _TURNS[orientation][0][0] == 0 else (height, width)


def turn_upright(stored: np.ndarray, orientation: int) -> np.ndarray:
    """Return stored pixels (H, W) as they are shown."""
    (xx, xy), (yx, yy) = _TURNS[orientation]
    swapped = stored.T if xx == 0 else stored
    return np.ascontiguousarray(swapped[:: yx + yy, :: xx + xy])


def stored_to_upright(upright_shape: tuple[int, ...], orientation: int) -> np.ndarray:
    """Return the map float64 (3, 3) from xy of the stored pixels to xy of the picture shown: centre to centre."""
    turn = np.array(_TURNS[orientation], np.float64)
    shapes = (upright_shape[:2], stored_shape(upright_shape, orientation))
    upright_centre, stored_centre = ((np.array(shape[::-1]) - 1) / 2 for shape in shapes)
    matrix = np.eye(3)
    matrix[:2, :2], matrix[:2, 2] = turn, upright_centre - turn @ stored_centre
    return matrix


def turn_back(features: Features, upright_shape: tuple[int, ...], orientation: int) -> Features:
    """Return features of a picture as it is shown, (H, W), in the pixels that its file stores.

    Angles turn along. A mirrored file's keypoints are those of its mirrored picture, with the descriptors of the
    picture as it is shown.
    """
    if orientation == UPRIGHT:
        return features
    matrix = np.linalg.inv(stored_to_upright(upright_shape, orientation))
    keypoints = features.keypoints @ matrix[:2, :2].T + matrix[:2, 2]
    return features._replace(
        keypoints=keypoints.astype(np.float32), angles_deg=turn_angles(features.angles_deg, matrix[:2, :2])
    )


def turn_angles(angles_deg: np.ndarray | None, linear: np.ndarray) -> np.ndarray | None:
    """Return angles (N,) as they are after a map (2, 2) of the picture's plane."""
    if angles_deg is None:
        return None
    radians = np.deg2rad(angles_deg.astype(np.float64))
    x, y = linear @ np.stack([np.cos(radians), np.sin(radians)])
    turned = np.rad2deg(np.arctan2(y, x)) % 360.0
    return np.where(angles_deg == NO_ANGLE, NO_ANGLE, turned).astype(np.float32)
