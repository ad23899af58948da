"""The left-right check and what fills what it refuses, by hand and by loops."""

from __future__ import annotations

import numpy as np

from superpoint_tf.stereo.consistency import CORRECT, MISMATCH, OCCLUSION, check_left_right, interpolate


def test_labels_are_those_of_the_definition() -> None:
    generator = np.random.default_rng(0)
    left, right = generator.integers(0, 5, (2, 4, 9)).astype(np.float32)
    found = check_left_right(left, right, 5)
    for y, x in np.ndindex(4, 9):

        def agrees(d: int, y: int = y, x: int = x) -> bool:
            return x - d >= 0 and abs(d - right[y, x - d]) <= 1

        if agrees(int(left[y, x])):
            assert found[y, x] == CORRECT
        else:
            assert found[y, x] == (MISMATCH if any(agrees(d) for d in range(5)) else OCCLUSION)


def test_a_hidden_pixel_takes_the_next_correct_one_to_its_left() -> None:
    disparity = np.array([[9.0, 3, 8, 8, 5]], np.float32)
    labels = np.array([[OCCLUSION, CORRECT, OCCLUSION, OCCLUSION, CORRECT]], np.uint8)
    assert interpolate(disparity, labels)[0].tolist() == [3, 3, 3, 3, 5]  # the first has none to its left


def test_a_mismatch_takes_the_median_of_sixteen_directions() -> None:
    generator = np.random.default_rng(1)
    disparity = generator.random((9, 11)).astype(np.float32)
    labels = np.where(generator.random((9, 11)) < 0.5, CORRECT, MISMATCH).astype(np.uint8)
    found = interpolate(disparity, labels)
    quarter = [(0.0, 1.0), (0.5, 1.0), (1.0, 1.0), (1.0, 0.5)]
    directions = [d for dy, dx in quarter for d in ((dy, dx), (dx, -dy), (-dy, -dx), (-dx, dy))]
    for y, x in np.argwhere(labels == MISMATCH):
        seen = []
        for dy, dx in directions:
            for step in range(1, 20):
                yy, xx = int(np.floor(y + step * dy + 0.5)), int(np.floor(x + step * dx + 0.5))
                if not (0 <= yy < 9 and 0 <= xx < 11):
                    break
                if labels[yy, xx] == CORRECT:
                    seen.append(disparity[yy, xx])
                    break
        assert found[y, x] == np.float32(np.median(seen))


def test_where_nothing_is_correct_everything_stays() -> None:
    disparity = np.arange(6, dtype=np.float32).reshape(2, 3)
    for label in (OCCLUSION, MISMATCH):
        assert (interpolate(disparity, np.full((2, 3), label, np.uint8)) == disparity).all()
