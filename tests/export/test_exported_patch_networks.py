"""Descriptor networks as files, loaded again by their own runtimes."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import NetworkConfig
from superpoint_tf.export.calibration import Photographs
from superpoint_tf.export.comparison import DiffersFromTensorFlow, compare_vectors
from superpoint_tf.export.files import open_file
from superpoint_tf.export.patch_exporter import PatchExporter, sees_patches
from superpoint_tf.export.request import Request
from superpoint_tf.export.usage import usage
from superpoint_tf.models.patch_model import PatchModel
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights
from superpoint_tf.runtime.progress import Console

HAS_EXTRA = all(importlib.util.find_spec(name) for name in ("tf2onnx", "onnxruntime"))
ONNX = pytest.param("onnx", marks=pytest.mark.skipif(not HAS_EXTRA, reason="needs pip install -e '.[export]'"))


def save(path: Path, system: str) -> str:
    config = NetworkConfig(system=system)
    get_weights(build_network(config, seed=3), config).save(path)
    return str(path)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Photographs:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(2):
        blocks = np.random.default_rng(number).integers(0, 256, (12, 16), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(blocks, (320, 240), interpolation=cv2.INTER_CUBIC))
    return Photographs([str(path) for path in sorted(folder.iterdir())])


@pytest.mark.parametrize("system", ["hardnet", "tnet-tloss"])
@pytest.mark.parametrize("format_name", ["savedmodel", "tflite", ONNX])
def test_vectors_of_any_number_of_patches_equal_tensorflows_and_the_printed_lines_run(
    format_name: str, system: str, pictures: Photographs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    weights = save(tmp_path / f"{system}.npz", system)
    exporter = PatchExporter(weights, pictures, Console())
    side = exporter.model.side_px
    exported = exporter.export(Request(format_name, form=exporter.form))
    assert exported.path.name.startswith(f"{system}.") and exported.difference.patches > 20
    patches = np.random.default_rng(0).integers(0, 256, (5, side, side), dtype=np.uint8)
    outputs = open_file(format_name, exported.path, 1)(patches[..., None].astype(np.float32) / 255)
    assert set(outputs) == {"vectors"}
    expected = PatchModel.from_pretrained(weights).describe_patches(patches)
    np.testing.assert_allclose(outputs["vectors"], expected, atol=1e-4)
    cv2.imwrite("patch.png", patches[0])
    found: dict = {}
    exec(usage(str(exported.path), exported.request, True), found)
    np.testing.assert_allclose(found["vectors"], expected[:1], atol=1e-4)


@pytest.mark.slow
def test_coarser_weights_are_smaller_files(pictures: Photographs, tmp_path: Path):
    exporter = PatchExporter(save(tmp_path / "hardnet.npz", "hardnet"), pictures, Console())
    sizes = {}
    for precision in ("float32", "float16", "int8"):
        exported = exporter.export(Request("tflite", precision, exporter.form), tmp_path / precision)
        sizes[precision] = exported.size_bytes
        assert exported.difference.largest < {"float32": 1e-4, "float16": 0.01, "int8": 0.5}[precision]
    assert sizes["int8"] < sizes["float16"] < sizes["float32"]


def test_a_system_of_scores_and_photographs_without_a_keypoint_are_refused(pictures: Photographs, tmp_path: Path):
    weights = save(tmp_path / "siam.npz", "siam")
    assert sees_patches(weights) and not sees_patches("superpoint-small")
    with pytest.raises(ValueError, match="siam scores pairs of patches; only vectors are exported"):
        PatchExporter(weights, pictures, Console())
    cv2.imwrite(str(tmp_path / "flat.png"), np.full((240, 320), 90, np.uint8))
    exporter = PatchExporter(
        save(tmp_path / "tfeat.npz", "tfeat"), Photographs([str(tmp_path / "flat.png")]), Console()
    )
    with pytest.raises(ValueError, match="no photograph has a keypoint to cut a patch about; pass --images"):
        exporter.export(Request("savedmodel", form=exporter.form), tmp_path / "model")


def test_a_number_that_is_off_is_refused_and_a_bit_in_thousands_may_turn():
    vectors = np.sign(np.random.default_rng(0).normal(size=(40, 100)))
    moved = vectors.copy()
    moved[3, 5] += 0.002
    difference = compare_vectors(vectors, moved, binary=False)
    assert (difference.patches, difference.numbers, difference.elsewhere) == (40, 4000, 1)
    with pytest.raises(DiffersFromTensorFlow, match=r"3999 of 4000 numbers within 0\.001, all within 2\.0e-03"):
        difference.raise_if_large()
    moved[3, :4] *= -1
    with pytest.raises(DiffersFromTensorFlow):
        compare_vectors(vectors, moved, binary=True).raise_if_large()  # five
    moved[3, 0] *= -1
    compare_vectors(vectors, moved, binary=True).raise_if_large()  # four of four thousand
