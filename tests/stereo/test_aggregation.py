"""Cross-based aggregation against its definition by loops."""

from __future__ import annotations

import numpy as np

from superpoint_tf.stereo.aggregation import aggregate, cross_arms

LENGTH, THRESHOLD = 4, 0.4


def region(picture: np.ndarray, y: int, x: int) -> set[tuple[int, int]]:
    """Return the cross region: the horizontal arms of all pixels of the vertical arms."""

    def arm(y: int, x: int, dy: int, dx: int) -> int:
        reach = 0
        for step in range(1, LENGTH):
            yy, xx = y + step * dy, x + step * dx
            if not (0 <= yy < picture.shape[0] and 0 <= xx < picture.shape[1]):
                break
            if abs(picture[yy, xx] - picture[y, x]) >= THRESHOLD:
                break
            reach = step
        return reach

    rows = range(y - arm(y, x, -1, 0), y + arm(y, x, 1, 0) + 1)
    return {(row, c) for row in rows for c in range(x - arm(row, x, 0, -1), x + arm(row, x, 0, 1) + 1)}


def test_means_are_over_what_both_cross_regions_share() -> None:
    generator = np.random.default_rng(0)
    left, right = generator.random((2, 6, 8))
    volume = generator.random((3, 6, 8)).astype(np.float32)
    found = aggregate(volume, left, right, LENGTH, THRESHOLD)
    for d, y, x in np.ndindex(3, 6, 8):
        if x < d:
            assert found[d, y, x] == volume[d, y, x]
            continue
        shared = region(left, y, x) & {(row, column + d) for row, column in region(right, y, x - d)}
        np.testing.assert_allclose(found[d, y, x], np.mean([volume[d, r, c] for r, c in shared]), rtol=1e-5)


def test_in_a_flat_picture_the_arms_end_at_their_length_and_at_the_frame() -> None:
    arms = cross_arms(np.zeros((1, 9)), 5, 0.1)
    assert arms.left[0].tolist() == [0, 1, 2, 3, 4, 4, 4, 4, 4] and arms.right[0].tolist() == [
        4,
        4,
        4,
        4,
        4,
        3,
        2,
        1,
        0,
    ]
    assert not arms.up.any() and not arms.down.any()


def test_a_cost_that_is_the_same_everywhere_stays() -> None:
    volume = np.full((2, 4, 5), 0.25, np.float32)
    np.testing.assert_allclose(
        aggregate(volume, *np.random.default_rng(1).random((2, 4, 5)), 3, 0.5), volume, rtol=1e-6
    )


def test_an_edge_that_one_picture_has_parts_the_supports() -> None:
    left = np.zeros((1, 6))
    right = np.array([[0.0, 0, 0, 1, 1, 1]])
    volume = np.arange(6, dtype=np.float32).reshape(1, 1, 6)
    assert aggregate(volume, left, right, 6, 0.5)[0, 0].tolist() == [1, 1, 1, 4, 4, 4]
