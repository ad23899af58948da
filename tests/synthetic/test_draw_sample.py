"""A sample is a pure function of (seed, number), of any shape, with the frequencies that were asked for."""

from __future__ import annotations

import concurrent.futures
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from superpoint_tf.synthetic import DEFAULT_FREQUENCIES, PRIMITIVES, SyntheticConfig, draw_sample, primitive_of


def same(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> bool:
    return np.array_equal(one[0], other[0]) and np.array_equal(one[1], other[1])


def test_the_same_number_gives_the_same_bytes_in_any_order() -> None:
    forwards = [draw_sample(5, number) for number in range(20)]
    np.random.seed(1)  # the global generator has no say
    backwards = [draw_sample(5, number) for number in reversed(range(20))][::-1]
    assert all(same(one, other) for one, other in zip(forwards, backwards, strict=True))


def test_threads_that_draw_at_once_do_not_see_each_other() -> None:
    expected = [draw_sample(3, number)[0] for number in range(60)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        drawn = list(pool.map(lambda number: draw_sample(3, number)[0], range(60)))
    np.testing.assert_array_equal(drawn, expected)


def test_a_picture_that_was_drawn_is_not_painted_over_by_the_next() -> None:
    image, _ = draw_sample(3, 1)
    before = image.copy()
    draw_sample(3, 2)
    np.testing.assert_array_equal(image, before)


def test_number_and_seed_each_change_the_picture() -> None:
    pictures = {draw_sample(seed, number)[0].tobytes() for seed in range(4) for number in range(5)}
    assert len(pictures) == 20
    assert not same(draw_sample(1, 2), draw_sample(2, 1))


def test_large_numbers_and_numpy_integers_are_numbers() -> None:
    assert not same(draw_sample(0, 2**62), draw_sample(0, 2**62 - 1))
    assert same(draw_sample(7, 2**40), draw_sample(int(np.int64(7)), np.int64(2**40)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("seed", "number", "name"), [(-1, 0, "seed -1"), (0, -1, "number -1"), (0, 2**63, "number 9")])
def test_a_number_out_of_range_is_named(seed: int, number: int, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        draw_sample(seed, number)


@pytest.mark.parametrize("shape", [(120, 160), (33, 57), (32, 32), (200, 40), (480, 640)])
@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_any_shape_can_be_drawn(shape: tuple[int, int], primitive: str) -> None:
    config = SyntheticConfig(image_shape=shape, primitives=(primitive,))
    labels = 0
    for number in range(3):
        image, keypoints = draw_sample(0, number, config)
        assert image.shape == shape
        assert image.dtype == np.uint8
        assert keypoints.dtype == np.float32
        assert keypoints.shape == (len(keypoints), 2)
        assert (keypoints >= 2).all()
        assert (keypoints <= np.array(shape[::-1]) - 3).all()
        labels += len(keypoints)
    if primitive in ("ellipses", "noise"):
        assert labels == 0
    elif shape == (120, 160):
        assert labels > 0


@pytest.mark.parametrize("primitive", [name for name in PRIMITIVES if name not in ("ellipses", "noise")])
def test_a_finer_drawing_gives_the_same_labels_and_nearly_the_same_grey_around_them(primitive: str) -> None:
    differences = []
    for number in range(12):
        image, keypoints = draw_sample(0, number, SyntheticConfig(primitives=(primitive,)))
        fine, others = draw_sample(0, number, SyntheticConfig(primitives=(primitive,), supersampling=8))
        np.testing.assert_allclose(keypoints, others, atol=1e-4)
        for x, y in np.rint(keypoints).astype(int):
            window = np.s_[y - 2 : y + 3, x - 2 : x + 3]
            contrast = int(fine[window].max()) - int(fine[window].min())
            differences.append(np.abs(image[window].astype(int) - fine[window]).max() / contrast)
    assert np.quantile(differences, 0.9) < 0.08


def test_primitives_come_with_their_relative_frequencies() -> None:
    count = 6000
    found = Counter(primitive_of(0, number) for number in range(count))
    total = sum(DEFAULT_FREQUENCIES.values())
    for name, weight in DEFAULT_FREQUENCIES.items():
        expected = count * weight / total
        assert abs(found[name] - expected) < 4.5 * expected**0.5


def test_frequencies_that_are_left_out_keep_their_default_and_zero_is_never() -> None:
    config = SyntheticConfig(primitives=("star", "cube", "noise"), frequencies={"star": 0.0})
    found = Counter(primitive_of(0, number, config) for number in range(600))
    assert set(found) == {"cube", "noise"}
    assert found["cube"] > 6 * found["noise"]


def test_the_name_is_that_of_what_is_drawn() -> None:
    for number in range(60):
        name = primitive_of(9, number)
        assert (len(draw_sample(9, number)[1]) == 0) or name not in ("ellipses", "noise")
        only = SyntheticConfig(primitives=(name,))
        assert same(draw_sample(9, number), draw_sample(9, number, only))


def test_the_picture_is_a_blotchy_background_and_not_a_flat_one() -> None:
    spreads = [float(draw_sample(0, n, SyntheticConfig(primitives=("lines",)))[0].std()) for n in range(20)]
    assert min(spreads) > 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"primitives": ("circle",)}, "circle"),
        ({"primitives": ()}, "empty"),
        ({"frequencies": {"stars": 1.0}}, "stars"),
        ({"primitives": ("star",), "frequencies": {"star": 0.0}}, "frequencies"),
        ({"frequencies": {"star": -1.0}}, "frequencies"),
        ({"frequencies": {"star": float("nan")}}, "frequencies"),
        ({"image_shape": (31, 100)}, "image_shape"),
        ({"min_contrast": 81}, "min_contrast"),
        ({"border_px": 60.0}, "border_px"),
        ({"supersampling": 0}, "supersampling"),
    ],
)
def test_a_setting_that_cannot_be_drawn_is_refused_by_name(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SyntheticConfig(**changes)


def test_drawing_imports_neither_tensorflow_nor_superpoint_tf() -> None:
    code = "import sys, synthetic as s; s.draw_sample(0, 0); print({'tensorflow', 'superpoint_tf'} & set(sys.modules))"
    root = Path(__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
