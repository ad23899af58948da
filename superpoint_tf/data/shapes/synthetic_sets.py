"""The sets of synthetic shapes: which sample number picture i of train, validation or test has."""

from __future__ import annotations

import dataclasses

import numpy as np

from superpoint_tf.config import Config
from superpoint_tf.data.random_streams import TEST_SHAPES, TRAINING, VALIDATION_SHAPES
from superpoint_tf.data.shapes.record_format import encode_sample
from superpoint_tf.synthetic import PRIMITIVES, SyntheticConfig, draw_sample, primitive_of

SPLITS = ("train", "validation", "test")

# Training counts up; each primitive of the others has 2**32 numbers of its own, so that picture j of a primitive is the
# same whatever the number of pictures and primitives asked for.
_NUMBERS = {"train": TRAINING, "validation": VALIDATION_SHAPES, "test": TEST_SHAPES}
_NUMBERS_A_PRIMITIVE = 2**32


def drawn_primitives(draw: SyntheticConfig) -> tuple[str, ...]:
    """Return the primitives that a config draws: those listed whose frequency is not zero, in fixed order."""
    return tuple(name for name in PRIMITIVES if draw.weight(name) > 0)


def split_size(config: Config, split: str) -> int:
    """Return the number of pictures of a set; validation and test hold equally many of each primitive."""
    _check_split(split)
    section = config.synthetic
    if split == "train":
        return section.num_train
    return len(drawn_primitives(section.draw)) * (section.num_validation if split == "validation" else section.num_test)


def sample_number(config: Config, split: str, index: int) -> tuple[int, str]:
    """Return the generator's sample number of picture `index` of a set, and its primitive.

    Training draws the primitive by the relative frequencies. Validation and test go through the primitives in turn, so
    that their first k * P pictures hold k of each.
    """
    _check_split(split)
    draw = config.synthetic.draw
    if split == "train":
        return index, primitive_of(config.seed, index, draw)
    primitives = drawn_primitives(draw)
    turn, position = divmod(index, len(primitives))
    number = _NUMBERS[split].first + PRIMITIVES.index(primitives[position]) * _NUMBERS_A_PRIMITIVE + turn
    return number, primitives[position]


def synthetic_sample(config: Config, split: str, index: int) -> tuple[np.ndarray, np.ndarray, str]:
    """Return picture `index` of a set: image uint8 (H, W), keypoints float32 (N, 2) xy, and its primitive.

    The single definition of these sets, for the files and for training straight from the generator.
    """
    number, primitive = sample_number(config, split, index)
    draw = config.synthetic.draw
    if split != "train":  # there draw_sample chooses the primitive itself
        draw = dataclasses.replace(draw, primitives=(primitive,))
    image, keypoints = draw_sample(config.seed, number, draw)
    return image, keypoints, primitive


def encode_samples(config: Config, span: tuple[str, int, int]) -> list[bytes]:
    """Draw the pictures of a span (split, first index, count), as the bytes of tf.train.Examples.

    It stands here and not beside the writing, because worker processes import its module: no TensorFlow.
    """
    split, first, count = span
    encoded = []
    for index in range(first, first + count):
        image, keypoints, primitive = synthetic_sample(config, split, index)
        encoded.append(encode_sample(image, keypoints, primitive, sample_number(config, split, index)[0]))
    return encoded


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"no synthetic set {split!r}; there are {', '.join(SPLITS)}")
