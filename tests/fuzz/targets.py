"""What reads files that others may have written: functions of bytes, each with the one kind of error it may raise."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
_BETWEEN_MEMBERS = b"\n<member>\n"


@dataclass(frozen=True)
class Target:
    """One parser: `read(content, folder)` writes the bytes where the parser looks, below an own folder, and reads."""

    read: Callable[[bytes, Path], object]
    seeds: Callable[[], list[bytes]]
    errors: tuple[type[Exception], ...]  # the documented ones


def attempt(target: Target, content: bytes, folder: Path) -> str | None:
    """Read once; return the message of the documented error, or None. Any other error is a finding and comes out.

    A message of several lines is a finding too.
    """
    try:
        target.read(content, folder)
    except target.errors as error:
        message = str(error)
        if len(message.splitlines()) != 1 or len(message) > 2000:
            raise AssertionError(f"not one clear line: {message[:3000]!r}") from error
        return message
    return None


def build_target(name: str) -> Target:
    """Return a target by its name; only what that parser needs is imported."""
    return BUILDERS[name]()


def _written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


# ------------------------------------------------------------------------------------------------ settings


def _read_config(content: bytes, folder: Path) -> None:
    from superpoint_tf.config.config_files import load_config

    load_config(_written(folder / "some.yaml", content))


def _config_seeds() -> list[bytes]:
    strange = [
        b"a: &a [x, x]\nb: &b [*a, *a]\njoint: {steps: *b}\n",
        b"joint: !!python/object/apply:os.system [ls]\n",
        b"joint: {<<: {steps: 3}, steps: 0x10, learning_rate: 1e-3, labels: 2001-01-01}\n",
        b"network: {width: .inf}\nseed: 1:30\ntrain: on\n? [a]\n: b\n--- \n%YAML 1.1\n",
        b"name: !!timestamp x\nseed: !!bool x\nworkers: !!int ''\n",
    ]
    return [path.read_bytes() for path in sorted(CONFIGS.glob("*.yaml"))] + strange


def _read_overrides(content: bytes, folder: Path) -> None:
    from superpoint_tf.config.config_files import load_config

    path = _written(folder / "some.yaml", b"seed: 1\njoint:\n")
    load_config(path, content.decode("utf-8", "surrogateescape").split("\n"))


def _override_seeds() -> list[bytes]:
    return [
        b"detector.batch_size=8\nnetwork.width=0.5\nphotographs.image_shape=[240, 320]",
        b"synthetic.draw.frequencies={star: 1.5}\nsynthetic.draw.primitives=[star, cube]",
        b"joint={steps: 3, init: adapted}\njoint.labels=\"a/b\"\nname='x'\nadaptation.detection.threshold=1e-3",
    ]


def _read_cluster(content: bytes, folder: Path) -> None:
    from superpoint_tf.config.cluster import VARIABLE, read_cluster

    read_cluster({VARIABLE: content.decode("utf-8", "surrogateescape")})


def _cluster_seeds() -> list[bytes]:
    two = {"chief": ["host0:2222"], "worker": ["host1:2222", "host2:2222"]}
    return [json.dumps({"cluster": two, "task": {"type": "worker", "index": 1}}).encode(), b'{"cluster": {}}']


# ------------------------------------------------------------------------------------------------ .npz files


def _npz(**arrays: object) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()


def _unpacked(files: list[bytes]) -> list[bytes]:
    """Return the members of .npz files one after the other: a changed byte then passes the archive's checksum."""
    result = []
    for content in files:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [name.encode() + b"\n" + archive.read(name) for name in archive.namelist()]
        result.append(_BETWEEN_MEMBERS.join(members))
    return result


def _repacked(read: Callable[[bytes, Path], None]) -> Callable[[bytes, Path], None]:
    def read_members(content: bytes, folder: Path) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for member in content.split(_BETWEEN_MEMBERS):
                name, _, inside = member.partition(b"\n")
                archive.writestr(name.decode("latin-1").split("\0")[0][:200] or "x", inside)
        read(buffer.getvalue(), folder)

    return read_members


def _label_seeds() -> list[bytes]:
    keypoints = np.array([[1, 2], [30.5, 4]], np.float32)
    usual = {
        "keypoints": keypoints,
        "scores": np.array([0.5, 0.25], np.float32),
        "image_shape": np.array([24, 32]),
        "image_to_label": np.eye(3),
        "sha256": np.array("a" * 64),
        "detector_sha256": np.array("b" * 64),
    }
    voted = {"format": np.array(2), "votes": np.eye(12, 16, dtype=np.uint8), "num_votes": np.array(20)}
    return [
        _npz(**usual),
        _npz(**usual | voted),
        _npz(**usual | {"keypoints": keypoints[:0], "scores": keypoints[:0, 0]}),
    ]


