"""Names on the command line become methods with identities."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from superpoint_tf.evaluation.methods.baselines import CLASSICAL
from superpoint_tf.evaluation.methods.controls import CONTROLS
from superpoint_tf.evaluation.methods.methods import FOR_PAIRS, FOR_SHAPES, load_methods
from superpoint_tf.evaluation.methods.opencv_algorithms import rows_here
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import View

PROTOCOL = PairProtocol((48, 64), max_keypoints=50, nms_radius_px=4)
VIEW = View("a", np.random.default_rng(0).integers(0, 255, (48, 64)).astype(np.uint8))
TINY = "network: {width: 0.0625}\nseed: 3\n"


def test_groups_and_names_keep_their_order():
    assert [m.name for m in load_methods(["controls", "Harris", "classical"][:2])] == [*CONTROLS, "Harris"]
    assert [m.name for m in load_methods(["classical"])] == list(rows_here(CLASSICAL))


def test_what_opencv_is_built_without_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delattr(cv2, "AKAZE", raising=False)
    monkeypatch.delattr(cv2, "xfeatures2d", raising=False)
    assert rows_here(["ORB", "AKAZE"]) == ("ORB",)
    with pytest.raises(ValueError, match=r"AKAZE: OpenCV .* is without it; install opencv-contrib-python"):
        load_methods(["AKAZE"])
    with pytest.raises(ValueError, match="AKAZE: OpenCV"):
        CLASSICAL["AKAZE"](VIEW.image)


def test_two_rows_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two rows are called 'Harris'"):
        load_methods(["classical", "Harris"])


def test_an_unknown_name_lists_what_there_is():
    with pytest.raises(ValueError, match=r"--methods Haris: .*FAST, Harris, .*grid \(control\)"):
        load_methods(["Haris"])


def test_two_methods_never_share_a_file(tmp_path: Path):
    (tmp_path / "m.py").write_text("def f(image): return [], [], None")
    names = ["a b", "a_b", "A_b", "a/b", "grid (control)", "..", "é", "x" * 300]
    methods = [m for n in names for m in load_methods([n if "control" in n else f"{n}={tmp_path}/m.py:f"])]
    files = [method.file_name for method in methods]
    assert len({file.lower() for file in files}) == len(files)  # some disks do not tell A from a
    assert all("/" not in file and file.isascii() and len(file) < 100 for file in files)


def test_a_path_may_hold_an_equals_sign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("lr=0.1.yaml").write_text(TINY)
    assert [m.name for m in load_methods(["lr=0.1.yaml", "row=lr=0.1.yaml"])] == ["lr=0.1.yaml", "row"]


def test_every_identity_follows_the_code_that_shapes_features(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "m.py").write_text("def f(image): return [], [], None")
    (tmp_path / "tiny.yaml").write_text(TINY)
    names = ["Harris", "grid (control)", f"p={tmp_path}/m.py:f", f"n={tmp_path}/tiny.yaml"]
    before = [method.identity for method in load_methods(names)]
    read = Path.read_bytes
    changed = "keypoints.py"
    monkeypatch.setattr(Path, "read_bytes", lambda path: read(path) + (b"#" if path.name == changed else b""))
    assert all(m.identity != old for m, old in zip(load_methods(names), before, strict=True))
    changed = "superpoint.py"
    assert [m.identity != old for m, old in zip(load_methods(names), before, strict=True)] == [False] * 3 + [True]


def test_built_in_features_are_suppressed_by_the_protocol():
    found = load_methods(["Harris"])[0].find(VIEW, "s", PROTOCOL).keypoints
    distance = np.abs(found[:, None] - found[None]).max(axis=-1) + 100 * np.eye(len(found))
    assert len(found) > 3 and distance.min() > PROTOCOL.nms_radius_px


def test_an_untrained_network_is_that_of_its_config_and_seed(tmp_path: Path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    (tmp_path / "other.yaml").write_text(TINY.replace("3", "4"))
    first, again, other = load_methods([f"{row}={tmp_path}/{row[:-1]}.yaml" for row in ("tiny1", "tiny2", "other1")])
    assert first.identity == again.identity != other.identity
    features = first.find(VIEW, "s", PROTOCOL)
    assert features.descriptors is not None and features.descriptors.shape[1] == 256
    np.testing.assert_array_equal(features.keypoints, again.find(VIEW, "s", PROTOCOL).keypoints)


def test_weights_are_known_by_content_and_cut(tmp_path: Path):
    from superpoint_tf.config.config_files import load_config
    from superpoint_tf.networks.weights import initial_network

    (tmp_path / "tiny.yaml").write_text(TINY)
    _, weights = initial_network(load_config(tmp_path / "tiny.yaml"))
    weights.save(tmp_path / "run" / "weights.npz")
    trained, untrained = load_methods([f"t={tmp_path}/run", f"u={tmp_path}/tiny.yaml"])
    assert trained.identity["weights_sha256"] == untrained.identity["weights_sha256"] == weights.fingerprint()
    np.testing.assert_array_equal(*(m.find(VIEW, "s", PROTOCOL).keypoints for m in (trained, untrained)))
    identities = [load_methods([f"t={tmp_path}/run"], cut)[0].identity for cut in (FOR_PAIRS, FOR_SHAPES)]
    assert identities[0] != identities[1]


def test_keypoints_between_pixels_are_another_method_than_those_on_pixels(tmp_path: Path):
    from superpoint_tf.config.config_files import load_config
    from superpoint_tf.networks.weights import initial_network

    (tmp_path / "tiny.yaml").write_text(TINY)
    initial_network(load_config(tmp_path / "tiny.yaml"))[1].save(tmp_path / "weights.npz")
    whole, refined = (
        load_methods([f"t={tmp_path}/weights.npz"], replace(FOR_PAIRS, subpixel=subpixel))[0]
        for subpixel in (False, True)
    )
    assert whole.identity != refined.identity
    on_pixels, between = (m.find(VIEW, "s", PROTOCOL).keypoints for m in (whole, refined))
    np.testing.assert_array_equal(on_pixels, np.rint(on_pixels))
    assert 0 < np.abs(between - on_pixels).max() <= 2


@pytest.mark.parametrize("looks", [{"scales": (1.0, 1.5)}, {"phases": 2}])
def test_a_network_that_sees_several_scales_or_phases_is_another_method(tmp_path: Path, looks: dict[str, Any]):
    (tmp_path / "tiny.yaml").write_text(TINY)
    one, both = (load_methods([f"t={tmp_path}/tiny.yaml"], replace(FOR_PAIRS, **changes))[0] for changes in ({}, looks))
    assert one.identity != both.identity
    assert not np.array_equal(*(method.find(VIEW, "s", PROTOCOL).scores[:5] for method in (one, both)))


def test_a_limit_of_keypoints_is_another_method_and_none_is_that_of_before(tmp_path: Path):
    (tmp_path / "tiny.yaml").write_text(TINY)
    cuts = (FOR_PAIRS, replace(FOR_PAIRS, max_keypoints=9), replace(FOR_PAIRS, nms_radius_px=9))
    every, few, other_radius = (load_methods([f"t={tmp_path}/tiny.yaml"], cut)[0] for cut in cuts)
    assert "max_keypoints" not in every.identity and few.identity["max_keypoints"] == 9
    assert len(few.find(VIEW, "s", PROTOCOL).keypoints) == 9
    assert other_radius.identity == every.identity  # the protocol's radius is taken


def test_a_plug_in_below_a_folder_with_a_plus_sign_is_no_descriptor_of_keypoints(tmp_path: Path):
    (tmp_path / "c++").mkdir()
    (tmp_path / "c++" / "corners.py").write_text("def find(image):\n    return [[3.0, 4.0]], [1.0]\n")
    (method,) = load_methods([f"{tmp_path}/c++/corners.py:find"])
    assert method.identity["kind"] == "plug-in"


def test_weights_that_come_with_the_package_go_by_their_name():
    (method,) = load_methods(["small=superpoint-small"])
    assert method.name == "small" and method.identity["from"] == "superpoint-small"
