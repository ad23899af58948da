"""Checkpoint files as they come: wrapped, damaged, malicious, in both of PyTorch's formats; and the tool."""

from __future__ import annotations

import io
import pickle
import runpy
import subprocess
import sys
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superpoint_tf import SuperPoint
from superpoint_tf.interop.pytorch import load_pytorch
from superpoint_tf.interop.pytorch_layouts import MAGIC_LEAP, RPAUTRAT, Layout, convert
from superpoint_tf.networks.weights import WeightsError

torch = pytest.importorskip("torch", reason="needs PyTorch, which is not part of `dev`: pip install -e '.[import]'")

ROOT = Path(__file__).resolve().parents[2]
StateOf = Callable[[Layout], dict[str, np.ndarray]]
State = OrderedDict[str, Any]


def write(content: Any, path: Path, old: bool = False) -> Path:
    """Write what torch.save makes of something, as a zip file or in the format before PyTorch 1.6."""
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


@pytest.fixture(scope="module")
def state(state_of: StateOf) -> State:
    return OrderedDict((name, torch.from_numpy(array)) for name, array in state_of(MAGIC_LEAP).items())


@pytest.fixture(scope="module")
def fingerprint(state_of: StateOf) -> str:
    return convert(state_of(MAGIC_LEAP), "a.pth")[0].fingerprint()


@pytest.fixture(scope="module")
def files(state: State, state_of: StateOf, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files named as the public ones, Magic Leap's in the old format as in 2018."""
    folder = tmp_path_factory.mktemp("public")
    old = write(state, folder / "superpoint_v1.pth", old=True)
    new = {name: torch.from_numpy(array) for name, array in state_of(RPAUTRAT).items()}
    assert zipfile.is_zipfile(write(new, folder / "superpoint_v6_from_tf.pth")) and not zipfile.is_zipfile(old)
    return folder


# ------------------------------------------------------------------------------------------- what may be around it


@pytest.mark.parametrize("old", [True, False], ids=["old format", "zip"])
@pytest.mark.parametrize(
    ("wrapper", "prefix"), [("model_state_dict", "module."), ("state_dict", ""), (None, "module."), (None, "")]
)
def test_a_training_scripts_dict_and_prefix_change_nothing(
    old: bool, wrapper: str | None, prefix: str, state: State, fingerprint: str, tmp_path: Path
):
    content: Any = {f"{prefix}{name}": value for name, value in state.items()}
    if wrapper:
        content = {"epoch": 3, wrapper: content, "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 0.1}]}}
    assert load_pytorch(write(content, tmp_path / "a.pth", old))[0].fingerprint() == fingerprint


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {f"model.{name}": value for name, value in state.items()},
        lambda state: {f"_orig_mod.{name}": value for name, value in state.items()},
        lambda state: {"state_dict": {f"model.net.{name}": value for name, value in state.items()}},
        lambda state: {
            "model": {f"extractor.{name}": value for name, value in state.items()}
            | {"matcher.final_proj.weight": torch.zeros(3, 3)},
            "optimizer": {},
            "epoch": 3,
        },
        lambda state: {"model": {"state_dict": state}},
        lambda state: {name: value.double() for name, value in state.items()},
    ],
    ids=["lightning", "compiled", "deeper", "glue-factory", "twice wrapped", "float64"],
)
def test_prefixes_wrappers_and_other_parts_of_any_script_change_nothing(
    wrap: Callable[[State], Any], state: State, fingerprint: str, tmp_path: Path
):
    assert load_pytorch(write(wrap(state), tmp_path / "a.pth"))[0].fingerprint() == fingerprint


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_weights_of_half_precision_are_read_as_float32(dtype: Any, state: State, tmp_path: Path):
    half = {name: value.to(dtype) for name, value in state.items()}
    weights, _ = load_pytorch(write(half, tmp_path / "half.pth"))
    rounded, _ = load_pytorch(write({name: value.float() for name, value in half.items()}, tmp_path / "rounded.pth"))
    assert weights.fingerprint() == rounded.fingerprint()
    assert all(array.dtype == np.float32 for array in weights.arrays.values())


