"""Where training pictures come from: sample number n of a source is the same picture and keypoints in every run.

A source turns numbers into payloads in the main process (cheap) and payloads into arrays in a worker (drawing,
decoding, photometric change). Nothing here imports TensorFlow, so that workers start at once.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from superpoint_tf import storage
from superpoint_tf.config import Config, PhotometricConfig
from superpoint_tf.data.labels import Label, label_path, load_label
from superpoint_tf.data.photographs import PhotographError, cover_and_crop, decode_photograph, read_photograph_bytes
from superpoint_tf.data.photometric import photometric_change
from superpoint_tf.data.synthetic_sets import synthetic_sample

Batch = dict[str, np.ndarray]
NO_CROP = (0, 0)
_NUM_CHECKED = 8  # photographs that are compared with their labels before training
_CROP_STREAM = 0xC409  # parts the crop's random numbers from those of the photometric change


class Source(Protocol):
    """Numbered training pictures."""

    description: str
    image_shape: tuple[int, int]
    with_pairs: bool

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        """Return what a worker needs to render the samples of these numbers."""
        ...

    def picture_name(self, number: int) -> str:
        """Say which picture sample `number` is, for messages."""
        ...

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        """Return a picklable function from payloads to a batch.

        The batch holds `numbers` int64 (B,), `images` uint8 (B, H, W), `keypoints` float32 (B, K, 2) xy padded with
        NaN, and for pairs `images1` uint8 (B, H, W): the same picture under another photometric change.
        """
        ...


@functools.lru_cache(maxsize=4)
def _epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    return np.random.Generator(np.random.Philox(key=[seed, epoch])).permutation(count)


def index_of_sample(seed: int, number: int, count: int) -> int:
    """Return which of `count` items sample `number` is; every epoch is a permutation of its own."""
    epoch, position = divmod(number, count)
    return int(_epoch_order(seed, epoch, count)[position])


def pad_keypoints(keypoints: Iterable[np.ndarray]) -> np.ndarray:
    """Stack keypoints (N_i, 2) to float32 (B, max N_i, 2), absent ones NaN."""
    keypoints = list(keypoints)
    padded = np.full((len(keypoints), max((len(k) for k in keypoints), default=0), 2), np.nan, np.float32)
    for row, points in zip(padded, keypoints, strict=True):
        row[: len(points)] = points
    return padded


def _stack(numbers: list[int], images: list[np.ndarray], keypoints: list[np.ndarray]) -> Batch:
    return {"numbers": np.array(numbers, np.int64), "images": np.stack(images), "keypoints": pad_keypoints(keypoints)}


# ------------------------------------------------------------------------------------------------ synthetic shapes


class GeneratedShapes:
    """Synthetic shapes straight from the generator: never the same picture twice."""

    with_pairs = False

    def __init__(self, config: Config) -> None:
        self.image_shape = config.synthetic.draw.image_shape
        self.description = "synthetic shapes, drawn as they are needed"
        self._config = config

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        return list(numbers)

    def picture_name(self, number: int) -> str:
        return f"synthetic shape {number}"

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(_render_generated, self._config)


def _render_generated(config: Config, numbers: list[int]) -> Batch:
    images, keypoints = [], []
    for number in numbers:
        image, points, _ = synthetic_sample(config, "train", number)
        images.append(photometric_change(image, config.synthetic.photometric, config.seed, number))
        keypoints.append(points)
    return _stack(numbers, images, keypoints)


class RecordedShapes:
    """Synthetic shapes from the files that generate_synthetic.py wrote, in a new order every epoch."""

    with_pairs = False

    def __init__(self, config: Config) -> None:
        from superpoint_tf.data.records import SyntheticRecords  # needs TensorFlow; workers import this module too

        self._records = SyntheticRecords(config.synthetic.root, "train")
        self._config = config
        self.image_shape = config.synthetic.draw.image_shape
        self.description = f"{len(self._records)} synthetic shapes from {config.synthetic.root}"

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        count = len(self._records)
        return [(n, *self._records[index_of_sample(self._config.seed, n, count)][:2]) for n in numbers]

    def picture_name(self, number: int) -> str:
        index = index_of_sample(self._config.seed, number, len(self._records))
        return f"picture {index} of {self._config.synthetic.root}"

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(_render_recorded, self._config.synthetic.photometric, self._config.seed)


def _render_recorded(photometric: PhotometricConfig, seed: int, samples: list[Any]) -> Batch:
    numbers, images, keypoints = (list(column) for column in zip(*samples, strict=True))
    images = [photometric_change(image, photometric, seed, n) for n, image in zip(numbers, images, strict=True)]
    return _stack(numbers, images, keypoints)


# ------------------------------------------------------------------------------------------------ photographs


class LabelledPhotographs:
    """Photographs with the pseudo-labels of one round of adaptation; `with_pairs` gives two photometric views."""

    def __init__(
        self, config: Config, image_root: str, photographs: Sequence[str], labels: str, round: int, with_pairs: bool
    ) -> None:
        if not photographs:
            raise ValueError(
                f"{labels}: round {round} has no labelled photographs; run tools/homographic_adapt.py again"
            )
        self._config, self._photographs = config, tuple(photographs)
        self._image_root, self._labels, self._round = image_root, labels, round
        self.with_pairs = with_pairs
        crop = config.photographs.crop_shape
        self.image_shape = config.photographs.image_shape if crop == NO_CROP else crop
        self.description = (
            f"{len(photographs)} photographs of {image_root} with the labels of round {round} in {labels}"
        )

    def payloads(self, numbers: Sequence[int]) -> list[Any]:
        result = []
        for number in numbers:
            name = self._name(number)
            path = storage.join(self._image_root, name)
            result.append((number, path, label_path(self._labels, self._round, name)))
        return result

    def check_photographs(self) -> None:
        """Compare some photographs with their labels now: those of another image set should not wait for their turn.

        Raises what rendering would raise.
        """
        for index in np.linspace(0, len(self._photographs) - 1, _NUM_CHECKED).round().astype(int):
            name = self._photographs[index]
            path = storage.join(self._image_root, name)
            _read_labelled(self._config.photographs.image_shape, path, label_path(self._labels, self._round, name))

    def picture_name(self, number: int) -> str:
        return storage.join(self._image_root, self._name(number))

    def _name(self, number: int) -> str:
        return self._photographs[index_of_sample(self._config.seed, number, len(self._photographs))]

    @property
    def render(self) -> Callable[[list[Any]], Batch]:
        return functools.partial(_render_photographs, RenderSettings.of(self._config), self.with_pairs)


@dataclass(frozen=True)
class RenderSettings:
    """What a worker needs of the config."""

    image_shape: tuple[int, int]
    crop_shape: tuple[int, int]
    photometric: PhotometricConfig
    seed: int

    @classmethod
    def of(cls, config: Config) -> RenderSettings:
        """Take the settings for photographs from a config."""
        section = config.photographs
        return cls(section.image_shape, section.crop_shape, section.photometric, config.seed)


def _render_photographs(settings: RenderSettings, with_pairs: bool, samples: list[Any]) -> Batch:
    numbers, keypoints = [], []
    views: list[list[np.ndarray]] = [[], []]
    for number, path, labels in samples:
        content, label = _read_labelled(settings.image_shape, path, labels)
        image, _ = cover_and_crop(decode_photograph(content, path), settings.image_shape)
        image, points = _random_crop(image, label.keypoints, settings, number)
        for view in range(2 if with_pairs else 1):
            views[view].append(photometric_change(image, settings.photometric, settings.seed, number, view))
        keypoints.append(points)
        numbers.append(number)
    batch = _stack(numbers, views[0], keypoints)
    if with_pairs:
        batch["images1"] = np.stack(views[1])
    return batch


def _read_labelled(image_shape: tuple[int, int], path: str, labels: str) -> tuple[bytes, Label]:
    """Return the content of a photograph and the label that was made of that very content.

    Raises PhotographError if it cannot be read, LabelError if it changed since, ValueError for labels of another frame.
    """
    try:
        content = read_photograph_bytes(path)
    except PhotographError as error:
        remedy = f"it was there when {labels} was made: put it back, or run tools/homographic_adapt.py again"
        raise PhotographError(path, f"{error.reason}; {remedy}") from error
    label = load_label(labels, expected_sha256=storage.sha256(content))
    if label.image_shape != image_shape:
        raise ValueError(
            f"{labels}: made for {label.image_shape}, but photographs.image_shape is {image_shape}; "
            "use the config that made the labels, or run tools/homographic_adapt.py again"
        )
    return content, label


def _random_crop(
    image: np.ndarray, keypoints: np.ndarray, settings: RenderSettings, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a sample's part out of its frame (H, W), and bring the keypoints (N, 2) that lie in it along."""
    if settings.crop_shape == NO_CROP:
        return image, keypoints
    generator = np.random.Generator(np.random.Philox(key=[settings.seed, number], counter=[0, 0, 0, _CROP_STREAM]))
    height, width = settings.crop_shape
    top, left = (
        int(generator.integers(side - part + 1)) for side, part in zip(image.shape, (height, width), strict=True)
    )
    moved: np.ndarray = keypoints - np.array([left, top], np.float32)
    # the part reaches half a pixel beyond its outer pixels' centres
    inside = ((moved >= -0.5) & (moved < np.array([width, height]) - 0.5)).all(axis=1)
    return np.ascontiguousarray(image[top : top + height, left : left + width]), moved[inside]
