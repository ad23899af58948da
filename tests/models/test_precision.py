"""Inference in bfloat16: near to float32, float32 where asked or where nothing is gained, and part of the settings."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from skimage import data

from superpoint_tf import SuperPoint
from superpoint_tf.config.inference import AUTO, BFLOAT16, FLOAT32
from superpoint_tf.evaluation.metrics import partner_distances, repeatability
from superpoint_tf.models import precision
from superpoint_tf.using.extraction_options import DEFAULT_WEIGHTS
from superpoint_tf.using.extractor import Extractor

IMAGE = data.camera()[150:390, 100:420]


def test_bfloat16_finds_what_float32_finds_and_hands_out_float32() -> None:
    exact, half = (SuperPoint.from_pretrained(DEFAULT_WEIGHTS, each) for each in (FLOAT32, BFLOAT16))
    found = [model.extract(IMAGE, max_keypoints=300) for model in (exact, half)]
    assert not np.array_equal(found[0].scores, found[1].scores)  # it does compute otherwise
    distances = partner_distances(found[0].keypoints, found[1].keypoints, np.eye(3), IMAGE.shape, max_keypoints=None)
    assert repeatability(*distances, distance_px=1.0) > 0.97
    for features in found:
        assert features.descriptors is not None
        assert {array.dtype for array in (features.keypoints, features.scores, features.descriptors)} == {
            np.dtype(np.float32)
        }
    matches = exact.match(*found)
    pairs = found[0].descriptors[matches[:, 0]] @ found[1].descriptors[matches[:, 1]].T
    assert np.median(np.diag(pairs)) > 0.99


@pytest.mark.parametrize(("ratio", "chosen"), [(1.5, BFLOAT16), (1.01, FLOAT32), (0.5, FLOAT32)])
def test_what_is_faster_by_a_measurement_is_taken_and_the_reason_said(
    monkeypatch: pytest.MonkeyPatch, ratio: float, chosen: str
) -> None:
    monkeypatch.setattr(precision, "computes_bfloat16", lambda: True)
    monkeypatch.setattr(precision, "_times_as_fast", lambda network, other: ratio)
    extractor = Extractor(DEFAULT_WEIGHTS, precision=AUTO)
    assert extractor.notes == [f"{chosen}: bfloat16 is {ratio:.2f} times as fast as float32 here"]
    assert extractor.identity.get("precision", FLOAT32) == chosen  # another one's feature file is not gone on with


def test_a_processor_without_it_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "computes_bfloat16", lambda: False)
    monkeypatch.setattr(precision, "_times_as_fast", lambda network, other: pytest.fail("measured"))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind=None: [])
    loaded = precision.load_for_inference(DEFAULT_WEIGHTS, AUTO)
    assert (loaded.precision, loaded.reason) == (FLOAT32, "this processor has no instructions for bfloat16")


def test_the_measurement_runs_both() -> None:
    network = precision.load_for_inference(DEFAULT_WEIGHTS).network
    assert 0.2 < precision._times_as_fast(network, network) < 5


def test_another_precision_is_an_error_that_names_those_there_are() -> None:
    with pytest.raises(ValueError, match="precision 'half': expected one of float32, mixed_bfloat16, auto"):
        SuperPoint.from_pretrained(DEFAULT_WEIGHTS, "half")
