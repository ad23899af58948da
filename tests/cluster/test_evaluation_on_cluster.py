"""What `evaluate` measures of features that a cluster found is what it measures of those of one process."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import cv2
import h5py
import numpy as np
import pytest
from here_cluster import HereCluster

from superpoint_tf.config.config_files import build_config
from superpoint_tf.evaluation.evaluate import Request
from superpoint_tf.evaluation.feature_store import FeatureStore
from superpoint_tf.evaluation.frame_extraction import FrameExtraction, MethodCluster, extract_frames
from superpoint_tf.evaluation.methods.methods import Method, load_methods
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import View
from superpoint_tf.evaluation.protocols.pair_run import extract_settings
from superpoint_tf.evaluation.protocols.protocols import PROTOCOLS
from superpoint_tf.evaluation.protocols.shape_run import measure_synthetic
from superpoint_tf.evaluation.protocols.shift_run import measure_shifts
from superpoint_tf.evaluation.results import Measured
from superpoint_tf.evaluation.sets.pair_sets import PAIR_SETS
from superpoint_tf.runtime.interruption import Interrupted, StopRequest
from superpoint_tf.runtime.progress import Console

PICTURE = np.zeros((16, 16), np.uint8)
NAMES = ["ORB", "position (control)"]
CONFIG = build_config({"workers": 0, "synthetic": {"draw": {"image_shape": [64, 80]}}})


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of two sequences with three pictures each, so that pairs share the first."""
    root = tmp_path_factory.mktemp("data")
    for number in range(2):
        folder = root / f"v_{number}"
        folder.mkdir()
        blocks = np.random.default_rng(number).integers(0, 256, (24, 32)).astype(np.uint8)
        for k in (1, 2, 3):
            picture = cv2.resize(blocks, (320, 240), interpolation=cv2.INTER_LINEAR)
            cv2.imwrite(str(folder / f"{k}.png"), np.roll(picture, 4 * (k - 1), axis=1))
            np.savetxt(folder / f"H_1_{k}", [[1, 0, 4 * (k - 1)], [0, 1, 0], [0, 0, 1]])
    return root


def request_for(output: Path, data: Path, cluster: HereCluster | None) -> Request:
    on = None if cluster is None else MethodCluster(cluster, partial(load_methods, NAMES))
    return Request(CONFIG, load_methods(NAMES), str(output), {}, Console(), str(data), on=on)


def measure_pairs(request: Request) -> Any:
    make_pairs, count = PAIR_SETS["hpatches"].open(request.data, request.config, 0, request.left_out)
    settings = {"low": PairProtocol((120, 160), 20, 4), "high": PairProtocol((180, 240), 40, 4)}
    records, _ = extract_settings(request, make_pairs, count, settings)
    return [(setting, record.name, record.frames) for setting, found in records.items() for record in found]


def measure_shapes(request: Request) -> Any:
    return tables(measure_synthetic(request, 2), request)


def measure_moves(request: Request) -> Any:
    photographs = sorted(Path(request.data).rglob("*.png"))
    return tables(measure_shifts(request, photographs, 2), request)


def tables(measured: Measured, request: Request) -> bytes:
    """Return the numbers of a run as they are written."""
    measured.evaluation().save(request.output)
    return (Path(request.output) / "summary.json").read_bytes()


def features(output: Path) -> dict[str, Any]:
    """Return every array and attribute of the methods' files."""
    found: dict[str, Any] = {}

    def note(file: str, name: str, item: Any) -> None:
        value = (item.dtype, item.shape, item[()].tobytes()) if isinstance(item, h5py.Dataset) else ()
        found[file, name] = {key: str(attribute) for key, attribute in item.attrs.items()}, value

    for path in sorted((output / "features").glob("*.h5")):
        with h5py.File(path) as opened:
            opened.visititems(partial(note, path.name))
    return found


@pytest.mark.parametrize("measure", [measure_pairs, measure_shapes, measure_moves])
def test_features_and_tables_are_those_of_one_process_and_nothing_is_found_twice(
    tmp_path: Path, data: Path, measure: Callable[[Request], Any]
):
    here = measure(request_for(tmp_path / "here", data, None))
    cluster = HereCluster()
    assert measure(request_for(tmp_path / "there", data, cluster)) == here
    assert len(cluster.items) > 2 and features(tmp_path / "here") == features(tmp_path / "there")
    again = HereCluster()
    assert measure(request_for(tmp_path / "there", data, again)) == here
    assert not again.items


def test_a_frame_that_one_method_has_seen_goes_to_the_others_alone(tmp_path: Path, data: Path):
    measure_pairs(request_for(tmp_path, data, None))
    next((tmp_path / "features").glob("ORB*.h5")).unlink()
    cluster = HereCluster()
    measure_pairs(request_for(tmp_path, data, cluster))
    asked = [frame.methods for chunk in cluster.items for frame in chunk]
    assert asked == [("ORB",)] * 12  # six pictures, two sizes


def test_a_stop_is_heard_while_what_is_there_is_passed_over(tmp_path: Path, data: Path):
    there = cast(FeatureStore, SimpleNamespace(has=lambda *frame: True))
    on = MethodCluster(HereCluster(), lambda: [])
    how = FrameExtraction("low", PairProtocol((16, 16), 20, 4), [(load_methods(NAMES)[0], there)], on=on)
    stop, seen = StopRequest(), []
    with pytest.raises(Interrupted, match="stopped here"):
        for number, _ in extract_frames(
            range(1000), lambda number: [View(str(number), PICTURE)], how, stop, "stopped here"
        ):
            seen.append(number)
            stop.signal_number = signal.SIGINT
    assert len(seen) < 100


def load_others() -> list[Method]:
    return [replace(method, identity={"code": "of another version"}) for method in load_methods(NAMES)]


def test_a_worker_with_other_methods_is_refused(tmp_path: Path, data: Path):
    others = MethodCluster(HereCluster(), load_others)
    with pytest.raises(ValueError, match=r"ORB is not the same on .* and where the command was started"):
        measure_pairs(Request(CONFIG, load_methods(NAMES), str(tmp_path), {}, Console(), str(data), on=others))


@pytest.mark.parametrize("protocol", ["patches", "pck", "stereo"])
def test_what_keeps_no_features_of_frames_is_measured_by_one_process(protocol: str):
    assert "is measured by one process: --ray does not apply" in PROTOCOLS[protocol].refusal(protocol, ["data", "ray"])


@pytest.mark.parametrize("protocol", ["hpatches", "random-homography", "synthetic", "shifts", "retrieval"])
def test_what_keeps_features_takes_a_cluster(protocol: str):
    given = ["ray"] + ["data"] * PROTOCOLS[protocol].needs_data
    assert PROTOCOLS[protocol].refusal(protocol, given) == ""