def _weights_seeds() -> list[bytes]:
    from superpoint_tf.config import NetworkConfig
    from superpoint_tf.networks.build import build_network
    from superpoint_tf.networks.weights import get_weights

    network = NetworkConfig(width=1 / 16, batch_norm=False, system="magicpoint")
    return [get_weights(build_network(network), network).to_bytes()]


# ------------------------------------------------------------------------------------------------ label folders


def _read_label_folder(content: bytes, folder: Path) -> None:
    """Read `manifest` and `adaptation.json`, one after the other, as a training and a second adaptation do."""
    from superpoint_tf.config.config_files import build_config
    from superpoint_tf.data.labels.label_folders import find_labels
    from superpoint_tf.data.labels.label_sets import labelled_photographs
    from superpoint_tf.data.labels.labels import IDENTITY_FILE, Part, read_manifest

    plan, _, manifest = content.partition(_BETWEEN_MEMBERS)
    _written(folder / IDENTITY_FILE, plan)
    _written(folder / "manifest.json", manifest)
    _written(folder / "manifest-round-1-shard-0-of-2.json", manifest)
    find_labels(build_config({}), str(folder))
    for part in (None, Part(1, 0, 2)):
        found = read_manifest(str(folder), part)
        found.fingerprint()
        build_config(found.config, "manifest")
        found.detector["path"] + found.detector["sha256"]
        [item["path"] + item["reason"] for item in found.counts["left_out"]]
        found.counts["photographs"] + found.counts["keypoints"] + found.counts["keypoints_per_image"]
        len(labelled_photographs(str(folder), found))


def _label_manifest_seeds() -> list[bytes]:
    from superpoint_tf.config import Config
    from superpoint_tf.config.config_files import config_to_dict

    config = config_to_dict(Config())
    plan = {"rounds": 1, "detector_sha256": "0" * 64, "photographs_sha256": "0" * 64, "config": config}
    counts = {"photographs": 1, "keypoints": 3, "keypoints_per_image": 3.0, "labels_sha256": "1f" * 32}
    manifest = {
        "image_root": "photographs",
        "final_round": 1,
        "rounds": [1],
        "detector": {"path": "weights.npz", "sha256": "0" * 64},
        "config": {"photographs": {"image_shape": [240, 320]}},
        "counts": counts | {"left_out": [{"path": "b.jpg", "reason": "damaged"}]},
        "photographs": ["a.jpg"],
        "validation": [],
        "schema_version": 1,
    }
    chunks = {key: value for key, value in manifest.items() if key != "photographs"}
    manifests = [manifest, {**chunks, "chunks": [1, 0, 3], "schema_version": 3}]
    return [json.dumps(plan).encode() + _BETWEEN_MEMBERS + json.dumps(each).encode() for each in manifests]


# ------------------------------------------------------------------------------------------------ other files


def _read_homography(content: bytes, folder: Path) -> None:
    from superpoint_tf.evaluation.sets.hpatches import find_hpatches

    sequence = folder / "v_a"
    sequence.mkdir(exist_ok=True)
    for name in ("1.png", "2.png"):
        (sequence / name).touch()
    _written(sequence / "H_1_2", content)
    ((_, _, matrix),) = find_hpatches(folder)[0].others
    assert matrix.shape == (3, 3) and np.isfinite(matrix).all() and np.isfinite(np.linalg.inv(matrix)).all(), matrix


def _homography_seeds() -> list[bytes]:
    return [
        b"1 0 3.5\n0 1 -2\n1e-5 0 1\n",
        b"8.7e-01 -6.7e-02 1.1e+02\n-2.0 9.4 -1\n1.6e-04 -8e-05 1.0",
        b"1e300 0 0 0 1e-300 1 1 2 1e-9",
    ]


def _read_features(content: bytes, folder: Path) -> None:
    from superpoint_tf.features.feature_files import open_features, read_features

    with open_features(_written(folder / "features.h5", content)) as file:
        for name in ("a.jpg", "b/c.jpg"):
            features, _ = read_features(file, name)
            assert np.isfinite(features.keypoints).all() and len(features.scores) == len(features.keypoints)


def _feature_seeds() -> list[bytes]:
    import tempfile

    from superpoint_tf.features import Features
    from superpoint_tf.features.feature_files import open_features, write_features

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "features.h5"
        with open_features(path, "a") as file:
            for name in ("a.jpg", "b/c.jpg"):
                arrays = np.ones((2, 2), np.float32), np.ones(2, np.float32), np.ones((2, 8), np.float32)
                write_features(file, name, Features(*arrays), (24, 32))
        return [path.read_bytes()]


