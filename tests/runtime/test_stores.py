from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from superpoint_tf.runtime import storage, stores
from superpoint_tf.runtime.stores import StoreError, StorePath


@pytest.fixture(params=["ram", "file"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder behind a scheme: in memory, and on the disk as a store."""
    folder = f"ram://{tmp_path.name}/store" if request.param == "ram" else f"file://{tmp_path}/store"
    for name in ("a.txt", "sub/b.txt", "sub/deep/c.txt", ".hidden/d.txt", "sub.jpg/e.txt"):
        storage.write_bytes(storage.join(folder, name), name.encode())
    return folder


def test_a_store_is_listed_read_and_matched_like_a_folder(url: str):
    place = StorePath(url)
    assert [path.name for path in place.iterdir()] == [".hidden", "a.txt", "sub", "sub.jpg"]
    assert place.is_dir() and not place.is_file() and (place / "a.txt").is_file() and not (place / "b.txt").exists()
    assert (place / "sub/b.txt").read_text("utf-8") == "sub/b.txt"
    assert storage.size_of(f"{url}/a.txt") == 5 and storage.sha256_file(f"{url}/a.txt") == storage.sha256(b"a.txt")
    matched = {pattern: [storage.relative(path, url) for path in place.glob(pattern)] for pattern in PATTERNS}
    assert matched == PATTERNS


PATTERNS = {
    "*.txt": ["a.txt"],
    "*/b.txt": ["sub/b.txt"],
    "sub/[bc].txt": ["sub/b.txt"],
    "a.txt": ["a.txt"],
    "b.txt": [],
    "**/*.txt": ["a.txt", "sub/b.txt", "sub/deep/c.txt", "sub.jpg/e.txt"],
}


def test_folders_are_told_from_files_and_names_of_files_are_not_asked_about(url: str):
    assert stores.list_both(url) == ([".hidden", "sub", "sub.jpg"], ["a.txt"])
    assert stores.list_both(url, lambda name: name.endswith(".jpg")) == ([".hidden", "sub"], ["a.txt", "sub.jpg"])


def test_a_walk_gives_what_is_not_hidden_in_the_order_of_paths(url: str):
    beside = "a-sub" if url.startswith("ram:") else "sub-a"  # TensorFlow's ram:// would list sub-a below sub, too
    storage.write_bytes(f"{url}/{beside}/z.txt", b"")
    walked = [storage.relative(path, url) for path in stores.walk(StorePath(url), lambda name: name.endswith(".jpg"))]
    assert walked == sorted(walked)
    assert sorted(walked) == sorted(["a.txt", f"{beside}/z.txt", "sub.jpg", "sub/b.txt", "sub/deep/c.txt"])


def test_what_is_not_there_is_not_there_as_on_a_disk(url: str):
    for ask in (stores.read_bytes, stores.size_of, stores.list_folder, storage.load_npz):
        with pytest.raises(FileNotFoundError, match=r"nothing"):
            ask(f"{url}/nothing")
    with pytest.raises(FileNotFoundError, match="nothing"):
        storage.read_part(f"{url}/nothing", 0, 1)
    assert storage.read_part(f"{url}/a.txt", 2, 9) == b"txt"
    for ask in (stores.read_bytes, stores.size_of):
        with pytest.raises(IsADirectoryError):
            ask(f"{url}/sub")


def test_the_parts_of_a_url_keep_both_slashes():
    place = StorePath("gs://bucket/a/b.tar.gz")
    assert (place.name, place.stem, place.suffix, str(place.parent)) == ("b.tar.gz", "b.tar", ".gz", "gs://bucket/a")
    assert str(place.with_name("c") / "d") == "gs://bucket/a/c/d"
    assert str(storage.as_path("gs://bucket/a/") / "b") == "gs://bucket/a/b"
    assert storage.relative("gs://bucket/a/b/c.jpg", "gs://bucket/a/") == "b/c.jpg"
    assert isinstance(storage.as_path("a/b"), Path)


def test_a_scheme_without_a_reader_is_refused_with_what_to_install(tmp_path: Path):
    for ask in (storage.exists, storage.read_bytes, storage.list_folder, lambda url: storage.write_bytes(url, b"")):
        with pytest.raises(StoreError, match=r"^nil://b/x: TensorFlow .* knows no nil://.*gs://.*tensorflow-io"):
            ask("nil://b/x")


def test_tensorflow_io_is_imported_for_a_scheme_that_it_may_bring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "tensorflow_io.py").write_text("raise NotImplementedError('built for another TensorFlow')")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(StoreError, match="knows no nil://"):
        storage.exists("nil://b/x")
    (tmp_path / "tensorflow_io.py").write_text("")
    monkeypatch.delitem(sys.modules, "tensorflow_io", raising=False)
    with pytest.raises(StoreError):
        storage.exists("nil://b/x")
    assert sys.modules.pop("tensorflow_io")


def test_a_process_with_tensorflow_io_ends_with_its_code_and_what_it_registered(tmp_path: Path):
    (tmp_path / "tensorflow_io.py").write_text("")
    code = (
        "import atexit, sys; sys.path.insert(0, sys.argv[1]); import tensorflow_io\n"
        "from superpoint_tf.command_line import run_tool\n"
        "atexit.register(print, 'registered')\n"
        "def main():\n print('said')\n if sys.argv[2] == '2': raise ValueError('wrong')\n"
        "run_tool(main); print('goes on')"
    )
    for wanted in (0, 2):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path), str(wanted)], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (wanted, "said\nregistered\n")
        assert ("error: wrong" in done.stderr) == (wanted == 2)


def failing(error: Exception) -> SimpleNamespace:
    def fail(*_: object, **__: object) -> None:
        raise error

    return SimpleNamespace(stat=fail, GFile=fail, makedirs=fail, listdir=fail)


def test_a_stores_refusals_are_pythons_with_value_and_remedy(monkeypatch: pytest.MonkeyPatch):
    import tensorflow as tf

    denied = tf.errors.PermissionDeniedError(None, None, "caller lacks\n storage.objects.get")
    monkeypatch.setattr(stores, "gfile", lambda url: failing(denied))
    for ask in (storage.exists, storage.read_bytes, storage.list_folder):
        with pytest.raises(PermissionError, match=r"caller lacks storage.objects.get; log in .*gs://b/x") as caught:
            ask("gs://b/x")
        assert caught.value.errno == errno.EACCES
    with pytest.raises(storage.WriteError, match=r"^gs://b/x: cannot be written \(Permission denied\); log in"):
        storage.write_bytes("gs://b/x", b"")
    monkeypatch.setattr(stores, "gfile", lambda url: failing(tf.errors.UnavailableError(None, None, "503")))
    for ask in (storage.exists, storage.read_bytes, storage.list_folder):
        with pytest.raises(StoreError, match=r"^gs://b/x: the store does not answer \(503\); .*start the same command"):
            ask("gs://b/x")


def test_what_has_nothing_to_do_with_a_store_is_raised_as_it_is():
    with pytest.raises(ZeroDivisionError), stores.asking("gs://b/x"):
        print(1 / 0)
