"""Picture i of a set is one fixed picture, and no two sets share one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from superpoint_tf.config import Config, SyntheticSection
from superpoint_tf.data.shapes.synthetic_sets import (
    SPLITS,
    drawn_primitives,
    encode_samples,
    sample_number,
    split_size,
    synthetic_sample,
)
from superpoint_tf.synthetic import PRIMITIVES, SyntheticConfig, draw_sample


def config_with(**draw: object) -> Config:
    section = SyntheticSection(num_train=50, num_validation=3, num_test=4, draw=SyntheticConfig(**draw))  # type: ignore[arg-type]
    return Config(synthetic=section)


def test_validation_and_test_hold_equally_many_of_each_primitive():
    config = config_with()
    assert [split_size(config, split) for split in SPLITS] == [50, 27, 36]
    for split in ("validation", "test"):
        names = [sample_number(config, split, i)[1] for i in range(split_size(config, split))]
        assert names == list(PRIMITIVES) * (3 if split == "validation" else 4)


def test_a_training_picture_is_the_generator_s_picture_of_that_number():
    image, keypoints, _ = synthetic_sample(config_with(), "train", 17)
    expected_image, expected_keypoints = draw_sample(0, 17, SyntheticConfig())
    np.testing.assert_array_equal(image, expected_image)
    np.testing.assert_array_equal(keypoints, expected_keypoints)


def test_no_two_sets_share_a_sample_number():
    config = config_with()
    numbers = [sample_number(config, split, i)[0] for split in SPLITS for i in range(split_size(config, split))]
    assert len(set(numbers)) == len(numbers) and max(numbers) < 2**62


def test_a_test_picture_does_not_depend_on_how_many_or_which_others_were_asked_for():
    few = config_with(primitives=("cube", "star"))
    many = dataclasses.replace(few, synthetic=dataclasses.replace(few.synthetic, num_test=500, draw=SyntheticConfig()))
    image, _, primitive = synthetic_sample(few, "test", 3)  # cube comes after star in the list of all: second cube
    other, _, other_primitive = synthetic_sample(many, "test", 9 + PRIMITIVES.index("cube"))
    assert primitive == other_primitive == "cube"
    np.testing.assert_array_equal(image, other)


def test_a_primitive_of_frequency_zero_is_in_no_set():
    assert drawn_primitives(SyntheticConfig(frequencies={"noise": 0.0})) == PRIMITIVES[:-1]


def test_encoded_samples_are_the_samples_in_order():
    config = config_with()
    assert encode_samples(config, ("test", 2, 3)) == [encode_samples(config, ("test", i, 1))[0] for i in (2, 3, 4)]


def test_an_unknown_set_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="'val'; there are train, validation, test"):
        split_size(config_with(), "val")
