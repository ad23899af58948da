from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import CELL, Config, HomographyConfig
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.batches.batch import pad_keypoints
from superpoint_tf.data.batches.detector_batch import detector_batch
from superpoint_tf.data.batches.kinds import BATCHES
from superpoint_tf.data.batches.pair_batch import pair_batch
from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.data.random_streams import Purpose
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.data.sources import index_of_sample
from superpoint_tf.data.views import ViewSettings, sample_seeds
from superpoint_tf.geometry.warp import warp_points

STILL = ViewSettings(
    HomographyConfig(1.0, 0.0, 0.0, 0.0, 0.0, max_angle_deg=0.0, allow_artifacts=True, valid_border_px=0)
)


def small_config() -> Config:
    return build_config({"synthetic": {"draw": {"image_shape": [40, 48]}}, "seed": 3})


def take(workers: int, start: int, count: int, batch_size: int = 2, **options: Any) -> list[dict[str, np.ndarray]]:
    config = small_config()
    views, source = ViewSettings(config.synthetic.homography), GeneratedShapes(config)
    with BatchStream(source, BATCHES["detector"], batch_size, config.seed, views, workers, **options) as stream:
        batches: Iterator[Any] = stream.batches(start)
        return [{name: value.numpy() for name, value in next(batches).items()} for _ in range(count)]


def blob(x: int, y: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    image = np.zeros(shape, np.uint8)
    image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


def batch_of(image: np.ndarray, keypoints: Any, count: int = 1) -> dict[str, tf.Tensor]:
    return {
        "numbers": tf.range(count, dtype=tf.int64),
        "images": tf.constant(np.stack([image] * count)),
        "images1": tf.constant(np.stack([image] * count)),
        "keypoints": tf.constant(np.stack([np.asarray(keypoints, np.float32)] * count)),
    }


def keypoints_of(cell_labels: np.ndarray) -> set[tuple[int, int]]:
    rows, columns = np.nonzero(cell_labels < CELL * CELL)
    offsets = cell_labels[rows, columns]
    return {
        (int(c * CELL + o % CELL), int(r * CELL + o // CELL)) for r, c, o in zip(rows, columns, offsets, strict=True)
    }


def test_sample_number_n_is_the_same_picture_whatever_the_parallelism_and_the_starting_step():
    inline = take(workers=0, start=0, count=3)
    late = take(workers=0, start=2, count=1)
    parallel = take(workers=2, start=1, count=2)
    assert inline[2]["numbers"].tolist() == [4, 5]
    for one, other in ((inline[2], late[0]), (inline[1], parallel[0]), (inline[2], parallel[1])):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])


def test_batches_assembled_by_the_device_are_those_of_tf_data():
    for one, other in zip(take(0, start=1, count=2), take(0, start=1, count=2, on_device=True), strict=True):
        assert one.keys() == other.keys()
        for name in one:
            rounding = 1e-6 if one[name].dtype == np.float32 else 0  # the two graphs are optimized apart
            np.testing.assert_allclose(one[name], other[name], rtol=0, atol=rounding)


def test_a_sample_does_not_depend_on_its_batch():
    pairs, single = take(workers=0, start=0, count=2), take(workers=0, start=3, count=1, batch_size=1)
    np.testing.assert_array_equal(pairs[1]["images"][1], single[0]["images"][0])
    np.testing.assert_array_equal(pairs[1]["cell_labels"][1], single[0]["cell_labels"][0])


def test_no_picture_comes_twice():
    batches = take(workers=0, start=0, count=4)
    assert len({image.tobytes() for batch in batches for image in batch["images"]}) == 8


def test_every_epoch_goes_through_all_items_in_another_order():
    orders = [[index_of_sample(5, number, 7) for number in range(7 * epoch, 7 * epoch + 7)] for epoch in range(3)]
    assert all(sorted(order) == list(range(7)) for order in orders)
    assert len({tuple(order) for order in orders}) == 3


def test_absent_keypoints_are_nan():
    padded = pad_keypoints([np.zeros((0, 2)), np.ones((2, 2))])
    assert padded.shape == (2, 2, 2) and np.isnan(padded[0]).all() and (padded[1] == 1).all()
    assert pad_keypoints([np.zeros((0, 2))]).shape == (1, 0, 2)


def test_without_movement_the_label_is_the_pixel_and_every_cell_counts():
    result = detector_batch(batch_of(blob(21, 13), [[21, 13]]), 0, STILL)
    assert keypoints_of(result["cell_labels"].numpy()[0]) == {(21, 13)}
    assert result["cells_valid"].numpy().all()
    assert result["images"].numpy()[0, 13, 21, 0] == 1.0


def test_the_label_lands_on_the_bright_blob_after_any_homography():
    count = 24
    result = detector_batch(batch_of(blob(30, 22), [[30, 22]], count), 1, ViewSettings(HomographyConfig()))
    images, labels = result["images"].numpy()[..., 0], result["cell_labels"].numpy()
    seen = 0
    for image, label in zip(images, labels, strict=True):
        for x, y in keypoints_of(label):
            window = image[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
            seen += 1
            assert window.max() > 0.5, (x, y)
    assert seen > count / 2


def test_both_views_of_a_pair_agree_with_its_homography():
    count = 16
    result = pair_batch(batch_of(blob(30, 22), [[30, 22]], count), 1, ViewSettings(HomographyConfig()))
    projected = warp_points(tf.constant([[[30.0, 22.0]]] * count), result["homography_0to1"]).numpy()[:, 0]
    assert all(keypoints_of(label) == {(30, 22)} for label in result["cell_labels0"].numpy())
    for point, label in zip(projected, result["cell_labels1"].numpy(), strict=True):
        expected = {(int(np.floor(point[0] + 0.5)), int(np.floor(point[1] + 0.5)))}
        inside = 0 <= point[0] < 63 and 0 <= point[1] < 47
        assert keypoints_of(label) == (expected if inside else set())
    assert result["cells_valid0"].numpy().all() and not result["cells_valid1"].numpy().all()


def test_random_numbers_of_two_purposes_and_of_huge_sample_numbers_differ():
    numbers = tf.constant([0, 1, 2**31, 2**40 + 1], tf.int64)
    seeds = [tuple(row) for purpose in Purpose for row in sample_seeds(7, purpose, numbers).numpy()]
    assert len(set(seeds)) == len(seeds)


def test_an_error_in_a_worker_is_raised_as_it_was():
    class Broken(GeneratedShapes):
        def payloads(self, numbers: Any) -> list[Any]:
            raise ValueError("a.jpg: cannot be read")

    config = small_config()
    with (
        BatchStream(Broken(config), BATCHES["detector"], 2, 0, ViewSettings(config.synthetic.homography), 0) as stream,
        pytest.raises(ValueError, match=r"a\.jpg: cannot be read"),
    ):
        next(stream.batches())
