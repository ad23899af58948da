"""Pseudo-labels as the bytes of files, and the manifest of a label folder, which says what was made how."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from superpoint_tf.data.labels.label_arrays import LABEL_FORMAT, LabelError, check_arrays, read_votes
from superpoint_tf.data.labels.label_chunks import read_archived
from superpoint_tf.data.labels.label_origin import IDENTITY_FILE, how_to_label, remedy
from superpoint_tf.data.labels.label_places import LABEL_SUFFIX, split_archived
from superpoint_tf.data.labels.label_votes import pack_votes
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.json_forms import misfits
from superpoint_tf.runtime.operating_system import parts_below

SCHEMA_VERSION = 3  # of manifests; 2: a file a label and one list of all photographs; 1: the labels hold no votes too
LABEL_STORE = "chunks"  # what identities name the form of schema 3; before it they named none
_MOST_IN_A_CHUNK = 10**6  # labels
MOST_LEFT_OUT = 1000  # photographs left out that a manifest names; the chunks' indexes name all
IMPORTED = "imported"  # in the place of a detector's path: others made the labels
ADAPTED = "adapted"  # joint.init of this name: the detector that made the labels
_PLAN = {"rounds": int, "detector_sha256": str, "photographs_sha256": str, "config": dict}
_MANIFEST: dict[str, Any] = {
    "image_root": str,
    "final_round": int,
    "rounds": [int],
    "detector": {"path": str, "sha256": str},
    "config": dict,
    "counts": {
        "photographs": int,
        "keypoints": int,
        "keypoints_per_image": (int, float),
        "labels_sha256": str,
        "left_out": [{"path": str, "reason": str}],
    },
    "validation": [str],
    "schema_version": int,
}
_LISTS: dict[int, dict[str, Any]] = {  # by the schema
    1: {"photographs": [str]},
    2: {"photographs": [str]},
    SCHEMA_VERSION: {"chunks": [int]},
}


@dataclass(frozen=True)
class Label:
    """Keypoints of one photograph, in its scaled and cropped frame, and how much of the frame was looked at."""

    keypoints: np.ndarray  # float32 (N, 2), xy pixels of the frame
    scores: np.ndarray  # float32 (N,)
    image_shape: tuple[int, int]  # (height, width) of the frame
    image_to_label: np.ndarray  # float64 (3, 3), from xy of the original file to xy of the frame
    sha256: str  # of the photograph's file: labels never attach to a picture that changed since
    detector_sha256: str = ""  # of the weights that made it
    # uint16 (H, W), how many warps had a vote; 0 nearer to the frame than labels are kept. Left out: all, everywhere
    votes: np.ndarray = None  # type: ignore[assignment]
    num_votes: int = 1  # of the homographies

    def __post_init__(self) -> None:
        if self.votes is None:
            object.__setattr__(self, "votes", np.full(self.image_shape, self.num_votes, np.uint16))

    def known(self, min_votes: float) -> np.ndarray:
        """Tell, bool (H, W), where at least this share of the votes, and one, says whether there is a keypoint."""
        known: np.ndarray = (self.votes >= min_votes * self.num_votes) & (self.votes > 0)
        return known


def label_path(root: str, round: int, photograph: str) -> str:
    """Return the label file of a photograph in a folder of schema 2; `find_label` finds it in any.

    `photograph` is its path below the image root, with slashes. The extension stays in the name, so that a.jpg and
    a.png do not share labels.
    """
    parts = parts_below(photograph)
    if not parts:
        raise LabelError(f"{photograph!r} is not a path below the image root")
    return storage.join(root, f"round_{round}", *parts) + LABEL_SUFFIX


def encode_label(label: Label) -> bytes:
    """Return a label as its file holds it, in format 2; the same label gives the same bytes.

    Votes are kept as the fewest of each block of 2x2 pixels.
    """
    return storage.npz_bytes(
        format=np.asarray(LABEL_FORMAT, np.int64),
        keypoints=np.asarray(label.keypoints, np.float32).reshape(-1, 2),
        scores=np.asarray(label.scores, np.float32).reshape(-1),
        image_shape=np.asarray(label.image_shape, np.int64),
        image_to_label=np.asarray(label.image_to_label, np.float64),
        sha256=np.asarray(label.sha256),
        detector_sha256=np.asarray(label.detector_sha256),
        votes=pack_votes(label.votes, label.num_votes),
        num_votes=np.asarray(label.num_votes, np.int64),
    )


def save_label(path: str, label: Label) -> str:
    """Write a label into a file of its own and return the SHA-256 of the file."""
    content = encode_label(label)
    storage.write_bytes(path, content)
    return storage.sha256(content)


def load_label(path: str, expected_sha256: str | None = None) -> Label:
    """Read a label; with `expected_sha256` it must have been made from a photograph of that content.

    `path` is that of a file, or leads into the archive of a chunk as if it were a folder (`find_label`). One of format
    1, which held no votes, has one vote but within 16 px of the frame, where it is not to be believed.
    Raises FileNotFoundError, or LabelError for a damaged or foreign file or a photograph that changed since.
    """
    archive, photograph = split_archived(path)
    try:
        arrays = storage.unpack_npz(read_archived(archive, photograph), path) if archive else storage.load_npz(path)
    except LabelError:
        raise
    except FileNotFoundError as error:
        if archive:
            raise
        raise FileNotFoundError(f"{path}: no such label file; {how_to_label(path)}") from error
    except ValueError as error:
        raise LabelError(f"{error}; {remedy(path)}") from error
    label = decode_label(arrays, path)
    if expected_sha256 is not None and label.sha256 != expected_sha256:
        raise LabelError(f"{path}: made from another version of the photograph (its content changed); {remedy(path)}")
    return label


def decode_label(arrays: dict[str, np.ndarray], path: str) -> Label:
    """Return the label of a file's arrays; `path` is named in errors. Raises LabelError."""
    check_arrays(path, arrays)
    image_shape = (int(arrays["image_shape"][0]), int(arrays["image_shape"][1]))
    votes, num_votes = read_votes(path, arrays, image_shape)
    return Label(
        keypoints=arrays["keypoints"],
        scores=arrays["scores"],
        image_shape=image_shape,
        image_to_label=arrays["image_to_label"],
        sha256=str(arrays["sha256"]),
        detector_sha256=str(arrays.get("detector_sha256", "")),
        votes=votes,
        num_votes=num_votes,
    )


