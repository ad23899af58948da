"""What a feature file of ours says of itself: what it was made with, and of each picture its hash and its path."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import h5py

from superpoint_tf.config.differences import differences
from superpoint_tf.features.feature_files import INSIDE_DAMAGE, DamagedFeatures, damaged, open_features

IDENTITY = "identity"  # attribute of the file
PICTURE, PLACE = "image_sha256", "image_path"  # attributes of each picture's group
_SIGNATURE = b"\x89HDF\r\n\x1a\n"  # of every HDF5 file, damaged or not


class MadeOtherwise(ValueError):
    """A file of ours with features of other weights or settings; `difference` says which, the message also a remedy."""

    def __init__(self, file: Path, before: str, now: str) -> None:
        """Compare two identities in JSON."""
        self.difference = "; ".join(differences(json.loads(before), json.loads(now)))
        remedy = "pass --overwrite to replace it, or choose another --output"
        super().__init__(f"{file}: made otherwise ({self.difference}); {remedy}")


class FeatureIndex(NamedTuple):
    """What a file says of itself."""

    identity: str  # weights and settings, as JSON
    digests: dict[str, str]  # hash of each picture, by its name
    places: dict[str, str]  # path of the file that each came from; files of earlier versions lack it


def read_index(file: Path) -> FeatureIndex:
    """Read a feature file that this project wrote.

    Raises ValueError if it is not ours, DamagedFeatures if it is, or may be, and cannot be read.
    """
    try:
        identity, digests, places = _read(file)
    except DamagedFeatures as error:
        if not _is_hdf5(file):
            raise ValueError(f"{file}: not a feature file; choose another --output") from error
        raise
    if identity is None:
        raise ValueError(f"{file}: holds features that this tool did not write; move it or choose another --output")
    return FeatureIndex(identity, digests, places)


def _read(file: Path) -> tuple[str | None, dict[str, str], dict[str, str]]:
    digests: dict[str, str] = {}
    places: dict[str, str] = {}

    def note(name: str, item: Any) -> None:
        if PICTURE in item.attrs:
            digests[name] = item.attrs[PICTURE]
        if PLACE in item.attrs:
            places[name] = item.attrs[PLACE]

    with open_features(file) as opened:
        try:
            opened.visititems(note)
            return opened.attrs.get(IDENTITY), digests, places
        except INSIDE_DAMAGE as error:
            raise damaged(str(file), error) from error


def _is_hdf5(file: Path) -> bool:
    with open(file, "rb") as opened:
        return opened.read(len(_SIGNATURE)) == _SIGNATURE


def copy_pictures(file: Path, target: h5py.File) -> None:
    """Copy every picture of a feature file to another, in place of those of the same name."""
    names = read_index(file).digests
    with open_features(file) as source:
        for name in names:
            if name in target:
                del target[name]
            source.copy(name, target, name)
