"""From numbered samples to training batches: workers draw and decode, one batched graph does all geometry.

The order of the stages matters. Photometric change comes before the warp, so that no black border is blurred into the
picture; it runs in worker processes, because imgaug holds the interpreter lock. Homographies, warps, masks and cell
labels are one TensorFlow graph on whole batches. Both are pure functions of the sample number, so a run can start at
any step.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator

import tensorflow as tf

from superpoint_tf.config import HomographyConfig
from superpoint_tf.data.sources import Batch, Source
from superpoint_tf.data.workers import ordered_map, resolve_workers, start_pool
from superpoint_tf.geometry.cells import cells_valid, keypoints_to_cell_labels
from superpoint_tf.geometry.homography import sample_homographies
from superpoint_tf.geometry.warp import warp_images, warp_points, warp_valid_mask

TensorBatch = dict[str, tf.Tensor]

# Random numbers with different purposes must differ: purpose k of seed s uses the key 8 s + k.
_HOMOGRAPHY, _CELLS0, _CELLS1 = range(3)
_SCATTER = 0x1E3779B1  # odd: parts the keys of sample numbers beyond 2**31


def sample_seeds(seed: int, purpose: int, numbers: tf.Tensor) -> tf.Tensor:
    """Return stateless seeds int32 (B, 2), one for each sample number and purpose."""
    low = tf.cast(tf.bitwise.bitwise_and(numbers, 0x7FFFFFFF), tf.int32)
    high = tf.cast(tf.bitwise.right_shift(numbers, tf.constant(31, tf.int64)), tf.int32)
    key = tf.fill(tf.shape(low), (8 * seed + purpose) & 0x7FFFFFFF)
    return tf.stack([key + high * _SCATTER, low], axis=1)  # the product wraps around


def _to_unit(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(images, tf.float32)[..., None] / 255.0


def _warped_view(batch: TensorBatch, images: tf.Tensor, seed: int, settings: HomographyConfig) -> tuple[tf.Tensor, ...]:
    image_shape = (int(images.shape[1]), int(images.shape[2]))
    homographies = sample_homographies(sample_seeds(seed, _HOMOGRAPHY, batch["numbers"]), image_shape, settings)
    mask = warp_valid_mask(homographies, image_shape, erosion_px=settings.valid_border_px)
    return homographies, warp_images(images, homographies), warp_points(batch["keypoints"], homographies), mask


def detector_batch(batch: TensorBatch, seed: int, settings: HomographyConfig) -> TensorBatch:
    """Warp pictures and keypoints by one random homography each.

    Returns `numbers` (B,), `images` float32 (B, H, W, 1), `cell_labels` int32 (B, Hc, Wc), `cells_valid` bool (B, Hc,
    Wc).
    """
    _, images, keypoints, mask = _warped_view(batch, _to_unit(batch["images"]), seed, settings)
    shape = (int(images.shape[1]), int(images.shape[2]))
    labels = keypoints_to_cell_labels(keypoints, shape, sample_seeds(seed, _CELLS0, batch["numbers"]))
    return {
        "numbers": batch["numbers"],
        "images": images,
        "cell_labels": labels,
        "cells_valid": cells_valid(mask),
    }


def pair_batch(batch: TensorBatch, seed: int, settings: HomographyConfig) -> TensorBatch:
    """Make warped pairs: view 0 as it is, view 1 warped (paper section 3.3).

    Returns `numbers`, `images0/1`, `cell_labels0/1`, `cells_valid0/1` shaped as in `detector_batch`, and
    `homography_0to1` float32 (B, 3, 3).
    """
    images0 = _to_unit(batch["images"])
    homographies, images1, keypoints1, mask1 = _warped_view(batch, _to_unit(batch["images1"]), seed, settings)
    shape = (int(images0.shape[1]), int(images0.shape[2]))
    seeds0, seeds1 = (sample_seeds(seed, purpose, batch["numbers"]) for purpose in (_CELLS0, _CELLS1))
    labels0 = keypoints_to_cell_labels(batch["keypoints"], shape, seeds0)
    valid1 = cells_valid(mask1)
    return {
        "numbers": batch["numbers"],
        "images0": images0,
        "images1": images1,
        "cell_labels0": labels0,
        "cell_labels1": keypoints_to_cell_labels(keypoints1, shape, seeds1),
        "cells_valid0": cells_valid(tf.ones_like(mask1)),
        "cells_valid1": valid1,
        "homography_0to1": homographies,
    }


class BatchStream:
    """Batches of a source from any step on, rendered ahead by worker processes; use it as a context manager.

    With `share` (i, n) only the i-th of n equal parts of each batch is rendered, and given as the batch.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        seed: int,
        settings: HomographyConfig,
        workers: int,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self._source, self._batch_size, self._seed, self._settings = source, batch_size, seed, settings
        self._share = share
        self._workers = resolve_workers(workers)
        self._pool = start_pool(self._workers)
        self._error: BaseException | None = None

    def numbers(self, step: int) -> range:
        """Return the sample numbers of the whole batch of `step` (0-based)."""
        return range(step * self._batch_size, (step + 1) * self._batch_size)

    def own_numbers(self, step: int) -> range:
        """Return those of its numbers that are rendered here."""
        index, count = self._share
        size = self._batch_size // count
        return self.numbers(step)[index * size : (index + 1) * size]

    def _rendered(self, start_step: int) -> Iterator[Batch]:
        payloads = (self._source.payloads(self.own_numbers(step)) for step in itertools.count(start_step))
        try:
            yield from ordered_map(self._pool, self._source.render, payloads, window=2 * max(self._workers, 1))
        except Exception as error:  # tf.data would hide the message in a traceback; batches() raises it
            self._error = error

    def dataset(self, start_step: int = 0) -> tf.data.Dataset:
        """Return the endless dataset that starts with the batch of `start_step`."""
        height, width = self._source.image_shape
        size = len(self.own_numbers(0))
        picture = tf.TensorSpec((size, height, width), tf.uint8)
        signature = {
            "numbers": tf.TensorSpec((size,), tf.int64),
            "images": picture,
            "keypoints": tf.TensorSpec((size, None, 2), tf.float32),
        }
        if self._source.with_pairs:
            signature["images1"] = picture
        make: Callable[..., TensorBatch] = pair_batch if self._source.with_pairs else detector_batch
        dataset = tf.data.Dataset.from_generator(lambda: self._rendered(start_step), output_signature=signature)
        return dataset.map(
            lambda batch: make(batch, self._seed, self._settings),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        ).prefetch(2)

    def batches(self, start_step: int = 0) -> Iterator[TensorBatch]:
        """Iterate over the batches from `start_step` on; an error in a worker is raised here as it was."""
        yield from self.dataset(start_step)
        if self._error is not None:
            raise self._error

    def __enter__(self) -> BatchStream:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._pool is not None:
            with contextlib.suppress(Exception):
                self._pool.shutdown(wait=True, cancel_futures=True)  # nothing of ours runs on after the block
