"""The backend of onnxruntime gives TensorFlow's keypoints and descriptors, of any size, and says what it lacks."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from skimage import data

from superpoint_tf import SuperPoint
from superpoint_tf.using.extraction_options import DEFAULT_WEIGHTS

IMAGE = data.camera()[150:390, 100:420]


@pytest.fixture(scope="module")
def models() -> tuple[SuperPoint, SuperPoint]:
    for package in ("tf2onnx", "onnxruntime"):
        pytest.importorskip(package, reason="the extra `export` is not installed")
    return SuperPoint.from_pretrained(DEFAULT_WEIGHTS), SuperPoint.from_pretrained(DEFAULT_WEIGHTS, backend="onnx")


@pytest.mark.parametrize(
    ("shape", "changes"),
    [((240, 320), {}), ((123, 205), {"subpixel": True}), ((96, 128), {"scales": (1.0, 1.5), "phases": 2})],
)
def test_it_finds_and_describes_as_tensorflow_does(
    models: tuple[SuperPoint, SuperPoint], shape: tuple[int, int], changes: dict
) -> None:
    expected, found = (model.extract(IMAGE[: shape[0], : shape[1]], max_keypoints=200, **changes) for model in models)
    assert len(expected.keypoints) > 20
    np.testing.assert_allclose(found.keypoints, expected.keypoints, atol=1e-3)
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-4)
    np.testing.assert_allclose(found.descriptors, expected.descriptors, atol=1e-4)


def test_a_batch_goes_through_together(models: tuple[SuperPoint, SuperPoint]) -> None:
    images = np.stack([IMAGE, IMAGE[::-1]])
    expected, found = (model.extract_batch(images, max_keypoints=100).features for model in models)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(other.keypoints, one.keypoints, atol=1e-3)


def test_what_it_cannot_do_is_an_error_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="backend 'torch': expected tensorflow or onnx"):
        SuperPoint.from_pretrained(DEFAULT_WEIGHTS, backend="torch")
    with pytest.raises(ValueError, match="backend 'onnx' computes in float32, not in auto"):
        SuperPoint.from_pretrained(DEFAULT_WEIGHTS, "auto", "onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"needs \w+: pip install .*\[export\]"):
        SuperPoint.from_pretrained(DEFAULT_WEIGHTS, backend="onnx")
