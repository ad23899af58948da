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

from superpoint_tf.data.random_streams import Purpose
from superpoint_tf.data.sources import Batch, Source
from superpoint_tf.data.views import (
    TensorBatch,
    View,
    ViewSettings,
    corresponding_points,
    frame_view,
    homography_between,
    sample_seeds,
    sample_view_homographies,
    warped_view,
)
from superpoint_tf.geometry.cells import cells_valid, keypoints_to_cell_labels, keypoints_to_cell_targets
from superpoint_tf.geometry.homography import sample_homographies
from superpoint_tf.runtime.workers import ordered_map, resolve_workers, start_pool


def detector_batch(batch: TensorBatch, key: int, settings: ViewSettings) -> TensorBatch:
    """Warp pictures and keypoints by one random homography each.

    `batch` is what workers hand over (`Source.render`). Returns `numbers` (B,), `images` float32 (B, H, W, 1),
    `cell_labels` int32 (B, Hc, Wc), or with the targets `bilinear` float32 (B, Hc, Wc, 65), and `cells_valid` bool (B,
    Hc, Wc): all 64 pixels show a known part of the picture.
    """
    image_shape = _frame_shape(batch)
    homographies = sample_view_homographies(batch["numbers"], key, settings, image_shape)
    border_px = settings.homography.valid_border_px
    view = warped_view(batch, batch["images"], homographies, image_shape, border_px)
    return {
        "numbers": batch["numbers"],
        "images": view.images,
        "cell_labels": _targets(view, sample_seeds(key, Purpose.CELLS0, batch["numbers"]), settings),
        "cells_valid": cells_valid(view.mask),
    }


def pair_batch(batch: TensorBatch, key: int, settings: ViewSettings) -> TensorBatch:
    """Make warped pairs: view 0 as it is, view 1 warped (paper section 3.3), or both warped.

    With both, view 0 keeps to the near ranges: what the later part turns and zooms is the second view. Returns
    `numbers`, `images0/1`, `cell_labels0/1`, `cells_valid0/1` shaped as in `detector_batch`, `homography_0to1` float32
    (B, 3, 3), `points0/1` float32 (B, K, 2), corresponding keypoints row by row, NaN where a row is absent or not
    within the valid, known area of both views, and `shift_seeds` int64 (B, 2), stateless seeds of the consistency term.
    """
    image_shape, numbers = _frame_shape(batch), batch["numbers"]
    border_px = settings.homography.valid_border_px
    view0 = frame_view(batch, batch["images"], image_shape)
    if settings.both:
        seeds = sample_seeds(key, Purpose.HOMOGRAPHY0, numbers)
        homographies0 = sample_homographies(seeds, image_shape, settings.homography)
        view0 = warped_view(batch, batch["images"], homographies0, image_shape, border_px)
    homographies1 = sample_view_homographies(numbers, key, settings, image_shape)
    view1 = warped_view(batch, batch["images1"], homographies1, image_shape, border_px)
    points0, points1 = corresponding_points(view0, view1)
    return {
        "numbers": numbers,
        "images0": view0.images,
        "images1": view1.images,
        "cell_labels0": _targets(view0, sample_seeds(key, Purpose.CELLS0, numbers), settings),
        "cell_labels1": _targets(view1, sample_seeds(key, Purpose.CELLS1, numbers), settings),
        "cells_valid0": cells_valid(view0.mask),
        "cells_valid1": cells_valid(view1.mask),
        "homography_0to1": homography_between(view0, view1) if settings.both else homographies1,
        "points0": points0,
        "points1": points1,
        "shift_seeds": sample_seeds(key, Purpose.SHIFT, numbers),
    }


def _frame_shape(batch: TensorBatch) -> tuple[int, int]:
    """Return (height, width) of the frame: of its known area, or where all is known, of the pictures."""
    frame = batch["known"] if "known" in batch else batch["images"]
    return int(frame.shape[1]), int(frame.shape[2])


def _targets(view: View, seeds: tf.Tensor, settings: ViewSettings) -> tf.Tensor:
    image_shape = (int(view.mask.shape[1]), int(view.mask.shape[2]))
    if settings.targets == "bilinear":
        return keypoints_to_cell_targets(view.keypoints, image_shape)
    return keypoints_to_cell_labels(view.keypoints, image_shape, seeds)


class BatchStream:
    """Batches of a source from any step on, rendered ahead by worker processes; use it as a context manager.

    `key` is that of the stage (`random_streams.stage_key`), as the source's. With `share` (i, n) only the i-th of n
    equal parts of each batch is rendered, and given as the batch.
    """

    def __init__(
        self,
        source: Source,
        batch_size: int,
        key: int,
        settings: ViewSettings,
        workers: int,
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self._source, self._batch_size, self._key, self._settings = source, batch_size, key, settings
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
        make: Callable[..., TensorBatch] = pair_batch if self._source.with_pairs else detector_batch
        dataset = tf.data.Dataset.from_generator(lambda: self._rendered(start_step), output_signature=self._signature())
        return dataset.map(
            lambda batch: make(batch, self._key, self._settings),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        ).prefetch(2)

    def _signature(self) -> dict[str, tf.TensorSpec]:
        source, size = self._source, len(self.own_numbers(0))
        picture = tf.TensorSpec((size, *source.picture_shape), tf.uint8)
        signature = {
            "numbers": tf.TensorSpec((size,), tf.int64),
            "images": picture,
            "keypoints": tf.TensorSpec((size, None, 2), tf.float32),
        }
        if source.with_pairs:
            signature["images1"] = picture
        if source.with_known:
            signature["known"] = tf.TensorSpec((size, *source.image_shape), tf.bool)
        if source.picture_shape != source.image_shape:
            signature["picture_to_frame"] = tf.TensorSpec((size, 3, 3), tf.float64)
        return signature

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