def _read_points(name: str) -> Callable[[bytes, Path], None]:
    def read(content: bytes, folder: Path) -> None:
        from superpoint_tf.interop.point_files import read_points

        keypoints, scores = read_points(_written(folder / name, content))
        assert keypoints.shape == (len(scores), 2) and np.isfinite(keypoints).all() and np.isfinite(scores).all()

    return read


def _point_text_seeds() -> list[bytes]:
    return [b"7 3\n1.5 2\n", b"x,y,score\n7,3,0.5\n1.5,2,1e-3\n", b"# by hand\nrow;column\n3;7\n"]


def _point_array_seeds() -> list[bytes]:
    return [_npz(points=np.array([[3, 7], [2, 1]])), _npz(pts=np.array([[7.0, 3.0, 0.5]]), other=np.zeros(2))]


# ------------------------------------------------------------------------------------------------ the list


def _settings_target(read: Callable[[bytes, Path], None], seeds: Callable[[], list[bytes]]) -> Callable[[], Target]:
    def build() -> Target:
        from superpoint_tf.config import ConfigError

        return Target(read, seeds, (ConfigError,))

    return build


def _label_target(members: bool) -> Target:
    from superpoint_tf.data.labels.labels import LabelError, load_label

    def read(content: bytes, folder: Path) -> None:
        load_label(_written(folder / "a.jpg.npz", content))

    return (
        Target(_repacked(read), lambda: _unpacked(_label_seeds()), (LabelError,))
        if members
        else Target(read, _label_seeds, (LabelError,))
    )


def _weights_target(members: bool) -> Target:
    from superpoint_tf.networks.weights import WeightsError, load_weights

    def read(content: bytes, folder: Path) -> None:
        load_weights(_written(folder / "weights.npz", content))

    return (
        Target(_repacked(read), lambda: _unpacked(_weights_seeds()), (WeightsError,))
        if members
        else Target(read, _weights_seeds, (WeightsError,))
    )


def _points_target(name: str, seeds: Callable[[], list[bytes]]) -> Target:
    from superpoint_tf.interop.point_files import PointFileError

    return Target(_read_points(name), seeds, (PointFileError,))


def _label_index_target(members: bool) -> Target:
    from superpoint_tf.data.labels.label_chunks import pack_chunk, read_archived, read_index
    from superpoint_tf.data.labels.label_places import archive_path, index_path
    from superpoint_tf.data.labels.labels import LabelError

    archive, index = pack_chunk("0" * 64, {"a.jpg": b"label", "b/c.jpg": b"other"}, [1, 2], {"d.jpg": "empty file"})

    def read(content: bytes, folder: Path) -> None:
        place = archive_path(str(folder), 1, 0)
        Path(place).parent.mkdir(exist_ok=True)
        _written(Path(place), archive)
        _written(Path(index_path(place)), content)
        for stored in read_index(place):
            read_archived(place, stored.photograph)

    refusals = (LabelError, FileNotFoundError)  # the latter of a photograph that an index names no more
    if members:
        return Target(_repacked(read), lambda: _unpacked([index.to_bytes()]), refusals)
    return Target(read, lambda: [index.to_bytes()], refusals)


def _label_folder_target() -> Target:
    from superpoint_tf.config import ConfigError
    from superpoint_tf.data.labels.labels import LabelError

    return Target(_read_label_folder, _label_manifest_seeds, (LabelError, ConfigError))


BUILDERS: dict[str, Callable[[], Target]] = {
    "config": _settings_target(_read_config, _config_seeds),
    "override": _settings_target(_read_overrides, _override_seeds),
    "cluster": _settings_target(_read_cluster, _cluster_seeds),
    "label": lambda: _label_target(members=False),
    "label_members": lambda: _label_target(members=True),
    "label_index": lambda: _label_index_target(members=False),
    "label_index_members": lambda: _label_index_target(members=True),
    "label_folder": _label_folder_target,
    "weights": lambda: _weights_target(members=False),
    "weights_members": lambda: _weights_target(members=True),
    "homography": lambda: Target(_read_homography, _homography_seeds, (ValueError,)),
    "point_text": lambda: _points_target("a.txt", _point_text_seeds),
    "point_arrays": lambda: _points_target("a.npz", _point_array_seeds),
    "features": lambda: Target(_read_features, _feature_seeds, (ValueError, OSError)),
}
