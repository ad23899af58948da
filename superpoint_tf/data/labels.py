"""The store of pseudo-labels: one small file a photograph and round, and a manifest that says what was made how."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from superpoint_tf import storage

SCHEMA_VERSION = 1
IDENTITY_FILE = "adaptation.json"  # marks a label folder; says what it is made from and how many rounds are wanted
_SHAPES: dict[str, tuple[int | None, ...]] = {
    "keypoints": (None, 2),
    "scores": (None,),
    "image_shape": (2,),
    "image_to_label": (3, 3),
    "sha256": (),
}
_PHOTOGRAPH_LISTS = ("photographs", "validation")
_REMEDY = "delete it and run tools/homographic_adapt.py again"


class LabelError(ValueError):
    """A label file or manifest that cannot be used; the message names the file and the remedy."""


@dataclass(frozen=True)
class Label:
    """Keypoints of one photograph, in its scaled and cropped frame."""

    keypoints: np.ndarray  # float32 (N, 2), xy pixels of the frame
    scores: np.ndarray  # float32 (N,)
    image_shape: tuple[int, int]  # (height, width) of the frame
    image_to_label: np.ndarray  # float64 (3, 3), from xy of the original file to xy of the frame
    sha256: str  # of the photograph's file: labels never attach to a picture that changed since
    detector_sha256: str = ""  # of the weights that made it
    votes: np.ndarray | None = None  # STUB
    num_votes: int = 1  # STUB

    def known(self, min_votes: float) -> np.ndarray:
        """STUB."""
        if self.votes is None:
            return np.ones(self.image_shape, bool)
        return (self.votes >= min_votes * self.num_votes) & (self.votes > 0)


def label_path(root: str, round: int, photograph: str) -> str:
    """Return where the labels of a photograph lie; `photograph` is its path below the image root, with slashes.

    The extension stays in the name, so that a.jpg and a.png do not share labels.
    """
    parts = PurePosixPath(photograph).parts
    if not parts or ".." in parts or photograph.startswith("/"):
        raise LabelError(f"{photograph!r} is not a path below the image root")
    return storage.join(root, f"round_{round}", *parts) + ".npz"


def save_label(path: str, label: Label) -> str:
    """Write a label and return the SHA-256 of the file; the same label gives the same bytes."""
    content = storage.npz_bytes(
        keypoints=np.asarray(label.keypoints, np.float32).reshape(-1, 2),
        scores=np.asarray(label.scores, np.float32).reshape(-1),
        image_shape=np.asarray(label.image_shape, np.int64),
        image_to_label=np.asarray(label.image_to_label, np.float64),
        sha256=np.asarray(label.sha256),
        detector_sha256=np.asarray(label.detector_sha256),
        votes=np.ones(label.image_shape, np.uint16) if label.votes is None else np.asarray(label.votes, np.uint16),
        num_votes=np.asarray(label.num_votes),
    )
    storage.write_bytes(path, content)
    return storage.sha256(content)


def load_label(path: str, expected_sha256: str | None = None) -> Label:
    """Read a label; with `expected_sha256` it must have been made from a photograph of that content.

    Raises FileNotFoundError, or LabelError for a damaged or foreign file or a photograph that changed since.
    """
    try:
        arrays = storage.load_npz(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such label file; run tools/homographic_adapt.py again") from error
    except ValueError as error:
        raise LabelError(f"{error}; {_REMEDY}") from error
    _check_arrays(path, arrays)
    label = Label(
        keypoints=arrays["keypoints"],
        scores=arrays["scores"],
        image_shape=(int(arrays["image_shape"][0]), int(arrays["image_shape"][1])),
        image_to_label=arrays["image_to_label"],
        sha256=str(arrays["sha256"]),
        detector_sha256=str(arrays.get("detector_sha256", "")),
        votes=arrays.get("votes"),
        num_votes=int(arrays.get("num_votes", 1)),
    )
    if expected_sha256 is not None and label.sha256 != expected_sha256:
        raise LabelError(f"{path}: made from another version of the photograph (its content changed); {_REMEDY}")
    return label


def _check_arrays(path: str, arrays: dict[str, np.ndarray]) -> None:
    missing = [name for name in _SHAPES if name not in arrays]
    if missing:
        raise LabelError(f"{path}: not a label file ({', '.join(missing)} missing); {_REMEDY}")
    for name, shape in _SHAPES.items():
        found = arrays[name].shape
        if len(found) != len(shape) or any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
            wanted = f"({', '.join('N' if side is None else str(side) for side in shape)})"
            raise LabelError(f"{path}: {name} has shape {found}, expected {wanted}; {_REMEDY}")
    kinds = {"keypoints": "f", "scores": "f", "image_shape": "iu", "image_to_label": "f", "sha256": "U"}
    for name, kind in kinds.items():
        if arrays[name].dtype.kind not in kind:
            raise LabelError(f"{path}: {name} has type {arrays[name].dtype}; {_REMEDY}")
    if len(arrays["keypoints"]) != len(arrays["scores"]):
        count, scores = len(arrays["keypoints"]), len(arrays["scores"])
        raise LabelError(f"{path}: {count} keypoints but {scores} scores; {_REMEDY}")
    numbers = [arrays[name] for name in ("keypoints", "scores", "image_to_label")]
    if not all(np.isfinite(values).all() for values in numbers) or (arrays["image_shape"] <= 0).any():
        raise LabelError(f"{path}: holds numbers that are not finite or a shape that is not positive; {_REMEDY}")


@dataclass(frozen=True)
class LabelManifest:
    """What a label folder holds and what made it."""

    image_root: str  # as the user gave it
    final_round: int
    rounds: tuple[int, ...]  # finished ones
    detector: dict[str, str]  # path, sha256 of the weights that made the final round
    config: dict[str, Any]  # resolved
    counts: dict[str, Any]  # photographs, keypoints, keypoints_per_image, labels_sha256, left_out: [{path, reason}]
    photographs: tuple[str, ...] = ()  # below image_root, those that have labels in the final round
    validation: tuple[str, ...] = ()  # below image_root, held out of retraining and training
    schema_version: int = field(default=SCHEMA_VERSION)

    def fingerprint(self) -> str:
        """Return a SHA-256 of what training reads of the folder: labels and lists of photographs; not of paths."""
        content = [self.final_round, self.counts["labels_sha256"], self.photographs, self.validation]
        return storage.sha256(json.dumps(content).encode())


def digest_label(photograph: str, label_sha256: str) -> str:
    """Return one digest of a photograph's name and its label file."""
    return storage.sha256(f"{photograph}\0{label_sha256}".encode())


