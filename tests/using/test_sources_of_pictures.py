"""What IMAGES may be, and the names that pictures get."""

from __future__ import annotations

from pathlib import Path

import pytest

from superpoint_tf.runtime import operating_system
from superpoint_tf.using.picture_sources import Source, find_sources


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("a/1.jpg", "a/deep/2.PNG", "a/notes.txt", "b/1.jpg", "b/clip.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["a"], ["1.jpg", "deep/2.PNG"]),
        (["a/"], ["1.jpg", "deep/2.PNG"]),
        (["a", "b"], ["a/1.jpg", "a/deep/2.PNG", "b/1.jpg"]),
        (["a/1.jpg"], ["1.jpg"]),
        (["a/1.jpg", "b/1.jpg"], ["a/1.jpg", "b/1.jpg"]),
        (["*/1.jpg"], ["a/1.jpg", "b/1.jpg"]),
        (["a/*.jpg"], ["1.jpg"]),
        (["**/*.PNG"], ["a/deep/2.PNG"]),
        (["b/*"], ["1.jpg", "clip.mp4"]),
        (["a", "a/1.jpg", "a/deep"], ["1.jpg", "deep/2.PNG"]),
    ],
)
def test_names_are_relative_to_the_folder_given_or_to_the_one_in_common(
    root: Path, arguments: list[str], names: list[str]
):
    sources = find_sources(arguments)
    assert [source.name for source in sources] == names
    assert all(Path(source.path).is_file() for source in sources)


def test_frames_are_named_below_their_video():
    source = Source("b/clip.mp4", "/x/b/clip.mp4")
    assert source.is_video and source.frame_name(123) == "b/clip.mp4/000123.jpg"
    assert not Source("a.jpg", "/x/a.jpg").is_video


def test_bundled_are_the_photographs_of_scikit_image(root: Path):
    assert "astronaut.png" in [source.name for source in find_sources(["bundled"])]
    (root / "bundled").mkdir()
    with pytest.raises(FileNotFoundError, match="no photographs in"):  # a folder of that name is meant then
        find_sources(["bundled"])


def test_a_dangling_link_is_a_source_so_that_it_is_counted_and_named(root: Path):
    (root / "gone.jpg").symlink_to(root / "nowhere.jpg")
    assert [source.name for source in find_sources(["gone.jpg"])] == ["gone.jpg"]


@pytest.mark.parametrize(
    ("argument", "words"),
    [("c", "c: no such file or folder"), ("*.xyz", "no file matches"), ("a/deep/..", None), ("empty", "named itself")],
)
def test_what_is_not_there_is_named(root: Path, argument: str, words: str | None):
    (root / "empty").mkdir()
    if words is None:
        assert find_sources([argument])[0].name == "1.jpg"
        return
    with pytest.raises(FileNotFoundError, match=words):
        find_sources([argument])


def test_pictures_on_several_drives_are_an_error_with_a_remedy(root: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(paths: list[str]) -> str:
        raise ValueError("Paths don't have the same drive")  # as on Windows

    monkeypatch.setattr("os.path.commonpath", refuse)
    with pytest.raises(ValueError, match=r"no folder in common \(Paths don't have the same drive\); name those of one"):
        find_sources(["a"])


def test_names_have_slashes_on_windows_too(root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(operating_system, "WINDOWS", True)
    monkeypatch.setattr("os.path.relpath", lambda path, start: path[len(start) + 1 :].replace("/", "\\"))
    assert [source.name for source in find_sources(["a"])] == ["1.jpg", "deep/2.PNG"]
