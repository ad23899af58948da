"""Digits as training pictures: which are which, pure functions of key and number, and the four distortions."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import ConfigError
from superpoint_tf.data.batches.digit_batch import DISTORTIONS, digit_batch
from superpoint_tf.data.digits.digit_set import Digits, load_digits
from superpoint_tf.data.digits.digit_source import NUM_UNIFORMS, DigitSource, held_out_digits, render_digits
from superpoint_tf.systems.digit_systems import DIGIT_SIDE_PX


def some_digits(count: int = 5) -> Digits:
    pictures = np.random.default_rng(0).integers(0, 256, (count, 9, 9)).astype(np.uint8)
    return Digits(pictures, np.arange(count, dtype=np.int64))


def distorted(pictures: np.ndarray, distortion: str, uniforms: np.ndarray) -> np.ndarray:
    batch = {
        "numbers": np.arange(len(pictures)),
        "images": pictures,
        "labels": np.zeros(len(pictures), np.int64),
        "uniforms": np.resize(uniforms, (len(pictures), NUM_UNIFORMS)).astype(np.float32),
    }
    result: np.ndarray = digit_batch({k: tf.constant(v) for k, v in batch.items()}, 0, distortion)["images"].numpy()
    return result[..., 0]


def test_the_three_sets_share_no_digit_and_are_of_the_networks_side() -> None:
    pytest.importorskip("sklearn")
    sets = load_digits()
    assert {name: len(each.labels) for name, each in sets.items()} == {"train": 800, "validation": 197, "test": 800}
    assert {each.pictures.shape[1:] for each in sets.values()} == {(DIGIT_SIDE_PX, DIGIT_SIDE_PX)}
    rows = [row.tobytes() for each in sets.values() for row in each.pictures]
    assert len(set(rows)) == 1797
    assert all(set(each.labels) == set(range(10)) for each in sets.values())
    assert all(each.pictures.max() == 255 and each.pictures[:, 0].max() == 0 for each in sets.values())


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    load_digits.cache_clear()
    with pytest.raises(ConfigError, match=r"scikit-learn.*pip install -e '\.\[digits\]'"):
        load_digits()


def test_a_sample_is_a_function_of_key_and_number() -> None:
    def batch(key: int, numbers: list[int]) -> dict[str, np.ndarray]:
        source = DigitSource(some_digits(), key)
        return source.render(source.payloads(numbers))

    one, alone, other = batch(3, [0, 1, 7]), batch(3, [7]), batch(4, [7])
    for name, value in one.items():
        np.testing.assert_array_equal(value[2:], alone[name])
    assert (alone["uniforms"] != other["uniforms"]).all()
    assert np.abs(one["uniforms"]).max() <= 1


def test_an_epoch_has_every_digit_once() -> None:
    source = DigitSource(some_digits(), 0)
    assert sorted(source.render(source.payloads(range(5, 10)))["labels"]) == [0, 1, 2, 3, 4]
    assert source.picture_name(0).startswith("digit ")


def test_digits_held_out_come_in_order_over_and_over_each_distorted_anew() -> None:
    batch = held_out_digits(some_digits(2), range(100, 104))
    np.testing.assert_array_equal(batch["labels"], [0, 1, 0, 1])
    assert len(np.unique(batch["uniforms"], axis=0)) == 4


@pytest.mark.parametrize("distortion", ["R", "P", "E", ""])
def test_numbers_in_the_middle_of_their_range_distort_nothing(distortion: str) -> None:
    pictures = some_digits().pictures
    np.testing.assert_allclose(distorted(pictures, distortion, np.zeros(32)), pictures / 255, atol=2e-5)


def test_r_turns_by_up_to_a_quarter_to_each_side() -> None:
    pictures = some_digits().pictures
    quarter = distorted(pictures, "R", np.array([1.0, *np.zeros(31)]))
    np.testing.assert_allclose(quarter, np.rot90(pictures, -1, axes=(1, 2)) / 255, atol=1e-5)  # right goes down


def test_rts_moves_the_digit_where_its_numbers_say() -> None:
    picture = np.zeros((1, 21, 21), np.uint8)
    picture[0, 8:13, 8:13] = 255  # 5 px about the middle
    # upright; scale .7 (the least) leaves a room of 1 - .49 to each side
    small = distorted(picture, "RTS", np.array([0.0, -1.0, 1.0, -0.5, *np.zeros(28)]))[0]
    y, x = np.indices(small.shape)
    centre = [(small * each).sum() / small.sum() - 10 for each in (x, y)]
    np.testing.assert_allclose(centre, [10 * 0.51, -5 * 0.51], atol=0.1)
    assert small.sum() == pytest.approx(25 * 0.49, rel=0.1)


def test_p_moves_the_corners_of_the_digit() -> None:
    """The digit's top left corner, at -.7 of the half side, goes .3 further out; the opposite one stays."""
    picture = np.zeros((1, 21, 21), np.uint8)
    picture[0, 3, 3] = picture[0, 17, 17] = 255
    moved = distorted(picture, "P", np.array([-1.0, -1.0, *np.zeros(30)]))[0]
    assert moved[0, 0] == pytest.approx(1, abs=1e-4) and moved[17, 17] == pytest.approx(1, abs=1e-4)


def test_e_reads_control_points_off_their_places() -> None:
    pictures = some_digits(1).pictures
    uniforms = np.zeros(32)
    uniforms[0] = 1.0  # the first control point, the top left pixel, is read .25 of the half side (1 px) further right
    bent = distorted(pictures, "E", uniforms)[0]
    assert bent[0, 0] == pytest.approx(pictures[0, 0, 1] / 255, abs=1e-4)


@pytest.mark.parametrize("distortion", DISTORTIONS)
def test_distortions_are_finite_and_the_same_in_a_dataset(distortion: str) -> None:
    source = DigitSource(some_digits(), 1)
    batch = render_digits(source.payloads(range(8)))
    eager = digit_batch({k: tf.constant(v) for k, v in batch.items()}, 0, distortion)
    dataset = tf.data.Dataset.from_tensors(batch).map(lambda b: digit_batch(b, 0, distortion))
    graph = next(iter(dataset))
    assert np.isfinite(eager["images"]).all() and eager["images"].shape == (8, 9, 9, 1)
    np.testing.assert_allclose(eager["images"], graph["images"], atol=1e-6)
