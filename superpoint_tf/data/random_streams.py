"""All random streams of the package in one table: which words of a key say what, and which sample numbers are whose.

A sample is a pure function of (seed, stage, number). The `key` of a stage is its seed, or a number made of the seed and
of what the stage starts from (`stage_key`), so that two trainings of one chain do not see the same samples.

TensorFlow's stateless numbers take two words: [8 key + purpose, number]. NumPy's Philox takes key words [key, number]
and counter words [0, part, view, stream]. No two purposes, streams or ranges may meet (tests/data/test_random_streams):
what is new takes a new number, or every sample of every seed changes. Numbers that depend on content alone (first
weights, evaluation's controls) are keyed by digests and stand beside the table.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from superpoint_tf.runtime import storage

KEY_LIMIT = 2**56  # keys are below it
_PURPOSES = 8  # a key
_STAGE_INPUTS = ("labels", "first weights")  # what makes a stage another one; the drawn pictures do not
_FIRST_STAGE_KEY = KEY_LIMIT // 2  # seeds lie below


class Purpose(enum.IntEnum):
    """What TensorFlow draws of a sample's number."""

    HOMOGRAPHY = 0  # of the warped picture: view 1 of a pair
    CELLS0 = 1  # which of several keypoints a cell of view 0 keeps
    CELLS1 = 2
    HOMOGRAPHY0 = 3  # of view 0, where both views are warped
    LATER = 4  # whether a sample of the later part takes the later ranges
    SHIFT = 5  # what losses draw: the consistency term's move, the keypoints chosen, points off the labels
    EVALUATION = 7  # homography of an evaluation pair
    PATCHES = 6  # which keypoints give patches, and how far off their second frames are


class Stream(enum.IntEnum):
    """What NumPy draws of a sample's number: word 3 of the counter."""

    DRAWING = 0  # of a synthetic shape; `synthetic` writes its key words in the order [number, seed]
    CROP = 0xC409  # the part of its frame that a sample shows
    FLIP = 0xF119  # whether it is mirrored
    ORDER = 0x0D03  # of the pictures of an epoch; number is the epoch
    EVALUATION_ORDER = 0x0D04  # of the photographs that evaluation pairs are made of
    SHIFTS_ORDER = 0x0D05  # of those that are moved
    RETRIEVAL_ORDER = 0x0D0A  # of those that are places, the others distractors
    PATCH_VIEWS = 0x0D06  # which two patches of a point in a set of patches are a sample
    DISTORTION = 0x0D17  # how a digit is turned, moved or bent
    PLANES = 0x0D07  # segments, planes and camera of a piecewise-planar pair
    DENSE_POINTS = 0x0D08  # the points whose partners are asked for
    APPEARANCE = 0x0D09  # how the second view of a cross-appearance pair looks
    COPIES = 0x0D0B  # how a photograph is turned and zoomed to see which keypoints are found again
    STEREO = 0x57E2  # the disparities of a drawn pair
    STEREO_CROP = 0x57E3  # the part of a pair that a sample shows
    NOISE_FIELD = 0x50F1  # the numbers that pictures' noise is read from, the same for all; key and number are 0
    PHOTOMETRIC = 0x50_686F_746F


class NumberRange(NamedTuple):
    """Consecutive sample numbers."""

    first: int
    size: int


TRAINING = NumberRange(0, 2**40)
VALIDATION_SHAPES = NumberRange(2**40, 2**40)
TEST_SHAPES = NumberRange(2**41, 2**40)
EVALUATION_PAIRS = NumberRange(2**42, 2**40)
RETRIEVAL_VIEWS = NumberRange(2**43, 2**40)
NUMBER_RANGES = (TRAINING, VALIDATION_SHAPES, TEST_SHAPES, EVALUATION_PAIRS, RETRIEVAL_VIEWS)

# First words of TensorFlow's seeds: of samples, and of homographic adaptation, whose items are named by content.
SAMPLE_WORDS = NumberRange(0, _PURPOSES * KEY_LIMIT)
PHOTOMETRIC_WORDS = NumberRange(2**59, 2 * KEY_LIMIT)  # of the photometric change in the graph, one a view
PHOTOGRAPH_WORDS = NumberRange(2**60, 2**60)  # second word: the run's seed
WARP_WORDS = NumberRange(2**61, 2**60)  # drawn from the former; second word: the number of the homography
FIRST_WORDS = (SAMPLE_WORDS, PHOTOMETRIC_WORDS, PHOTOGRAPH_WORDS, WARP_WORDS)


def stage_key(seed: int, inputs: Mapping[str, str]) -> int:
    """Return the key of a training: of its seed and of the fingerprints of its labels and first weights.

    `inputs` are those of a `Task`, by name: content and not paths, so that a resumed run keeps its key wherever they
    lie. Without either it is the seed itself.
    """
    stage = {name: inputs[name] for name in _STAGE_INPUTS if name in inputs}
    if not stage:
        return seed
    digest = storage.sha256(json.dumps([seed, stage], sort_keys=True).encode())
    return _FIRST_STAGE_KEY + int(digest, 16) % _FIRST_STAGE_KEY


def first_word(key: int, purpose: Purpose) -> int:
    """Return the first word of TensorFlow's seeds for a key and purpose; ValueError for a key that is out of range."""
    _check("key", key, KEY_LIMIT)
    return _PURPOSES * key + purpose


def photometric_word(key: int, view: int) -> int:
    """Return the first word of TensorFlow's seeds of view 0 or 1's photometric change; ValueError if out of range."""
    _check("key", key, KEY_LIMIT)
    _check("view", view, 2)
    return PHOTOMETRIC_WORDS.first + 2 * key + view


def photograph_words(seed: int, sha256: str) -> tuple[int, int]:
    """Return the two words of a photograph in homographic adaptation, by the content of its file."""
    return PHOTOGRAPH_WORDS.first + int(sha256[:15], 16) % PHOTOGRAPH_WORDS.size, seed


def stream_generator(stream: Stream, key: int, number: int, part: int = 0, view: int = 0) -> np.random.Generator:
    """Return NumPy's generator of one stream of sample `number`; `part` and `view` give it more of its own kind."""
    _check("key", key, KEY_LIMIT)
    _check("number", number, 2**63)
    words = {"key": [int(key), int(number)], "counter": [0, part, view, int(stream)]}
    return np.random.Generator(np.random.Philox(**{name: np.array(value, np.uint64) for name, value in words.items()}))


def _check(name: str, value: int, limit: int) -> None:
    if not 0 <= value < limit:
        raise ValueError(f"{name} {value} is out of range; give 0 to 2**{limit.bit_length() - 1} - 1")
