from __future__ import annotations

import numpy as np

from superpoint_tf.evaluation.edge_recall import edge_recall
from superpoint_tf.features import Features


def bright_pixels(border_px: int = 0):
    """A detector of bright pixels that is blind within `border_px` of the frame."""

    def extract(image: np.ndarray) -> Features:
        rows, columns = np.nonzero(image > 200)
        height, width = image.shape
        seen = (np.minimum(columns, width - 1 - columns) >= border_px) & (
            np.minimum(rows, height - 1 - rows) >= border_px
        )
        points = np.stack([columns[seen], rows[seen]], axis=1).astype(np.float32)
        return Features(points, np.ones(len(points), np.float32), None)

    return extract


def picture() -> np.ndarray:
    """Bright pixels 2, 6 and 10 px from the left edge of the first crop, which begins at x = 40."""
    image = np.zeros((240, 320), np.uint8)
    image[120, [42, 46, 50]] = 255
    return image


def test_a_detector_that_sees_everything_finds_every_corner_again():
    recall = edge_recall(bright_pixels(), [picture()])
    assert {limits: share for limits, (share, _) in recall.items()} == {(0, 4): 1.0, (4, 8): 1.0, (8, 16): 1.0}


def test_a_detector_that_is_blind_at_the_edge_loses_those_that_lie_there():
    recall = edge_recall(bright_pixels(border_px=5), [picture()])
    # crops begin at x = 40, 43, 46, 49: distances 2 6 10, -1 3 7, -4 0 4, -7 -3 1
    assert recall[0.0, 4.0] == (0.0, 4)
    assert recall[4.0, 8.0] == (2 / 3, 3)
    assert recall[8.0, 16.0] == (1.0, 1)


def test_without_corners_there_is_no_recall():
    share, count = edge_recall(bright_pixels(), [np.zeros((240, 320), np.uint8)])[0.0, 4.0]
    assert np.isnan(share) and count == 0