@dataclass(frozen=True)
class LabelManifest:
    """What a label folder holds and what made it."""

    image_root: str  # as the user gave it
    final_round: int
    rounds: tuple[int, ...]  # finished ones
    detector: dict[str, str]  # path, sha256 of the weights that made the final round
    config: dict[str, Any]  # resolved
    counts: dict[str, Any]  # photographs, keypoints, keypoints_per_image, labels_sha256, left_out: [{path, reason}] ...
    photographs: tuple[str, ...] = ()  # below image_root, those that have labels in the final round; of schema 1 and 2
    validation: tuple[str, ...] = ()  # below image_root, held out of retraining and training
    schema_version: int = field(default=SCHEMA_VERSION)
    chunks: tuple[int, ...] = ()  # how many labels each chunk of the final round has; since schema 3

    @property
    def has_votes(self) -> bool:
        """Tell whether the labels hold votes; those of schema 1 are believed but within 16 px of the frame."""
        return self.schema_version > 1

    def fingerprint(self) -> str:
        """Return a SHA-256 of what training reads of the folder: labels, their order and who is held out, not paths."""
        order = self.chunks if self.schema_version > 2 else self.photographs
        content = [self.final_round, self.counts["labels_sha256"], order, self.validation]
        return storage.sha256(json.dumps(content).encode())


def digest_label(photograph: str, label_sha256: str) -> str:
    """Return one digest of a photograph's name and its label file."""
    return storage.sha256(f"{photograph}\0{label_sha256}".encode())


def add_digests(digests: Iterable[str]) -> str:
    """Add SHA-256 digests (hexadecimal) modulo 2**256: one digest of a set, whatever the order and the shares."""
    return f"{sum(int(digest, 16) for digest in digests) % 2**256:064x}"


def count_labels(
    photographs: int, keypoints: int, labels_sha256: str, left_out: Iterable[dict[str, str]], num_left_out: int
) -> dict[str, Any]:
    """Return the `counts` of a manifest; of the photographs left out it names the first ones alone."""
    return {
        "photographs": photographs,
        "keypoints": keypoints,
        "keypoints_per_image": keypoints / max(photographs, 1),
        "labels_sha256": labels_sha256,
        "left_out": sorted(left_out, key=lambda item: item["path"])[:MOST_LEFT_OUT],
        "num_left_out": num_left_out,
    }


class Part(NamedTuple):
    """One shard's share of one round; each has a manifest of its own, so that a restart finds those of every round."""

    round: int
    shard: int
    shards: int


def manifest_path(root: str, part: Part | None = None) -> str:
    """Return manifest.json of a label folder, or that of a part of it."""
    name = "manifest" if part is None else f"manifest-round-{part.round}-shard-{part.shard}-of-{part.shards}"
    return storage.join(root, f"{name}.json")


def write_manifest(root: str, manifest: LabelManifest, part: Part | None = None) -> None:
    """Write the manifest of a label folder, or of a part of it."""
    values = dataclasses.asdict(manifest)
    kept = _MANIFEST.keys() | _LISTS[manifest.schema_version].keys()
    storage.write_json(manifest_path(root, part), {key: value for key, value in values.items() if key in kept})


def read_manifest(root: str, part: Part | None = None) -> LabelManifest:
    """Read the manifest of a label folder; raises FileNotFoundError or LabelError with the remedy."""
    path = manifest_path(root, part)
    try:
        values = storage.read_json(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"no labels in {root} ({path} is missing); {how_to_label(root)}") from error
    except ValueError as error:
        raise LabelError(str(error)) from error
    version = values.get("schema_version", 1) if isinstance(values, dict) else 1
    if not isinstance(version, int) or version not in _LISTS:
        schema = f"schema {version}, this version reads 1 to {SCHEMA_VERSION}"
        raise LabelError(f"{path}: {schema}; {remedy(path)}")
    form = _MANIFEST | _LISTS[version]
    wrong = list(misfits(values, form)) or ["unknown keys"] * (values.keys() != form.keys())
    if wrong:
        raise LabelError(f"{path}: not a manifest of labels (what does not fit: {', '.join(wrong)}); {remedy(path)}")
    if not all(0 <= count <= _MOST_IN_A_CHUNK for count in values.get("chunks", ())):
        raise LabelError(f"{path}: not a manifest of labels (sizes of chunks that none can have); {remedy(path)}")
    tuples: dict[str, Any] = {key: tuple(values[key]) for key in ("rounds", "validation", *_LISTS[version])}
    return LabelManifest(**{**values, **tuples})


def read_plan(root: str) -> dict[str, Any]:
    """Return what a label folder is made from, `rounds` (wanted), digests by name and `config`; raises LabelError."""
    path = storage.join(root, IDENTITY_FILE)
    try:
        plan: dict[str, Any] = storage.read_json(path)
    except ValueError as error:
        raise LabelError(str(error)) from error
    if wrong := list(misfits(plan, _PLAN)):
        raise LabelError(
            f"{path}: not the plan of a label folder (what does not fit: {', '.join(wrong)}); {remedy(path)}"
        )
    return plan
