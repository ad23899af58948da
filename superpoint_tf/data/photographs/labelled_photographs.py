"""A labelled photograph as a training sample: its part of the frame, mirrored or not, with as many pixels as asked for.

Runs in workers, without TensorFlow. Three frames: the *file*, upright; the labels' *frame* (`photographs.image_shape`);
the *sample*, a part of the frame or all of it. The picture is cut from the file, never from the frame, if
`photographs.source_scale` asks for more pixels than the frame has.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np

from superpoint_tf.config import Config, PhotometricConfig
from superpoint_tf.data.batches.batch import Batch, stack_samples
from superpoint_tf.data.labels.label_origin import how_to_label
from superpoint_tf.data.labels.label_places import LabelPlace
from superpoint_tf.data.labels.label_sets import LabelSet, resolve_place
from superpoint_tf.data.labels.labels import Label, load_label
from superpoint_tf.data.photographs.masked_photographs import Photograph, PhotographReading, frame_mask
from superpoint_tf.data.photographs.numbered_photographs import NumberedPhotographs
from superpoint_tf.data.photographs.reading import (
    PhotographError,
    cover_and_crop,
    read_photograph_bytes,
)
from superpoint_tf.data.photometric import worker_change
from superpoint_tf.data.photometric_backends import pending_change
from superpoint_tf.data.random_streams import Stream, stream_generator
from superpoint_tf.detection.keypoints import on_mask
from superpoint_tf.runtime import storage

NO_CROP = (0, 0)
_NUM_CHECKED = 8  # photographs that are compared with their labels before training


@dataclass(frozen=True)
class RenderSettings:
    """What a worker needs of the config."""

    image_shape: tuple[int, int]
    crop_shape: tuple[int, int]
    photometric: PhotometricConfig
    key: int
    source_scale: float
    flip: bool
    min_votes: float
    reading: PhotographReading

    @classmethod
    def of(cls, config: Config, key: int, image_root: str = "") -> RenderSettings:
        """Take the settings for photographs below a root from a config."""
        section = config.photographs
        return cls(
            section.image_shape,
            section.crop_shape,
            section.photometric,
            key,
            section.source_scale,
            section.flip,
            section.min_votes,
            PhotographReading(section.stretch, section.masks, image_root, section.decoded),
        )

    @property
    def sample_shape(self) -> tuple[int, int]:
        """Return (height, width) of a sample, in pixels of the frame."""
        return self.image_shape if self.crop_shape == NO_CROP else self.crop_shape

    @property
    def picture_shape(self) -> tuple[int, int]:
        """Return (height, width) of a sample's picture: the same for every file, smaller ones are enlarged."""
        height, width = self.sample_shape
        return round(height * self.source_scale), round(width * self.source_scale)


class LabelledPhotographs(NumberedPhotographs):
    """Photographs with the pseudo-labels of one round of adaptation; `with_pairs` gives two photometric views."""

    with_known, with_frames = True, False

    def __init__(
        self,
        config: Config,
        image_root: str,
        labels: LabelSet,
        with_pairs: bool,
        key: int | None = None,
    ) -> None:
        if not len(labels):
            remedy = how_to_label(labels.root)
            raise ValueError(f"{labels.root}: round {labels.round} has no labelled photographs; {remedy}")
        super().__init__(image_root, labels, config.seed if key is None else key)
        self._labels, self.with_pairs = labels, with_pairs
        self._settings = RenderSettings.of(config, self.key, image_root)
        self.pending = pending_change(self._settings.photometric, ["images", "images1"][: 1 + with_pairs])
        self.image_shape, self.picture_shape = self._settings.sample_shape, self._settings.picture_shape
        self.description = (
            f"{len(labels)} photographs of {image_root} with the labels of round {labels.round} in {labels.root}"
        )

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        indices = [self._index(number) for number in numbers]
        return [(number, self._labels.place(index), index) for number, index in zip(numbers, indices, strict=True)]

    def check_photographs(self) -> None:
        """Compare some photographs with labels and masks now: those of another set should not wait for their turn.

        Raises what rendering would raise.
        """
        for index in np.linspace(0, len(self._labels) - 1, _NUM_CHECKED).round().astype(int):
            make_sample(self._settings, 0, self._labels.place(int(index)))

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(render_photographs, self._settings, self.with_pairs)


