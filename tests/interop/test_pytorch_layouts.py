"""What a state_dict must hold to be read, as far as that needs no PyTorch."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from superpoint_tf.config import NetworkConfig
from superpoint_tf.interop.pytorch import load_pytorch
from superpoint_tf.interop.pytorch_layouts import HUGGING_FACE, MAGIC_LEAP, RPAUTRAT, Layout, convert
from superpoint_tf.networks.weights import WeightsError

ROOT = Path(__file__).resolve().parents[2]
StateOf = Callable[[Layout], dict[str, np.ndarray]]


@pytest.mark.parametrize(
    ("layout", "names", "count"),
    [
        (MAGIC_LEAP, ["conv1a.weight", "conv4b.bias", "convPa.weight", "convDb.bias"], 1_300_865),
        (RPAUTRAT, ["backbone.0.0.conv.weight", "backbone.3.1.bn.running_var", "descriptor.1.bn.bias"], 1_307_269),
        (
            HUGGING_FACE,
            ["encoder.conv_blocks.0.conv_a.weight", "descriptor_decoder.conv_descriptor_a.weight"],
            1_300_865,
        ),
    ],
    ids=["Magic Leap", "rpautrat", "Hugging Face"],
)
def test_the_public_layouts_are_recognized_by_their_names(
    layout: Layout, names: list[str], count: int, state_of: StateOf
):
    state = state_of(layout)
    assert set(names) <= set(state)
    weights, found = convert(state, "a.pth")
    assert found is layout and weights.network.system == "superpoint"
    assert weights.network == NetworkConfig(width=1.0, batch_norm=layout.network.batch_norm, descriptor_dim=256)
    assert sum(array.size for array in weights.arrays.values()) == count


@pytest.mark.parametrize("layout", [MAGIC_LEAP, RPAUTRAT, HUGGING_FACE], ids=lambda layout: layout.name.split("'")[0])
@pytest.mark.parametrize("prefix", ["module.", "model.net.", "0."])
def test_what_stands_before_all_names_changes_nothing_and_other_parts_are_passed_over(
    layout: Layout, prefix: str, state_of: StateOf
):
    state = state_of(layout)
    longer = {f"{prefix}{name}": array for name, array in state.items()} | {"matcher.0.weight": np.zeros(3)}
    weights, found = convert(longer, "a.pth")
    assert found is layout and weights.fingerprint() == convert(state, "a.pth")[0].fingerprint()
    del longer[f"{prefix}{next(iter(state))}"]
    with pytest.raises(WeightsError, match=rf"differs from it: missing: {re.escape(next(iter(state)))}; only that"):
        convert(longer, "a.pth")


def test_kernels_are_turned_from_out_in_height_width_to_height_width_in_out(state_of: StateOf):
    state = state_of(MAGIC_LEAP)
    kernel = convert(state, "a.pth")[0].arrays["encoder_3a/kernel"]
    assert kernel.shape == (3, 3, 64, 128)
    assert kernel[0, 2, 5, 7] == state["conv3a.weight"][7, 5, 0, 2]


def test_the_four_arrays_of_a_batch_norm_keep_their_roles(state_of: StateOf):
    state = state_of(RPAUTRAT)
    arrays = convert(state, "a.pth")[0].arrays
    roles = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
    for ours, theirs in roles.items():
        np.testing.assert_array_equal(arrays[f"detector_b_bn/{ours}"], state[f"detector.1.bn.{theirs}"])


def test_pytorchs_counters_of_batches_are_passed_over_where_there_are_batch_norms(state_of: StateOf):
    state, counter = state_of(RPAUTRAT), np.array(7)
    counters = {f"{name}.num_batches_tracked": counter for name in RPAUTRAT.layers.values() if name.endswith(".bn")}
    assert convert(state | counters, "a.pth")[0].fingerprint() == convert(state, "a.pth")[0].fingerprint()
    with pytest.raises(WeightsError, match=r"unexpected: conv1a\.num_batches_tracked"):
        convert(state_of(MAGIC_LEAP) | {"conv1a.num_batches_tracked": counter}, "a.pth")


@pytest.mark.parametrize("layout", [MAGIC_LEAP, RPAUTRAT], ids=["Magic Leap", "rpautrat"])
def test_what_differs_from_the_layout_is_listed_with_its_number(layout: Layout, state_of: StateOf):
    state = state_of(layout)
    names = list(state)
    for name in names[:5]:
        del state[name]
    state["fc.weight"] = np.zeros(3, np.float32)
    state[names[6]] = np.zeros((2, 3), np.float32)
    with pytest.raises(WeightsError) as error:
        convert(state, "a.pth")
    message = str(error.value)
    assert message.startswith(f"a.pth: has layers of {layout.name} and differs from it: missing: {names[0]}, ")
    assert " and 2 more; unexpected: fc.weight; " in message
    assert f"another shape or type: {names[6]} float32 (2, 3) instead of float32 " in message


@pytest.mark.parametrize("dtype", [np.float16, np.float64, np.int64])
def test_numbers_of_another_type_are_refused(dtype: type, state_of: StateOf):
    state = state_of(MAGIC_LEAP)
    state["convPb.bias"] = np.zeros(65, dtype)
    words = f"another shape or type: convPb.bias {np.dtype(dtype)} (65,) instead of float32 (65,)"
    with pytest.raises(WeightsError, match=re.escape(words)):
        convert(state, "a.pth")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(value: float, state_of: StateOf):
    state = state_of(MAGIC_LEAP)
    state["conv2b.weight"][0, 0, 0, 0] = value
    with pytest.raises(WeightsError, match=r"a\.pth: .* not finite: conv2b\.weight;"):
        convert(state, "a.pth")


def test_another_network_is_refused_with_the_names_that_would_do():
    state = {f"layer{number}.weight": np.zeros(1, np.float32) for number in range(9)}
    with pytest.raises(WeightsError) as error:
        convert(state, "resnet.pth")
    message = str(error.value)
    assert "resnet.pth: no layer has a name we know: layer0.weight, layer1.weight, layer2.weight and 6 more" in message
    assert "conv1a.weight (Magic Leap's" in message and "backbone.0.0.conv.weight (rpautrat's" in message


def test_a_mixture_of_both_layouts_is_refused(state_of: StateOf):
    with pytest.raises(WeightsError, match=r"unexpected: backbone\.0\.0\.conv\.weight, .* and 69 more"):
        convert(state_of(MAGIC_LEAP) | state_of(RPAUTRAT), "a.pth")


def test_without_pytorch_the_command_that_installs_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "superpoint_v1.pth").write_bytes(b"anything")
    with pytest.raises(WeightsError, match=r"superpoint_v1\.pth: .*needs PyTorch .*pip install -e '\.\[import\]'"):
        load_pytorch(tmp_path / "superpoint_v1.pth")


@pytest.mark.parametrize("version", ["2.9.1+cu128", "1.13.0"])
def test_a_pytorch_that_would_execute_code_is_refused(version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    torch = ModuleType("torch")
    torch.__version__ = version  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    (tmp_path / "a.pth").write_bytes(b"anything")
    with pytest.raises(WeightsError, match=rf"PyTorch {re.escape(version)} can be led .* 2\.10 or later is needed"):
        load_pytorch(tmp_path / "a.pth")


def test_a_file_that_is_not_there_is_named_before_pytorch_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(FileNotFoundError, match=r"nowhere\.pth"):
        load_pytorch(tmp_path / "nowhere.pth")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.pth"], "error: nowhere.pth: no such file; docs/using.md says where"),
        (["a.pth", "--output", "folder"], "--output: 'folder': name a file that ends with .npz"),
    ],
)
def test_the_tools_errors_are_one_line_with_code_2_and_create_nothing(arguments: list[str], words: str, tmp_path: Path):
    command = [sys.executable, str(ROOT / "tools/import_weights.py"), *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 2 and words in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