def test_of_two_networks_in_one_file_none_is_chosen(state: State, tmp_path: Path):
    both = {f"{part}.{name}": value for part in ("student", "teacher") for name, value in state.items()}
    with pytest.raises(WeightsError, match=r"holds two networks, 'student\.' and 'teacher\.'; save one of them"):
        load_pytorch(write(both, tmp_path / "a.pth"))


def test_parameters_that_lay_on_a_gpu_are_read_on_a_machine_without(
    state: State, fingerprint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    content = {name: torch.nn.Parameter(value) for name, value in state.items()}
    assert load_pytorch(write(content, tmp_path / "a.pth", old=True))[0].fingerprint() == fingerprint


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            [torch.zeros(3)],
            r"a\.pth: holds of type list; expected a state_dict, alone or as 'model_state_dict', 'state_dict', ",
        ),
        ({}, "holds of type dict"),
        ({"conv1a.weight": [1.0, 2.0]}, "'conv1a.weight' is of type list"),
        ({7: torch.zeros(1)}, r"7 is a tensor \(torch\.strided, cpu, torch\.float32\)"),
        ({"conv1a.weight": torch.zeros(1, dtype=torch.complex64)}, r"is a tensor \(.*, torch\.complex64\)"),
        ({"conv1a.weight": torch.zeros(2, 2).to_sparse()}, r"is a tensor \(torch\.sparse_coo"),
        ({"conv1a.weight": torch.zeros(1, device="meta")}, r"is a tensor \(torch\.strided, meta"),
        ({"unet": {"conv1a.weight": torch.zeros(1)}}, "'unet' is of type dict"),
        ({"conv1a.weight": torch.zeros(1).half().expand(10**13)}, r"is a tensor \(.*, torch\.float16\)"),
        (
            {"conv1a.weight": torch.zeros(1).expand(10**13)},
            r"another shape or type: conv1a\.weight float32 \(10000000000000,\)",
        ),
    ],
)
def test_anything_but_a_dict_of_dense_tensors_is_refused(content: Any, words: str, tmp_path: Path):
    with pytest.raises(WeightsError, match=words):
        load_pytorch(write(content, tmp_path / "a.pth"))


# ------------------------------------------------------------------------------------------- damage and malice