class Sample(NamedTuple):
    """A sample before its photometric changes."""

    picture: np.ndarray  # uint8 (Hs, Ws)
    keypoints: np.ndarray  # float32 (N, 2), xy of the sample
    known: np.ndarray  # bool (H, W), where the labels can tell whether there is a keypoint
    picture_to_sample: np.ndarray  # float64 (3, 3), from xy of the picture to xy of the sample


def render_photographs(settings: RenderSettings, with_pairs: bool, payloads: list[Any]) -> Batch:
    """Return the batch of samples (number, place of the label, which photograph), as `Source.render` says."""
    numbers = [number for number, *_ in payloads]
    samples = [make_sample(settings, number, place) for number, place, _ in payloads]
    pictures = [index for *_, index in payloads]
    batch = stack_views(settings, numbers, samples, pictures if with_pairs else None)
    batch["known"] = np.stack([sample.known for sample in samples])
    return batch


def stack_views(
    settings: RenderSettings, numbers: list[int], samples: Sequence[Sample], pictures: list[int] | None
) -> Batch:
    """Stack samples under their photometric changes, two with `pictures`, which photographs they are.

    A change that is left to the graph of the batch (`NumberedSource.pending`) is not made here.
    """

    def changed(view: int) -> list[np.ndarray]:
        return [
            worker_change(sample.picture, settings.photometric, settings.key, number, view)
            for number, sample in zip(numbers, samples, strict=True)
        ]

    batch = stack_samples(numbers, changed(0), [sample.keypoints for sample in samples])
    if pictures is not None:
        batch["images1"] = np.stack(changed(1))
        batch["pictures"] = np.array(pictures, np.int64)
    if settings.picture_shape != settings.sample_shape:
        batch["picture_to_frame"] = np.stack([sample.picture_to_sample for sample in samples])
    return batch


def make_sample(settings: RenderSettings, number: int, place: LabelPlace) -> Sample:
    """Read a label and its photograph, and take the part that sample `number` shows, mirrored if it is its turn."""
    photograph_name, labels = resolve_place(place)
    path = storage.join(settings.reading.root, photograph_name)
    content, label = read_labelled(settings.image_shape, path, labels)
    photograph, keypoints, known = (
        settings.reading.decode(content, path),
        label.keypoints,
        label.known(settings.min_votes),
    )
    if photograph.mask is not None:  # the labels may have been made without
        usable = frame_mask(photograph.mask, settings.image_shape)
        keypoints, known = keypoints[on_mask(keypoints, usable)], known & usable
    return take_part(settings, number, photograph.image, keypoints, known)


def take_unlabelled(settings: RenderSettings, number: int, photograph: Photograph) -> Sample:
    """Do `take_part` for a photograph without labels: all that is not under its mask is known."""
    known = np.ones(settings.image_shape, bool)
    if photograph.mask is not None:
        known = frame_mask(photograph.mask, settings.image_shape)
    return take_part(settings, number, photograph.image, np.zeros((0, 2), np.float32), known)


def take_part(
    settings: RenderSettings, number: int, original: np.ndarray, keypoints: np.ndarray, known: np.ndarray
) -> Sample:
    """Take the part of a file's picture that sample `number` shows, mirrored if it is its turn.

    Keypoints float32 (N, 2) and what is known bool (H, W) are those of its frame.
    """
    top, left = _corner(settings, number)
    part = slice(top, top + settings.sample_shape[0]), slice(left, left + settings.sample_shape[1])
    frame, file_to_frame = cover_and_crop(original, settings.image_shape)
    file_to_sample = _shift(-left, -top) @ file_to_frame
    picture, picture_to_sample = np.ascontiguousarray(frame[part]), np.eye(3)
    if settings.picture_shape != settings.sample_shape:
        picture, picture_to_sample = cut_from_file(
            original, file_to_sample, settings.sample_shape, settings.picture_shape
        )
    keypoints = _keypoints_within(keypoints - np.array([left, top], np.float32), settings.sample_shape)
    sample = Sample(picture, keypoints, np.ascontiguousarray(known[part]), picture_to_sample)
    return mirrored(sample) if _is_mirrored(settings, number) else sample


