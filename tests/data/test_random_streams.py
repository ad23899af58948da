"""No two purposes share random numbers, no two sets share sample numbers, and every seed is served."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.adaptation.aggregate import image_seed
from superpoint_tf.config import ConfigError, HomographyConfig, PhotometricConfig
from superpoint_tf.config.config_files import build_config
from superpoint_tf.config.config_rules import MAX_SAMPLES
from superpoint_tf.data.random_streams import (
    EVALUATION_PAIRS,
    FIRST_WORDS,
    KEY_LIMIT,
    NUMBER_RANGES,
    PHOTOGRAPH_WORDS,
    RETRIEVAL_VIEWS,
    TRAINING,
    NumberRange,
    Purpose,
    Stream,
    first_word,
    photograph_words,
    stage_key,
    stream_generator,
)
from superpoint_tf.data.views import sample_seeds
from superpoint_tf.evaluation.sets.random_homographies import random_homography_pairs
from superpoint_tf.geometry.homography import sample_homographies
from superpoint_tf.synthetic import PRIMITIVES, sample

LARGEST_SEED = 2**31 - 1
ROOT = Path(__file__).resolve().parents[2]
LABELS, WEIGHTS = {"labels": "a" * 64}, {"first weights": "b" * 64}


@pytest.mark.parametrize("ranges", [NUMBER_RANGES, FIRST_WORDS])
def test_no_two_ranges_share_a_number(ranges: Sequence[NumberRange]):
    for one, other in itertools.pairwise(sorted(ranges)):
        assert one.first + one.size <= other.first
    assert all(each.first >= 0 and each.first + each.size <= 2**63 for each in ranges)


def test_no_generator_is_made_beside_the_table():
    """Generators keyed by content (first weights, controls) or of a benchmark's own noise cannot meet a sample's."""
    keyed_by_content = {
        "superpoint_tf/benchmarks/extract.py",
        "superpoint_tf/benchmarks/pipeline.py",
        "superpoint_tf/evaluation/methods/controls.py",
        "superpoint_tf/networks/initialization.py",
        "superpoint_tf/networks/widening.py",
        "superpoint_tf/training/convex/descent.py",  # of pairs of points that are cut already
        "superpoint_tf/training/convex/pairs.py",
    }
    table = {"superpoint_tf/data/random_streams.py", "synthetic/sample.py"}  # the drawing: Stream.DRAWING
    makes = re.compile(r"Philox\(|default_rng\(|RandomState\(|random\.seed\(")
    paths = [path for folder in ("superpoint_tf", "synthetic", "tools") for path in (ROOT / folder).rglob("*.py")]
    found = {path.relative_to(ROOT).as_posix() for path in paths if makes.search(path.read_text())}
    assert found == keyed_by_content | table


def test_every_primitive_of_a_set_has_its_numbers_within_the_sets_range():
    assert all(each.size >= len(PRIMITIVES) * 2**32 for each in NUMBER_RANGES)


def test_no_two_purposes_of_any_keys_have_the_same_first_word():
    keys = (0, 1, 7, 8, 2**28, LARGEST_SEED, KEY_LIMIT // 2, KEY_LIMIT - 1)
    words = [first_word(key, purpose) for key in keys for purpose in Purpose]
    assert len(set(words)) == len(words) and max(words) < FIRST_WORDS[0].size
    assert len(set(Purpose)) == len(Purpose.__members__) and max(Purpose) < 8


def test_no_two_streams_of_numpy_have_the_same_word_or_first_number():
    assert len({int(stream) for stream in Stream}) == len(Stream.__members__)
    firsts = {stream_generator(stream, 3, 3).random() for stream in Stream}
    assert len(firsts) == len(Stream)


def test_the_drawing_of_shapes_is_the_stream_of_the_table_that_says_so():
    ours = stream_generator(Stream.DRAWING, 5, 3)  # key words [number, seed]
    assert sample._generator(seed=3, number=5).random() == ours.random()


@pytest.mark.parametrize("seed", [0, 2**28, LARGEST_SEED])
def test_every_seed_the_config_allows_is_served_and_none_wraps_around(seed: int, tmp_path):
    numbers = tf.constant([0, 1, 2**31, 2**40 + 1], tf.int64)
    words = sample_seeds(seed, Purpose.SHIFT, numbers).numpy()
    assert words.dtype == np.int64 and words[:, 0].tolist() == [8 * seed + 5] * 4
    assert words[:, 1].tolist() == numbers.numpy().tolist()
    assert stream_generator(Stream.PHOTOMETRIC, seed, 2**62, 3, 1).random() < 1
    assert image_seed(seed, "f" * 64).numpy()[1] == seed
    picture = tmp_path / "a.png"
    tf.io.write_file(str(picture), tf.io.encode_png(tf.zeros((40, 48, 1), tf.uint8)))
    settings = ((40, 48), HomographyConfig(), PhotometricConfig(), seed, 1)
    assert len(list(random_homography_pairs([picture], *settings))) == 1


def test_sixty_four_bits_give_the_numbers_that_thirty_two_gave():
    for seeds in ([[3, 5]], [[-5, LARGEST_SEED]], [[0, 0]]):
        one, other = (tf.constant(seeds, kind) for kind in (tf.int32, tf.int64))
        homographies = [sample_homographies(each, (40, 48), HomographyConfig()) for each in (one, other)]
        np.testing.assert_array_equal(*homographies)


def test_keys_beyond_the_table_are_refused_with_its_end():
    for key in (-1, KEY_LIMIT):
        with pytest.raises(ValueError, match=rf"key {key} is out of range; give 0 to 2\*\*56 - 1"):
            first_word(key, Purpose.CELLS0)
        with pytest.raises(ValueError, match="key"):
            stream_generator(Stream.CROP, key, 0)


def test_evaluation_pairs_share_no_photometric_number_with_training_or_shapes():
    evaluation = (EVALUATION_PAIRS, RETRIEVAL_VIEWS)
    assert EVALUATION_PAIRS.first >= max(each.first + each.size for each in NUMBER_RANGES if each not in evaluation)


# ------------------------------------------------------------------------------------------------ stages


def test_a_stage_that_starts_from_nothing_has_its_seed_as_key():
    assert stage_key(7, {}) == 7 and stage_key(7, {"records": "c" * 64}) == 7


def test_stages_of_other_labels_weights_or_seeds_have_other_keys_that_no_seed_is():
    stages = [stage_key(seed, inputs) for seed in (0, 1) for inputs in (LABELS, WEIGHTS, LABELS | WEIGHTS)]
    assert len(set(stages)) == len(stages)
    assert all(LARGEST_SEED < key < KEY_LIMIT for key in stages)


def test_a_stage_is_what_it_is_made_of_in_whatever_order():
    assert stage_key(0, LABELS | WEIGHTS) == stage_key(0, WEIGHTS | LABELS | {"records": "c" * 64})


def test_photographs_of_other_content_have_other_words():
    first, second = photograph_words(3, "0" * 64), photograph_words(3, "0" * 14 + "1" * 50)
    assert first == (PHOTOGRAPH_WORDS.first, 3) and second == (PHOTOGRAPH_WORDS.first + 1, 3)
    assert photograph_words(0, "0")[0] == PHOTOGRAPH_WORDS.first  # a short digest is one, too


def test_a_config_that_would_leave_the_numbers_of_a_training_is_refused():
    assert TRAINING.size == MAX_SAMPLES
    with pytest.raises(ConfigError, match=r"detector\.steps`: 1000000000 of 65536 samples are more than"):
        build_config({"detector": {"steps": 10**9, "batch_size": 2**16}})
