"""Photographs without labels as training samples: the keypoints are found as the picture is read."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from superpoint_tf.config import Config, LiftSection, PatchesSection
from superpoint_tf.data.batches.batch import Batch, pad_keypoints
from superpoint_tf.data.photographs.dog_keypoints import OrientedKeypoints, dog_keypoints
from superpoint_tf.data.photographs.labelled_photographs import RenderSettings, Sample, stack_views, take_unlabelled
from superpoint_tf.data.photographs.masked_photographs import Photograph
from superpoint_tf.data.photographs.numbered_photographs import NumberedPhotographs
from superpoint_tf.data.photographs.photograph_pairs import add_known
from superpoint_tf.data.photographs.surviving_keypoints import surviving_keypoints
from superpoint_tf.data.photometric_backends import pending_change


class FrameSettings(NamedTuple):
    """Which keypoints of a picture give frames of patches."""

    support: float  # the side of a patch, in diameters of its keypoint
    max_keypoints: int  # of a picture, the strongest
    copies: int = 0  # in so many turned and zoomed copies a keypoint must be found again; else it has no frame

    @classmethod
    def of(cls, config: Config) -> FrameSettings:
        """Take the settings from the section that trains."""
        section = config.training
        assert isinstance(section, PatchesSection | LiftSection)  # the others have no frames
        copies = section.copies if isinstance(section, LiftSection) else 0
        return cls(section.support, section.max_keypoints, copies)


class DetectedPhotographs(NumberedPhotographs):
    """Pairs of photometric views of photographs, with the frames of their keypoints of the difference of Gaussians."""

    with_pairs, with_frames = True, True

    def __init__(self, config: Config, image_root: str, photographs: Sequence[str], key: int) -> None:
        super().__init__(image_root, photographs, key)
        self._settings = RenderSettings.of(config, key, image_root)
        self.pending = pending_change(self._settings.photometric, ["images", "images1"])
        self._frames = FrameSettings.of(config)
        self.image_shape, self.picture_shape = self._settings.sample_shape, self._settings.picture_shape
        self.with_known = self.picture_shape != self.image_shape  # it tells the frame's shape
        self.description = f"{len(photographs)} photographs of {image_root} with keypoints of differences of Gaussians"

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        return [(number, self.picture_name(number), self._index(number)) for number in numbers]

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(render_detected, self._settings, self._frames)


def render_detected(settings: RenderSettings, frames: FrameSettings, payloads: list[Any]) -> Batch:
    """Return the batch of samples (number, photograph, which photograph), as `Source.render` says."""
    samples, rows = [], []
    for number, path, _ in payloads:
        sample, row = detected_sample(settings, frames, number, *settings.reading.read(path))
        samples.append(sample)
        rows.append(row)
    batch = stack_views(settings, [number for number, *_ in payloads], samples, [index for *_, index in payloads])
    batch["frames"] = pad_keypoints(rows)
    add_known(batch, settings, samples)
    return batch


def detected_sample(
    settings: RenderSettings, frames: FrameSettings, number: int, image: np.ndarray, mask: np.ndarray | None = None
) -> tuple[Sample, np.ndarray]:
    """Take the part that sample `number` shows of a photograph, and its keypoints: half sides and angles, (N, 2).

    Those that do not survive come last, their half sides and angles are NaN: they are keypoints that give no patch.
    """
    sample = take_unlabelled(settings, number, Photograph(image, mask))
    keypoints = dog_keypoints(sample.picture, frames.max_keypoints, sample.known)
    survive = surviving_keypoints(sample.picture, keypoints, frames.copies, settings.key, number)
    order = np.argsort(~survive, kind="stable")
    keypoints = OrientedKeypoints(*(values[order] for values in keypoints))
    to_sample = sample.picture_to_sample
    points = keypoints.points @ to_sample[:2, :2].T + to_sample[:2, 2]
    half_sides = keypoints.diameters * (frames.support / 2 * math.sqrt(np.linalg.det(to_sample[:2, :2])))
    rows = np.stack([half_sides, keypoints.angles], axis=1).astype(np.float32)
    rows[np.count_nonzero(survive) :] = np.nan
    return sample._replace(keypoints=points.astype(np.float32)), rows