def read_labelled(image_shape: tuple[int, int], path: str, labels: str) -> tuple[bytes, Label]:
    """Return the content of a photograph and the label that was made of that very content.

    Raises PhotographError if it cannot be read, LabelError if it changed since, ValueError for labels of another frame.
    """
    try:
        content = read_photograph_bytes(path)
    except PhotographError as error:
        remedy = f"it was there when {labels} was made: put it back, or {how_to_label(labels)}"
        raise PhotographError(path, f"{error.reason}; {remedy}") from error
    label = load_label(labels, expected_sha256=storage.sha256(content))
    if label.image_shape != image_shape:
        raise ValueError(
            f"{labels}: made for {label.image_shape}, but photographs.image_shape is {image_shape}; "
            f"use the config that made the labels, or {how_to_label(labels)}"
        )
    return content, label


def cut_from_file(
    original: np.ndarray, file_to_sample: np.ndarray, sample_shape: tuple[int, int], picture_shape: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Cut what a sample shows out of the file uint8 (H, W), with as many pixels as `picture_shape`.

    Takes the whole pixels of the file that cover the sample, since pixels of the frame begin between those of the file;
    shrinks by area averaging, grows bilinearly. Returns the picture and the exact map float64 (3, 3) from its pixels to
    the sample's, by the half-pixel rule.
    """
    edges = np.array([[-0.5, -0.5], [sample_shape[1] - 0.5, sample_shape[0] - 0.5]])
    scale, offset = file_to_sample.diagonal()[:2], file_to_sample[:2, 2]
    low, high = (edges - offset) / scale + 0.5  # in the file, from its upper left edge
    slack = 1e-6  # of rounding
    first = np.maximum(np.floor(low + slack), 0).astype(int)
    last = np.minimum(np.ceil(high - slack), (original.shape[1], original.shape[0])).astype(int)
    region = original[first[1] : last[1], first[0] : last[0]]
    height, width = picture_shape
    method = cv2.INTER_AREA if height * width < region.size else cv2.INTER_LINEAR
    picture = cv2.resize(region, (width, height), interpolation=method)
    step_x, step_y = (last - first) / (width, height)  # pixels of the file a pixel of the picture
    picture_to_file = np.array(
        [[step_x, 0.0, 0.5 * step_x - 0.5 + first[0]], [0.0, step_y, 0.5 * step_y - 0.5 + first[1]], [0.0, 0.0, 1.0]]
    )
    return picture, file_to_sample @ picture_to_file


def mirrored(sample: Sample) -> Sample:
    """Return a sample mirrored left-right: picture, keypoints, known area, and the map between picture and sample."""
    picture, known = (np.ascontiguousarray(each[:, ::-1]) for each in (sample.picture, sample.known))
    keypoints = sample.keypoints * np.array([-1, 1], np.float32) + np.array([known.shape[1] - 1, 0], np.float32)
    turned = _mirror(known.shape[1]) @ sample.picture_to_sample @ _mirror(picture.shape[1])
    return Sample(picture, keypoints, known, turned)


def _corner(settings: RenderSettings, number: int) -> tuple[int, int]:
    """Return (top, left) of a sample's part of its frame."""
    if settings.crop_shape == NO_CROP:
        return 0, 0
    generator = stream_generator(Stream.CROP, settings.key, number)
    sides = zip(settings.image_shape, settings.crop_shape, strict=True)
    top, left = (int(generator.integers(side - part + 1)) for side, part in sides)
    return top, left


def _is_mirrored(settings: RenderSettings, number: int) -> bool:
    return settings.flip and bool(stream_generator(Stream.FLIP, settings.key, number).random() < 0.5)


def _keypoints_within(keypoints: np.ndarray, sample_shape: tuple[int, int]) -> np.ndarray:
    """Return the keypoints (N, 2) that lie in the sample: it reaches half a pixel beyond its outer pixels' centres."""
    height, width = sample_shape
    return keypoints[((keypoints >= -0.5) & (keypoints < np.array([width, height]) - 0.5)).all(axis=1)]


def _shift(x: float, y: float) -> np.ndarray:
    return np.array([[1.0, 0.0, x], [0.0, 1.0, y], [0.0, 0.0, 1.0]])


def _mirror(width: int) -> np.ndarray:
    return np.array([[-1.0, 0.0, width - 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
