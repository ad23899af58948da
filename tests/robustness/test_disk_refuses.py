"""A full, read-only, forbidden or vanished disk: an error that names the file, what was there is whole, and on it goes.

The conditions are real: a small file system, its remounting, another user, a limit on file sizes. Those that need the
rights of root are skipped without them.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from superpoint_tf.runtime import storage

sys.path.insert(0, str(Path(__file__).parent))
from writers import WRITERS

SMALL, LARGE, DISK, LIMIT = 60_000, 300_000, "3m", 120_000
NOBODY = 65534


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of 3 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", place], capture_output=True)
    if done.returncode:
        pytest.skip("needs the right to mount a small file system")
    (place / "output").mkdir()
    yield place / "output"
    subprocess.run(["umount", "-l", place], check=True)


@contextlib.contextmanager
def full(folder: Path) -> Iterator[None]:
    filler = folder.parent / "filler"
    with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()


@contextlib.contextmanager
def read_only(folder: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", folder.parent], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", folder.parent], check=True)


@contextlib.contextmanager
def forbidden(folder: Path) -> Iterator[None]:
    """As a user to whom the folder does not belong: to root permissions mean nothing."""
    for place in (folder, *folder.rglob("*")):
        os.chmod(place, 0o555 if place.is_dir() else 0o444)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@contextlib.contextmanager
def vanished(folder: Path) -> Iterator[None]:
    """As when a network drive goes: the folder is a link to nowhere."""
    folder.rename(folder.parent / "elsewhere")
    folder.symlink_to("nowhere")
    try:
        yield
    finally:
        folder.unlink()
        (folder.parent / "elsewhere").rename(folder)


CONDITIONS = {
    "No space left": full,
    "Read-only": read_only,
    "Permission denied": forbidden,
    "No such file|File exists": vanished,
}


def contents(folder: Path) -> dict[str, bytes]:
    ours = (path for path in folder.rglob("*") if path.is_file() and path.name != "plan.json")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in ours}


def check_refused(name: str, folder: Path, reason: str) -> None:
    sentence = (
        rf"{re.escape(str(folder))}\S*: cannot be written \(({reason})[^(]*\); [^(]+, and start the same command again"
    )
    with pytest.raises(storage.WriteError) as caught:
        WRITERS[name](folder, LARGE)
    assert re.fullmatch(sentence, str(caught.value)), str(caught.value)


@pytest.mark.parametrize("reason", CONDITIONS)
@pytest.mark.parametrize("name", WRITERS)
def test_what_the_disk_refuses_is_named_and_what_was_there_stays_whole(folder: Path, name: str, reason: str):
    WRITERS[name](folder, SMALL)
    before = contents(folder)
    with CONDITIONS[reason](folder):
        check_refused(name, folder, reason)
    kept = contents(folder)
    if name != "records":  # asked to overwrite, it begins with deleting
        assert {path: kept[path][: len(before[path])] for path in before if path in kept} == before
    assert not list(folder.rglob(f"*{storage.TEMPORARY_SUFFIX}"))
    WRITERS[name](folder, LARGE)


@pytest.mark.parametrize("name", sorted(set(WRITERS) - {"log"}))  # its line goes to pytest's own file as well
def test_a_limit_on_file_sizes_is_named_too(tmp_path: Path, name: str):
    WRITERS[name](tmp_path, SMALL)
    before, limits = contents(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, limits[1]))
    try:
        check_refused(name, tmp_path, "File too large")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    kept = contents(tmp_path)
    if name != "records":  # asked to overwrite, it begins with deleting
        assert all(kept[path][: len(content)] == content for path, content in before.items())
    WRITERS[name](tmp_path, LARGE)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
def test_an_error_in_the_middle_of_writing_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
):
    """The same without any rights: the error is put into the storage layer."""
    path = tmp_path / "label.npz"
    storage.write_bytes(path, b"old")

    def fail(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(
        storage.WriteError, match=rf"label\.npz: cannot be written \({os.strerror(number)}\); "
    ) as caught:
        storage.write_bytes(path, b"new")
    assert caught.value.errno == number and "start the same command again" in str(caught.value)
    assert contents(tmp_path) == {"label.npz": b"old"}


def test_a_deletion_that_was_killed_is_known_for_ours_and_ends_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path / "run"
    for name in ("config.yaml", "checkpoints/a", "zebra/b"):
        storage.write_bytes(folder / name, b"content")
    with monkeypatch.context() as patched:
        real, calls = shutil.rmtree, []

        def killed(path: str) -> None:
            calls.append(path)
            if len(calls) == 2:
                raise KeyboardInterrupt
            real(path)

        patched.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            storage.remove_tree(folder, "config.yaml")
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "zebra"]
    storage.remove_tree(folder, "config.yaml")
    assert not folder.exists()
