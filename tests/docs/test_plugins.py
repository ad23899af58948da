"""The files of docs/plugins, under the interfaces that other packages give them.

hloc is on no package index: what it expects of an extractor is built here, in the form of its `utils/base_model.py` and
of the loop of its `extract_features.py`. easy-local-features is the released package, where it is installed.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from superpoint_tf import SuperPoint
from superpoint_tf.data.photographs.reading import read_photograph

PLUGINS = Path(__file__).resolve().parents[2] / "docs" / "plugins"
BASE_MODEL = """
import inspect
from abc import ABCMeta, abstractmethod

from torch import nn


class BaseModel(nn.Module, metaclass=ABCMeta):
    default_conf = {}
    required_inputs = []

    def __init__(self, conf):
        super().__init__()
        self.conf = conf = {**self.default_conf, **conf}
        self._init(conf)

    def forward(self, data):
        for key in self.required_inputs:
            assert key in data, key
        return self._forward(data)

    @abstractmethod
    def _init(self, conf): ...

    @abstractmethod
    def _forward(self, data): ...


def dynamic_load(root, model):
    path = f"{root.__name__}.{model}"
    module = __import__(path, fromlist=[""])
    classes = [c for _, c in inspect.getmembers(module, inspect.isclass) if c.__module__ == path]
    (found,) = [c for c in classes if issubclass(c, BaseModel)]
    return found
"""


@pytest.fixture
def photograph() -> str:
    skimage = importlib.util.find_spec("skimage")
    assert skimage is not None and skimage.origin is not None
    return str(Path(skimage.origin).parent / "data" / "camera.png")


def forget(package: str) -> None:
    for name in [name for name in sys.modules if name == package or name.startswith(f"{package}.")]:
        del sys.modules[name]


@pytest.fixture
def hloc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """hloc's packages as far as an extractor meets them, with ours among the extractors."""
    pytest.importorskip("torch", reason="needs PyTorch, as hloc does")
    for package in ("hloc", "hloc/extractors", "hloc/utils"):
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / "hloc" / "utils" / "base_model.py").write_text(BASE_MODEL)
    shutil.copy(PLUGINS / "hloc_superpoint_tf.py", tmp_path / "hloc" / "extractors" / "superpoint_tf.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield SimpleNamespace(
        extractors=importlib.import_module("hloc.extractors"), base=importlib.import_module("hloc.utils.base_model")
    )
    forget("hloc")


def test_hloc_finds_the_extractor_by_its_name_and_gets_what_it_stores(hloc: Any, photograph: str):
    import torch

    conf = importlib.import_module("hloc.extractors.superpoint_tf").CONF
    model = hloc.base.dynamic_load(hloc.extractors, conf["model"]["name"])(conf["model"] | {"max_keypoints": 50})
    assert conf["preprocessing"]["grayscale"] and conf["output"].startswith("feats-")
    image = read_photograph(photograph)
    with torch.no_grad():
        prediction = model.eval()({"image": torch.from_numpy(image.astype(np.float32) / 255)[None, None]})
    stored = {name: value[0].cpu().numpy() for name, value in prediction.items()}  # as hloc's loop takes it
    expected = SuperPoint.from_pretrained("superpoint-small").extract(image, max_keypoints=50, subpixel=True)
    assert stored["keypoints"].shape == (50, 2) and stored["descriptors"].shape == (256, 50)
    np.testing.assert_allclose(stored["keypoints"], expected.keypoints, atol=1e-3)
    np.testing.assert_allclose(stored["descriptors"].T, expected.descriptors, atol=1e-4)
    np.testing.assert_allclose(stored["scores"], expected.scores, atol=1e-4)


def test_hloc_gets_arrays_of_no_keypoints_where_nothing_is_to_be_seen(hloc: Any):
    import torch

    model = hloc.base.dynamic_load(hloc.extractors, "superpoint_tf")({"name": "superpoint_tf"})
    prediction = model({"image": torch.zeros(1, 1, 64, 80)})
    assert {name: tuple(value.shape) for name, value in prediction.items()} == {
        "keypoints": (1, 0, 2),
        "scores": (1, 0),
        "descriptors": (1, 256, 0),
    }


@pytest.fixture
def easy(monkeypatch: pytest.MonkeyPatch) -> Any:
    package = pytest.importorskip("easy_local_features", reason="needs easy-local-features")
    monkeypatch.syspath_prepend(str(PLUGINS))
    importlib.import_module("easy_local_features_superpoint_tf")
    return package


def test_easy_local_features_knows_the_method_by_its_name(easy: Any):
    assert "superpoint_tf" in easy.available_methods
    assert easy.describe("superpoint_tf")["method_type"] == "detect_describe"
    method = easy.getExtractor("superpoint_tf", {"top_k": 30})
    assert method.has_detector and method.to("cpu") is method


@pytest.mark.parametrize("form", ["path", "array", "tensor", "batch of one"])
def test_easy_local_features_gets_batches_of_one_whatever_form_the_image_has(easy: Any, form: str, photograph: str):
    import torch

    image = read_photograph(photograph)
    tensor = torch.from_numpy(image.astype(np.float32) / 255).expand(3, -1, -1)
    given = {"path": photograph, "array": image, "tensor": tensor, "batch of one": tensor[None]}[form]
    method = easy.getMethod("superpoint_tf", {"top_k": 40})
    keypoints, descriptors = method.detectAndCompute(given)
    assert keypoints.shape == (1, 40, 2) and descriptors.shape == (1, 40, 256)
    expected = SuperPoint.from_pretrained("superpoint-small").extract(image, max_keypoints=40, subpixel=True)
    np.testing.assert_allclose(keypoints[0].numpy(), expected.keypoints, atol=0.05)  # grey of three equal channels
    described = method.compute(given, keypoints)
    np.testing.assert_allclose(described.numpy(), descriptors.numpy(), atol=1e-3)


def test_easy_local_features_matches_a_picture_with_itself_moved(easy: Any, photograph: str):
    image = read_photograph(photograph)
    found = easy.getMethod("superpoint_tf", {"top_k": 300}).match(image[:, 16:].copy(), image[:, :-16].copy())
    moved = found["mkpts1"] - found["mkpts0"]
    assert len(moved) > 100
    assert float(((moved - moved.new_tensor([16.0, 0.0])).norm(dim=1) < 2).float().mean()) > 0.9
