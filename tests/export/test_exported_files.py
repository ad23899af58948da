"""Files of every format, loaded again by their own runtimes."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from tensorflow.lite.tools import flatbuffer_utils

from superpoint_tf import command_line
from superpoint_tf.config import DetectionConfig, NetworkConfig
from superpoint_tf.export import exporter as export_run
from superpoint_tf.export.calibration import Photographs
from superpoint_tf.export.exporter import Exporter
from superpoint_tf.export.files import open_file, staged, write_file
from superpoint_tf.export.form import KEY, ORIGIN_FILE, Form
from superpoint_tf.export.format_comparison import measure_table
from superpoint_tf.export.formats import FORMATS, Format
from superpoint_tf.export.graph import ExportGraph
from superpoint_tf.export.request import Request, check_output, resolve_form, table_requests
from superpoint_tf.export.usage import usage
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights, load_weights
from superpoint_tf.runtime.progress import Console

HAS_EXTRA = all(importlib.util.find_spec(name) for name in ("tf2onnx", "onnxruntime"))
ONNX = pytest.param("onnx", marks=pytest.mark.skipif(not HAS_EXTRA, reason="needs pip install -e '.[export]'"))
SHAPE = (40, 60)  # padded in the width
KEYPOINTS = DetectionConfig(threshold=0.05, nms_radius_px=3, max_keypoints=50)


SMALL = NetworkConfig(width=1 / 16, batch_norm=True, descriptor_dim=8)


def save_network(path: Path, system: str = "superpoint", pooling: str = "max") -> Path:
    """Write weights of a small network whose probabilities differ from pixel to pixel."""
    config = replace(SMALL, pooling=pooling, system=system)
    network = build_network(config, seed=3)
    kernel = network.get_layer("detector_b").kernel
    kernel.assign(3.0 * kernel)
    get_weights(network, config, step=7).save(path)
    return path


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Photographs:
    folder = tmp_path_factory.mktemp("pictures")
    generator = np.random.default_rng(0)
    for number in range(4):
        blocks = generator.integers(0, 256, (8, 12), dtype=np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), cv2.resize(blocks, (96, 64), interpolation=cv2.INTER_CUBIC))
    return Photographs([str(path) for path in sorted(folder.iterdir())])


@pytest.fixture(scope="module")
def weights(tmp_path_factory) -> Path:
    return save_network(tmp_path_factory.mktemp("weights") / "small.npz")


@pytest.fixture(scope="module")
def exporter(weights: Path, pictures: Photographs) -> Exporter:
    return Exporter(str(weights), pictures, Console())


def read_origin(format_name: str, path: Path) -> dict[str, str]:
    """Read where a file comes from as a program without this package would."""
    if format_name == "savedmodel":
        return dict(json.loads((path / ORIGIN_FILE).read_text()))
    if format_name == "tflite":
        model = flatbuffer_utils.read_model(str(path))
        (entry,) = [entry for entry in model.metadata if entry.name == KEY.encode()]
        return dict(json.loads(bytes(model.buffers[entry.buffer].data)))
    import onnx

    return {entry.key: entry.value for entry in onnx.load(path).metadata_props}


@pytest.mark.parametrize("format_name", ["savedmodel", "tflite", ONNX])
def test_maps_of_any_height_and_width_equal_tensorflows(format_name: str, exporter: Exporter, weights, tmp_path: Path):
    request = Request(format_name, form=Form())
    exported = exporter.export(request, tmp_path / "out" / "model")
    assert exported.difference.images == 4 and exported.difference.keypoints > 100 and not exported.difference.alone
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model"]  # nothing temporary is left
    origin = read_origin(format_name, exported.path)
    assert origin["weights"] == "small" and origin["weights_sha256"] == load_weights(weights).fingerprint()
    images = np.random.default_rng(0).random((2, 17, 30, 1), np.float32)
    outputs = open_file(format_name, exported.path, 1)(images)
    assert {name: value.shape for name, value in outputs.items()} == {
        "heatmap": (2, 17, 30),
        "descriptors": (2, 3, 4, 8),
    }
    np.testing.assert_allclose(np.linalg.norm(outputs["descriptors"], axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("format_name", ["savedmodel", "tflite", ONNX])
def test_keypoints_equal_extract_and_the_printed_lines_run(
    format_name: str, exporter: Exporter, tmp_path: Path, monkeypatch
):
    request = Request(format_name, form=Form(SHAPE, format_name == "tflite", KEYPOINTS))
    exported = exporter.export(request, tmp_path / "model")
    assert exported.difference.keypoints > 10 and not exported.difference.alone
    monkeypatch.chdir(tmp_path)
    picture = next(iter(exporter.photographs.frames(SHAPE)))
    cv2.imwrite("picture.png", picture)
    code = usage(str(exported.path), request, True).replace("picture.jpg", "picture.png")
    found: dict = {}
    exec(code, found)
    expected = exporter.model.extract(picture, KEYPOINTS)
    np.testing.assert_array_equal(found["keypoints"], expected.keypoints)
    np.testing.assert_allclose(found["descriptors"], expected.descriptors, atol=1e-3)
    assert (np.asarray(found["outputs"]["descriptors"])[0, found["count"] :] == 0).all()


@pytest.mark.slow
@pytest.mark.parametrize("format_name", ["tflite", ONNX])
def test_coarser_weights_are_smaller_files_with_a_measured_repeatability(
    format_name: str, exporter: Exporter, tmp_path: Path, monkeypatch
):
    monkeypatch.setattr(export_run, "NUM_PAIRS", 2)
    form = Form((64, 96), format_name == "tflite")
    exported = {
        precision: exporter.export(Request(format_name, precision, form), tmp_path / precision)
        for precision in ("float32", "float16", "int8")
    }
    assert exported["float16"].size_bytes < exported["float32"].size_bytes
    assert exported["float32"].rows == [] and len(exported["float16"].rows) == 2
    ours, theirs = exported["int8"].rows
    assert ours["pairs"] == 2 and ours["method"] == "TensorFlow" and 0 < float(theirs["repeatability"]) <= 1
    heatmap = open_file(format_name, exported["int8"].path, 1)(exporter.photographs.batches((64, 96))[0])["heatmap"]
    assert len(np.unique(heatmap)) > 256  # probabilities are not quantised themselves


@pytest.mark.skipif(not HAS_EXTRA, reason="needs pip install -e '.[export]'")
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_axes_of_any_length_have_names_in_onnx(precision: str, exporter: Exporter, tmp_path: Path, monkeypatch):
    import onnx

    monkeypatch.setattr(export_run, "NUM_PAIRS", 1)
    exported = exporter.export(Request("onnx", precision, Form()), tmp_path / "model.onnx")
    model = onnx.load(exported.path)
    onnx.checker.check_model(model, full_check=True)
    axes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert axes == {
        "images": ["batch", "height", "width", 1],
        "heatmap": ["batch", "height", "width"],
        "descriptors": ["batch", "map_height", "map_width", 8],
    }


@pytest.mark.parametrize("format_name", ["tflite", ONNX])
def test_an_int8_export_says_how_far_it_is_in_every_part(
    format_name: str, exporter: Exporter, tmp_path: Path, monkeypatch, capsys
):
    monkeypatch.setattr(export_run, "NUM_PAIRS", 1)
    exporter.export(Request(format_name, "int8", Form((64, 96), format_name == "tflite")), tmp_path / "model")
    said = [line.partition(" | ")[2] for line in capsys.readouterr().out.splitlines()]
    for part in ("2/2 photographs for the ranges", "2/2 photographs |", "1/1 pairs"):
        assert any(line.startswith(part) for line in said), said


class NpzRuntime(ModuleType):
    """A format of arrays, as a new module of the package would be one."""

    def write(self, graph: ExportGraph, path: Path, precision: str, calibration: list, origin: dict[str, str]) -> None:
        with open(path, "wb") as file:
            np.savez(file, *graph.network.get_weights(), **origin)

    def load(self, path: Path, threads: int) -> Callable[[np.ndarray], dict[str, np.ndarray]]:
        network = build_network(SMALL)
        with np.load(path) as arrays:
            network.set_weights([arrays[f"arr_{number}"] for number in range(len(network.weights))])
        graph = ExportGraph(network, Form())
        return lambda images: {name: value.numpy() for name, value in graph.run(images).items()}


def test_a_new_format_is_a_module_and_a_row_of_the_table(
    exporter: Exporter, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "of_arrays", NpzRuntime("of_arrays"))
    row = Format("Npz", ".npz", "of_arrays", 'np.load("{path}")', ("float32",), "arrays are float32", (40, 60), True)
    monkeypatch.setitem(FORMATS, "npz", row)
    request = Request("npz", form=resolve_form("npz", "", None))
    assert request.form == Form((40, 60), True) and request in table_requests((40, 60), None)
    request.check()
    exported = exporter.export(request)
    assert exported.path.name == "small-40x60.npz" and [path.name for path in tmp_path.iterdir()] == ["small-40x60.npz"]
    assert exported.difference.keypoints > 50 and not exported.difference.alone
    with np.load(exported.path) as arrays:
        assert arrays["weights"] == "small"
    exporter.report(exported)
    assert 'np.load("small-40x60.npz")' in capsys.readouterr().out
    with pytest.raises(
        ValueError, match=r"npz --precision int8: arrays are float32; .* choose --format tflite or onnx"
    ):
        replace(request, precision="int8").check()
    with pytest.raises(ValueError, match=r"of another format; end it with \.onnx"):
        check_output("onnx", tmp_path / "small.npz")
    monkeypatch.setitem(FORMATS, "npz", replace(row, packages=("no_such_package",), extra="arrays"))
    with pytest.raises(ValueError, match=r"--format npz needs no_such_package: run `pip install -e '\.\[arrays\]'`"):
        request.check()


def test_a_detector_alone_is_exported_without_descriptors(pictures: Photographs, tmp_path: Path):
    exporter = Exporter(str(save_network(tmp_path / "detector.npz", "magicpoint")), pictures, Console())
    exported = exporter.export(Request("savedmodel", form=Form(SHAPE, False, KEYPOINTS)), tmp_path / "model")
    outputs = open_file("savedmodel", exported.path, 1)(np.zeros((1, *SHAPE, 1), np.float32))
    assert set(outputs) == {"keypoints", "scores", "num_keypoints"}


@pytest.mark.parametrize("format_name", ["tflite", ONNX])
def test_a_network_with_blurred_pooling_is_exported(format_name: str, pictures: Photographs, tmp_path: Path):
    exporter = Exporter(str(save_network(tmp_path / "blur.npz", pooling="blur")), pictures, Console())
    difference = exporter.export(Request(format_name, form=Form()), tmp_path / "model").difference
    assert difference.images == 4 and difference.keypoints > 50 and not difference.alone


def test_a_file_that_differs_is_an_error_with_code_1_and_leaves_nothing(
    exporter: Exporter, tmp_path, monkeypatch, capsys
):
    def write_other_weights(request, graph, path, calibration, origin):
        kernel = graph.network.get_layer("encoder_1a").kernel
        before = kernel.numpy()
        kernel.assign(before * 0.5)
        write_file(request, graph, path, calibration, origin)
        kernel.assign(before)

    monkeypatch.setattr(export_run, "write_file", write_other_weights)
    request = Request("savedmodel", form=Form(SHAPE))
    with pytest.raises(SystemExit) as ended:
        command_line.run_tool(lambda: exporter.export(request, tmp_path / "model"))  # type: ignore[arg-type]
    assert ended.value.code == 1 and list(tmp_path.iterdir()) == []
    assert "not written, it differs from TensorFlow" in capsys.readouterr().err


def test_a_folder_of_another_is_not_replaced_one_of_ours_is(tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="a folder that no export made"):
        check_output("savedmodel", folder)
    (folder / ORIGIN_FILE).parent.mkdir()
    (folder / ORIGIN_FILE).write_text("{}")
    with pytest.raises(KeyError), staged(folder) as temporary:
        temporary.mkdir()
        raise KeyError
    assert (folder / "thesis.txt").exists()
    with staged(folder) as temporary:
        temporary.mkdir()
    assert list(tmp_path.iterdir()) == [folder] and list(folder.iterdir()) == []


def test_no_readable_photograph_is_an_error_that_names_one(weights: Path, tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(b"no picture")
    exporter = Exporter(str(weights), Photographs([str(tmp_path / "broken.png")]), Console())
    with pytest.raises(ValueError, match=r"no photograph can be read: .*broken.png"):
        exporter.export(Request("savedmodel"), tmp_path / "model")


def test_photographs_without_a_keypoint_compare_nothing_and_are_an_error(exporter: Exporter, tmp_path: Path):
    form = Form(SHAPE, detection=DetectionConfig(threshold=1.0))
    with pytest.raises(ValueError, match="found no keypoint in 4 photographs, so nothing can be compared"):
        exporter.export(Request("savedmodel", form=form), tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_the_table_has_a_row_for_tensorflow_and_for_each_file(exporter: Exporter, monkeypatch):
    monkeypatch.setattr(export_run, "NUM_PAIRS", 2)
    requests = [Request("savedmodel", form=Form((64, 96))), Request("tflite", form=Form((64, 96), True))]
    lines = measure_table(exporter, requests).splitlines()
    names = [line.split("|")[1].strip() for line in lines[2:]]
    assert names == ["TensorFlow", "savedmodel float32", "tflite float32", "tflite float32, without XNNPACK"]
    assert {line.count("|") for line in lines} == {8}


@pytest.mark.slow
@pytest.mark.parametrize("format_name", ["savedmodel", "tflite", ONNX])
def test_the_shipped_weights_find_the_same_on_photographs(format_name: str, tmp_path: Path):
    from superpoint_tf.export.calibration import open_photographs

    exporter = Exporter("superpoint-small", open_photographs("bundled"), Console())
    for detection in (None, DetectionConfig()):
        form = Form((240, 320), format_name == "tflite", detection)
        difference = exporter.export(Request(format_name, form=form), tmp_path / f"{bool(detection)}").difference
        assert difference.images == 17 and difference.keypoints > 1000 and difference.descriptor < 1e-4
