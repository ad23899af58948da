"""Semi-global matching against its recursion by loops."""

from __future__ import annotations

import numpy as np

from superpoint_tf.stereo.semiglobal import Penalties, semiglobal

PENALTIES = Penalties(small=0.3, large=0.9, one_edge=2.0, two_edges=4.0, vertical=1.5, edge=0.5)


def by_loops(volume: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    count, height, width = volume.shape
    total = np.zeros(volume.shape)
    for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        path = np.zeros(volume.shape)
        for y in range(height) if dy >= 0 else reversed(range(height)):
            for x in range(width) if dx >= 0 else reversed(range(width)):
                yy, xx = y - dy, x - dx
                if not (0 <= yy < height and 0 <= xx < width):
                    path[:, y, x] = volume[:, y, x]
                    continue
                for d in range(count):
                    # the step between the two right pixels, at the frame's left edge where they lie beyond it
                    first, second = min(x, xx) - d, max(x, xx) - d
                    if dx and first < 0:
                        first, second = 0, 1
                    first, second = (max(each, 0) for each in (first, second))
                    own = abs(left[y, x] - left[yy, xx]) >= PENALTIES.edge
                    other = abs(right[y, second] - right[yy, first]) if dx else abs(right[y, first] - right[yy, first])
                    divisor = (1.0, PENALTIES.one_edge, PENALTIES.two_edges)[int(own) + int(other >= PENALTIES.edge)]
                    small = PENALTIES.small / divisor / (PENALTIES.vertical if dy else 1.0)
                    before = path[:, yy, xx]
                    ways = [before[d], before.min() + PENALTIES.large / divisor]
                    ways += [before[d - 1] + small] if d else []
                    ways += [before[d + 1] + small] if d + 1 < count else []
                    path[d, y, x] = volume[d, y, x] + min(ways) - before.min()
        total += path
    return total / 4


def test_it_is_the_recursion_of_the_definition() -> None:
    generator = np.random.default_rng(0)
    volume = generator.random((4, 5, 6)).astype(np.float32)
    left, right = generator.random((2, 5, 6))
    np.testing.assert_allclose(semiglobal(volume, left, right, PENALTIES), by_loops(volume, left, right), rtol=1e-5)


def test_without_penalties_each_pixel_keeps_the_disparity_of_its_least_cost() -> None:
    volume = np.random.default_rng(1).random((5, 4, 7)).astype(np.float32)
    found = semiglobal(volume, np.zeros((4, 7)), np.zeros((4, 7)), Penalties(0.0, 0.0))
    assert (found.argmin(0) == volume.argmin(0)).all()


def test_a_pixel_without_an_opinion_takes_that_of_its_neighbours() -> None:
    volume = np.ones((3, 3, 3), np.float32)
    volume[1] = 0.0
    volume[:, 1, 1] = 0.5
    assert (semiglobal(volume, np.zeros((3, 3)), np.zeros((3, 3)), Penalties(0.2, 0.5)).argmin(0) == 1).all()


def test_one_pixel_and_one_disparity_stay_as_they_are() -> None:
    for shape in ((1, 1, 1), (1, 3, 1), (2, 1, 1)):
        volume = np.random.default_rng(2).random(shape).astype(np.float32)
        flat = np.zeros(shape[1:])
        assert semiglobal(volume, flat, flat, PENALTIES).shape == shape
    np.testing.assert_allclose(
        semiglobal(np.full((2, 1, 1), 0.5, np.float32), flat[:1, :1], flat[:1, :1], PENALTIES), 0.5
    )
