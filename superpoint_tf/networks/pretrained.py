"""Weights that come with the package, by name, each with a model card and a checksum beside it."""

from __future__ import annotations

from pathlib import Path

from superpoint_tf.runtime import storage
from superpoint_tf.runtime.suggestions import did_you_mean

WEIGHTS_FILE = "weights.npz"  # of a run folder
WEIGHTS_FOLDER = Path(__file__).resolve().parents[1] / "weights"
CHECKSUMS = "SHA256SUMS"  # as `sha256sum` writes it


def pretrained_names() -> tuple[str, ...]:
    """Return the names that `SuperPoint.from_pretrained` and every tool take in place of a path."""
    return tuple(sorted(path.stem for path in WEIGHTS_FOLDER.glob("*.npz")))


def pretrained_path(name: str) -> Path | None:
    """Return the file of a name, or None if there is none of it.

    Raises ValueError naming the file if its content is not what the checksum says.
    """
    if name not in pretrained_names():
        return None
    path = WEIGHTS_FOLDER / f"{name}.npz"
    if storage.sha256_file(path) != _checksums().get(path.name):
        raise ValueError(f"{path}: damaged, its checksum is not that of {CHECKSUMS}; install the package again")
    return path


def exists(what: str) -> bool:
    """Tell whether there is a file, folder or checkpoint of that name, or weights that come with the package."""
    try:
        return Path(what).exists() or Path(f"{what}.index").exists() or what in pretrained_names()
    except OSError:  # longer than a name can be
        return False


def check_weights(what: str) -> None:
    """Raise FileNotFoundError if `load_weights` would find nothing there; without TensorFlow, which takes seconds."""
    folder = Path(what)
    if not exists(what):
        raise FileNotFoundError(no_weights(what))
    if folder.is_dir() and not (folder / WEIGHTS_FILE).exists() and not Path(f"{what}.index").exists():
        raise FileNotFoundError(no_weights(folder / WEIGHTS_FILE))


def no_weights(path: str | Path) -> str:
    """Return the message for a place without weights."""
    names = pretrained_names()
    others = f", or {' or '.join(names)}" if names else ""
    known = f"give a weights.npz, a run folder or a checkpoint{others}"
    if storage.is_remote(path):
        return f"{path}: weights are read from a disk alone; copy them to one, or {known}"
    return f"{path}: no weights there; {known}{did_you_mean(str(path), names)}"


def _checksums() -> dict[str, str]:
    """Return the expected SHA-256 by file name."""
    lines = (WEIGHTS_FOLDER / CHECKSUMS).read_text(encoding="utf-8").split("\n")
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines if line)}