class Malice:
    """What would write a file if it were unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


def malicious_files(marker: Path, folder: Path) -> dict[str, Path]:
    content = {"conv1a.weight": torch.zeros(1), "conv1a.bias": Malice(marker)}
    for protocol in (2, 4):
        (folder / f"pickle{protocol}.pth").write_bytes(pickle.dumps(Malice(marker), protocol))
    with tarfile.open(folder / "tar.pth", "w") as tar:  # what PyTorch wrote before 0.1.10: names of its parts
        for name, part in {"sys_info": {}, "pickle": Malice(marker), "storages": 0, "tensors": 0}.items():
            content_of_part = pickle.dumps(part)
            member = tarfile.TarInfo(name)
            member.size = len(content_of_part)
            tar.addfile(member, io.BytesIO(content_of_part))
    return {
        "zip": write(content, folder / "zip.pth"),
        "old format": write(content, folder / "old.pth", old=True),
        "bare pickle": folder / "pickle2.pth",
        "pickle of protocol 4": folder / "pickle4.pth",
        "tar": folder / "tar.pth",
    }


@pytest.mark.parametrize("kind", ["zip", "old format", "bare pickle", "pickle of protocol 4", "tar"])
def test_code_in_the_file_is_refused_and_not_executed(kind: str, tmp_path: Path):
    marker = tmp_path / "executed"
    path = malicious_files(marker, tmp_path)[kind]
    known = kind not in ("tar", "pickle of protocol 4")  # PyTorch does not read on far enough to meet the code
    words = r"holds code \(.*exec\), none of which was executed" if known else "damaged, or no PyTorch checkpoint"
    with pytest.raises(WeightsError, match=rf"{path.name}: {words}") as error:
        load_pytorch(path)
    assert not marker.exists()
    assert "weights_only" not in str(error.value)  # PyTorch's own text advises to execute it
    if kind in ("zip", "old format"):  # the file is what it seems: PyTorch would have executed it
        torch.load(path, weights_only=False)
        assert marker.exists()


def test_a_whole_model_is_code_and_its_class_is_named(tmp_path: Path):
    with pytest.raises(WeightsError, match=r"holds code \(torch\.nn\..*Conv2d\).*save `model\.state_dict\(\)`"):
        load_pytorch(write(torch.nn.Conv2d(1, 1, 1), tmp_path / "a.pth"))


def damaged(kind: str, files: Path) -> bytes:
    old, new = ((files / name).read_bytes() for name in ("superpoint_v1.pth", "superpoint_v6_from_tf.pth"))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("readme.txt", "hello")
    kinds = {
        "empty": b"",
        "text": b"<!DOCTYPE html><title>404</title>",
        "foreign zip": buffer.getvalue(),
        "old cut at once": old[:20],
        "old cut in the names": old[:1000],
        "old cut in the numbers": old[: len(old) // 2],
        "zip cut": new[: len(new) // 2],
        "zip without its end": new[:-10],
        "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5206086\n",
    }
    return kinds[kind]


@pytest.mark.parametrize(
    "kind",
    ["empty", "text", "foreign zip", "old cut at once", "old cut in the names", "old cut in the numbers", "zip cut",
     "zip without its end", "Git LFS pointer"],
)  # fmt: skip
def test_a_damaged_file_is_refused_and_named(kind: str, files: Path, tmp_path: Path):
    (tmp_path / "a.pth").write_bytes(damaged(kind, files))
    with pytest.raises(WeightsError, match=r"a\.pth: damaged, or no PyTorch checkpoint \(.*\); download it again"):
        load_pytorch(tmp_path / "a.pth")


# ------------------------------------------------------------------------------------------- the tool


def import_weights(*arguments: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["import_weights.py", *arguments])
    runpy.run_path(str(ROOT / "tools/import_weights.py"), run_name="__main__")


def test_the_command_says_what_it_found_warns_of_the_licence_and_names_the_next_command(files: Path, tmp_path: Path):
    command = [sys.executable, str(ROOT / "tools/import_weights.py"), str(files / "superpoint_v1.pth")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    device, *lines = done.stdout.splitlines()
    assert device.startswith("   on | ")
    assert lines[0] == "found | SuperPoint without batch norm, 1,300,865 weights, as in Magic Leap's superpoint_v1.pth"
    assert lines[1].startswith(" warn | ") and "non-commercial research only" in lines[1]
    settings = "joint.init=outputs/superpoint_v1/weights.npz network.width=1 network.batch_norm=false"
    assert lines[-1] == f" next | python tools/train_superpoint.py configs/coco.yaml --set {settings}"
    assert SuperPoint.from_pretrained(tmp_path / "outputs/superpoint_v1").with_descriptor


def test_other_weights_are_replaced_only_if_asked(
    files: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    mine = tmp_path / "mine.npz"
    mine.write_bytes(b"years of work")
    arguments = [str(files / "superpoint_v6_from_tf.pth"), "--output", str(mine)]
    with pytest.raises(SystemExit, match="2"):
        import_weights(*arguments, monkeypatch=monkeypatch)
    assert f"error: {mine}: holds other weights; choose another --output" in capsys.readouterr().err
    assert mine.read_bytes() == b"years of work"
    import_weights(*arguments, "--overwrite", monkeypatch=monkeypatch)
    import_weights(*arguments, monkeypatch=monkeypatch)  # the same weights are no others
    printed = capsys.readouterr().out
    assert "MIT licence" in printed and " warn | " not in printed and "network.batch_norm=true" in printed
    assert SuperPoint.from_pretrained(mine).with_descriptor