def add_digests(digests: Iterable[str]) -> str:
    """Add SHA-256 digests (hexadecimal) modulo 2**256: one digest of a set, whatever the order and the shares."""
    return f"{sum(int(digest, 16) for digest in digests) % 2**256:064x}"


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
    storage.write_json(manifest_path(root, part), dataclasses.asdict(manifest))


def read_manifest(root: str, part: Part | None = None) -> LabelManifest:
    """Read the manifest of a label folder; raises FileNotFoundError or LabelError with the remedy."""
    path = manifest_path(root, part)
    try:
        values = storage.read_json(path)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"no labels in {root} ({path} is missing); run tools/homographic_adapt.py") from error
    except ValueError as error:
        raise LabelError(str(error)) from error
    _check_manifest(path, values)
    return LabelManifest(**{**values, **{key: tuple(values[key]) for key in ("rounds", *_PHOTOGRAPH_LISTS)}})


def read_plan(root: str) -> dict[str, Any]:
    """Return what a label folder is made from, `rounds` (wanted), digests by name and `config`; raises LabelError."""
    path = storage.join(root, IDENTITY_FILE)
    try:
        plan = storage.read_json(path)
    except ValueError as error:
        raise LabelError(str(error)) from error
    kinds = {"rounds": int, "detector_sha256": str, "photographs_sha256": str, "config": dict}
    if not isinstance(plan, dict) or not all(isinstance(plan.get(name), kind) for name, kind in kinds.items()):
        raise LabelError(f"{path}: not the plan of a label folder; {_REMEDY}")
    return plan


def _check_manifest(path: str, values: Any) -> None:
    names = {f.name for f in dataclasses.fields(LabelManifest)}
    if not isinstance(values, dict) or values.keys() != names:
        raise LabelError(f"{path}: not a manifest of labels; {_REMEDY}")
    if values["schema_version"] != SCHEMA_VERSION:
        raise LabelError(f"{path}: schema {values['schema_version']}, this version reads {SCHEMA_VERSION}; {_REMEDY}")
    kinds = {"image_root": str, "final_round": int, "rounds": list, "detector": dict, "config": dict, "counts": dict}
    kinds.update(dict.fromkeys(_PHOTOGRAPH_LISTS, list))
    wrong = [name for name, kind in kinds.items() if not isinstance(values[name], kind)]
    wrong = wrong or _wrong_parts(values)
    if wrong:
        raise LabelError(f"{path}: {', '.join(wrong)} wrongly typed; {_REMEDY}")


def _wrong_parts(values: dict[str, Any]) -> list[str]:
    """Name what is inside the lists and mappings of a manifest and has another type than this module writes."""
    wrong = [key for key in _PHOTOGRAPH_LISTS if not all(isinstance(name, str) for name in values[key])]
    wrong += ["rounds"] * (not all(isinstance(round, int) for round in values["rounds"]))
    counts = values["counts"]
    parts: dict[str, tuple[Any, Any]] = {
        f"detector.{name}": (values["detector"].get(name), str) for name in ("path", "sha256")
    }
    parts |= {f"counts.{name}": (counts.get(name), int) for name in ("photographs", "keypoints")}
    parts["counts.keypoints_per_image"] = (counts.get("keypoints_per_image"), (int, float))
    wrong += [name for name, (value, kind) in parts.items() if not isinstance(value, kind)]
    wrong += ["counts.labels_sha256"] * (not _is_digest(counts.get("labels_sha256")))
    left_out = counts.get("left_out")
    listed = isinstance(left_out, list) and all(isinstance(item, dict) for item in left_out)
    described = listed and all(isinstance(item.get(key), str) for item in left_out for key in ("path", "reason"))
    return wrong + ["counts.left_out"] * (not described)


def _is_digest(value: Any) -> bool:
    """Tell whether a value is a SHA-256 in hexadecimal."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")
