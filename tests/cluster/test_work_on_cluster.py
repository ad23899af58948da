"""Labels, shapes and features from a cluster are what one process writes; here of workers in this process, pickled."""

from __future__ import annotations

import dataclasses
import errno
import pickle
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import pytest
from here_cluster import HereCluster

from superpoint_tf.adaptation.labelling import _start_labelling
from superpoint_tf.adaptation.rounds import AdaptationRun, adapt
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.labels.labels import IDENTITY_FILE
from superpoint_tf.data.photographs.photograph_sets import PhotographSet
from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.data.shapes import record_folder
from superpoint_tf.data.shapes.generation import generate_synthetic_sets
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights
from superpoint_tf.runtime.interruption import Interrupted, StopRequest
from superpoint_tf.runtime.progress import Console
from superpoint_tf.runtime.storage import WriteError
from superpoint_tf.synthetic import draw_sample
from superpoint_tf.using.extract import extract_batch
from superpoint_tf.using.extraction_options import DEFAULT_DETECTION
from superpoint_tf.using.keypoint_extractors import open_extractor
from superpoint_tf.using.picture_extraction import ExtractionCluster
from superpoint_tf.using.picture_sources import find_sources

NAMES = tuple(f"{number}.png" for number in range(7))


def config(root: str = "data/synthetic") -> Any:
    return build_config(
        {
            "name": "tiny",
            "workers": 0,
            "network": {"width": 0.0625, "batch_norm": False, "descriptor_dim": 8},
            "photographs": {"image_shape": [40, 48]},
            "synthetic": {
                "root": root,
                "num_train": 5,
                "num_validation": 1,
                "num_test": 1,
                "draw": {"image_shape": [40, 48]},
            },
            "adaptation": {"num_homographies": 3, "chunk_size": 2, "num_figures": 0},
        }
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder with photographs, one of them no picture, and weights; it is the current one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "images").mkdir()
    for number, name in enumerate((*NAMES, "validation.png")):
        cv2.imwrite(str(tmp_path / "images" / name), draw_sample(0, number)[0])
    (tmp_path / "images" / "3.png").write_bytes(b"no picture")
    for system in ("magicpoint", "superpoint"):
        network = config().network.with_system(system)
        get_weights(build_network(network, seed=1), network).save(f"{system}.npz")
    return tmp_path


def label(output: str, **changes: Any) -> None:
    photographs = PhotographSet("images", NAMES, ("validation.png",), "")
    adapt(dataclasses.replace(AdaptationRun(config(), photographs, "magicpoint.npz", output, 1), **changes), Console())


def content(folder: str) -> dict[str, bytes]:
    """Return the bytes of each file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_labels_of_a_cluster_are_those_of_one_process_and_a_second_start_labels_nothing(folder: Path):
    label("here")
    cluster = HereCluster()
    label("there", cluster=cluster)
    assert content("there") == content("here") and len(content("here")) == 6 + 2
    assert [len(item) for item in cluster.items] == [1] * 7
    before = {path: path.stat().st_mtime_ns for path in Path("there/round_1").iterdir()}
    label("there", cluster=cluster)
    assert before == {path: path.stat().st_mtime_ns for path in Path("there/round_1").iterdir()}


def test_a_photograph_that_cannot_be_read_is_an_error_on_a_cluster_too_with_strict(folder: Path):
    with pytest.raises(PhotographError, match=r"images/3\.png"):
        label("there", cluster=HereCluster(), strict=True)


def test_workers_that_do_not_see_the_photographs_or_other_weights_refuse(folder: Path, monkeypatch: Any):
    class OfAnotherDisk(HereCluster):
        def map(self, start: Any, *others: Any) -> Iterator[Any]:
            monkeypatch.setattr("superpoint_tf.adaptation.labelling.Path.exists", lambda path: path.name != "images")
            return super().map(start, *others)

    with pytest.raises(ValueError, match=r"images is not there on .* need a file system that all see"):
        label("there", cluster=OfAnotherDisk())


def test_a_worker_with_other_weights_refuses_and_a_full_disk_of_one_is_said_whole(folder: Path) -> None:
    run = AdaptationRun(config(), PhotographSet("images", NAMES, (), ""), "magicpoint.npz", "there", 1)
    (folder / "there").mkdir()
    (folder / "there" / IDENTITY_FILE).touch()
    with pytest.raises(
        ValueError, match=r"magicpoint\.npz holds other weights on .* and where the command was started"
    ):
        _start_labelling(run, 1, "0" * 64)
    error = WriteError("there/1.npz", OSError(errno.ENOSPC, "full"))
    sent = pickle.loads(pickle.dumps(error))
    assert type(sent) is WriteError and str(sent) == str(error) and sent.errno == errno.ENOSPC


def test_shapes_of_a_cluster_are_those_of_one_process(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(record_folder, "PICTURES_PER_FILE", 2)
    generate_synthetic_sets(config("here"))
    cluster = HereCluster()
    generate_synthetic_sets(config("there"), cluster=cluster)
    assert content("there") == content("here") and len(cluster.items) == 13
    Path("there", cluster.items[1].name).unlink()
    generate_synthetic_sets(config("there"), cluster=cluster)
    assert content("there") == content("here") and len(cluster.items) == 14


def extract(output: str, cluster: HereCluster | None = None, **options: Any) -> Any:
    what = partial(open_extractor, "superpoint.npz", None, None, DEFAULT_DETECTION, None)
    on = None if cluster is None else ExtractionCluster(cluster, what)
    return extract_batch(
        find_sources(["images", *options.pop("more", [])]), what(), output, Console(), cluster=on, **options
    )


def test_features_of_a_cluster_are_those_of_one_process_videos_and_bad_pictures_included(folder: Path):
    video = cv2.VideoWriter("clip.mp4", cv2.VideoWriter_fourcc(*"mp4v"), 10, (64, 48))
    for number in range(5):
        video.write(cv2.resize(cv2.cvtColor(draw_sample(1, number)[0], cv2.COLOR_GRAY2BGR), (64, 48)))
    video.release()
    here, cluster = extract("here.h5", more=["clip.mp4"], every=2), HereCluster()
    there = extract("there.h5", cluster, more=["clip.mp4"], every=2)
    assert here == there and len(here.left_out) == 1 and here.num_extracted == 7 + 3
    assert Path("here.h5").read_bytes() == Path("there.h5").read_bytes()
    again = extract("there.h5", cluster, more=["clip.mp4"], every=2)
    assert again.num_extracted == 0 and again.names == here.names


def test_an_extraction_on_a_cluster_that_is_stopped_goes_on_where_it_was(folder: Path):
    class StoppedAfterThree(HereCluster):
        def map(self, start: Any, items: Any, most: int, stop: StopRequest, *others: Any) -> Iterator[Any]:
            for number, result in enumerate(super().map(start, items, most, stop, *others)):
                yield result
                if number == 1:  # chunks of two pictures, one of which cannot be read
                    stop.request()

    with pytest.raises(Interrupted, match=r"there\.h5: stopped"):
        extract("there.h5", StoppedAfterThree())
    assert extract("there.h5", HereCluster()).num_extracted == 4
    with pytest.raises(PhotographError, match=r"3\.png"):
        extract("strict.h5", HereCluster(), strict=True)
