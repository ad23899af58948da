"""Labels, shapes and features from a cluster are what one process writes; here of workers in this process, pickled."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import pytest
from here_cluster import HereCluster

import superpoint_tf
from superpoint_tf.adaptation.labelling import _start_labelling
from superpoint_tf.adaptation.rounds import AdaptationRun, adapt
from superpoint_tf.cluster.worker import Worker, WorkerSetting
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.labels.labels import IDENTITY_FILE
from superpoint_tf.data.photographs.masked_photographs import PhotographReading
from superpoint_tf.data.photographs.photograph_sets import PhotographSet
from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.data.shapes import record_folder
from superpoint_tf.data.shapes.generation import generate_synthetic_sets
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import get_weights
from superpoint_tf.runtime import storage
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


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """Let relative paths be below a folder; `contextlib.chdir` of Python 3.11."""
    before = os.getcwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


class ClusterElsewhere(HereCluster):
    """Its worker has another disk: nothing of a relative path is there."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        folder.mkdir()
        self._folder = folder

    def map(self, start: Callable[[], Callable[[Any], Any]], items: Iterable[Any], *others: Any) -> Iterator[Any]:
        with inside(self._folder):
            function = pickle.loads(pickle.dumps(start))()
        for item in items:
            self.items.append(item)
            with inside(self._folder):
                result = function(item)
            yield pickle.loads(pickle.dumps(result))


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
            "adaptation": {"num_homographies": 3, "chunk_size": 2, "num_figures": 0, "labels_per_file": 2},
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
    assert content("there") == content("here") and len(content("here")) == 2 + 4 + 2 * 4  # lists, chunks
    assert [len(item.photographs) for item in cluster.items] == [2, 2, 2, 1]
    before = {path: path.stat().st_mtime_ns for path in Path("there/round_1").iterdir()}
    label("there", cluster=cluster)
    assert before == {path: path.stat().st_mtime_ns for path in Path("there/round_1").iterdir()}


def test_fewer_chunks_than_workers_or_shards_are_said_with_the_remedy(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    label("enough", cluster=HereCluster())
    assert "nothing to do" not in capsys.readouterr().out
    monkeypatch.setattr(HereCluster, "capacity", 5)
    label("workers", cluster=HereCluster())
    said = (
        "4 chunks of photographs for 5 workers: the others have nothing to do; --set adaptation.labels_per_file=1, in"
    )
    assert said in capsys.readouterr().out


def test_a_photograph_that_cannot_be_read_is_an_error_on_a_cluster_too_with_strict(folder: Path):
    with pytest.raises(PhotographError, match=r"images/3\.png"):
        label("there", cluster=HereCluster(), strict=True)


def test_a_worker_that_shares_no_disk_labels_and_extracts_what_urls_name(folder: Path, tmp_path: Path):
    label("here", detector=str(folder / "magicpoint.npz"))
    elsewhere, url = ClusterElsewhere(tmp_path / "elsewhere"), f"file://{folder}"
    photographs = PhotographSet(f"{url}/images", NAMES, ("validation.png",), "")
    weights = str(folder / "magicpoint.npz")
    adapt(AdaptationRun(config(), photographs, weights, f"{url}/there", 1, cluster=elsewhere), Console())
    here, there = content("here"), content("there")
    assert {name: there[name] for name in there if name.endswith(".npz")} == {
        name: here[name] for name in here if name.endswith(".npz")
    }
    assert elsewhere.items and not list((tmp_path / "elsewhere").iterdir())

    what = (None, None, DEFAULT_DETECTION, None)
    opened = partial(open_extractor, str(folder / "superpoint.npz"), *what)
    on = ExtractionCluster(ClusterElsewhere(tmp_path / "another"), opened)
    extract_batch(find_sources([f"{url}/images"]), opened(), "there.h5", Console(), cluster=on)
    with pytest.raises(ValueError, match=r"masks is not there on .*or URLs such as gs://bucket/photographs"):
        reading = PhotographReading(masks="masks")
        extract_batch(find_sources([f"{url}/images"]), opened(), "masked.h5", Console(), reading=reading, cluster=on)


@pytest.mark.parametrize("missing", ["images", "masks", "magicpoint.npz", "there"])
def test_a_worker_that_shares_no_disk_refuses_what_is_named_by_path(folder: Path, tmp_path: Path, missing: str):
    (folder / "masks").mkdir()
    url = f"file://{folder}"
    names = {name: f"{url}/{name}" for name in ("images", "masks", "there")} | {
        "magicpoint.npz": str(folder / "magicpoint.npz")
    }
    names[missing] = missing
    section = dataclasses.replace(config().photographs, masks=names["masks"])
    run = AdaptationRun(
        dataclasses.replace(config(), photographs=section),
        PhotographSet(names["images"], NAMES, ("validation.png",), ""),
        names["magicpoint.npz"],
        names["there"],
        1,
        cluster=ClusterElsewhere(tmp_path / "elsewhere"),
    )
    with pytest.raises(ValueError, match=rf"{missing}\S* is not there on .*or URLs such as gs://bucket/photographs"):
        adapt(run, Console())
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_worker_goes_on_where_the_commands_folder_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    setting = WorkerSetting(str(tmp_path / "gone"), superpoint_tf.__version__, 0)
    worker = Worker()
    assert worker.begin(setting, pickle.dumps(partial(partial, str))) == (None, None, "")
    assert worker.work(3) == ("3", None, "")


def test_workers_that_do_not_see_the_photographs_or_other_weights_refuse(folder: Path, monkeypatch: Any):
    class OfAnotherDisk(HereCluster):
        def map(self, start: Any, *others: Any) -> Iterator[Any]:
            monkeypatch.setattr(storage, "exists", lambda path: str(path) != "images")
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
