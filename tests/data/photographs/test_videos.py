"""Videos read frame by frame."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from turned_video import write_turned_video

from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.data.photographs.video_writer import VideoWriter
from superpoint_tf.data.photographs.videos import VideoReader, is_video


def grey(level: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*shape, 3), level, np.uint8)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    with VideoWriter(tmp_path / "v.mp4", rate=10) as writer:
        for number in range(6):
            writer.add(grey(40 * number))
    return tmp_path / "v.mp4"


def test_frames_come_back_in_order_with_their_numbers(video: Path):
    with VideoReader(video) as reader:
        assert reader.announced == 6 and reader.rate == 10
        found = list(reader.frames(every=2))
    assert [number for number, _ in found] == [0, 2, 4]
    for number, frame in found:
        assert frame is not None and frame.shape == (48, 64, 3) and abs(float(frame.mean()) - 40 * number) < 4


def test_a_frame_that_is_not_wanted_is_counted_but_not_decoded(video: Path):
    with VideoReader(video) as reader:
        found = dict(reader.frames(wanted=lambda number: number == 3))
    assert sorted(found) == list(range(6)) and [n for n, frame in found.items() if frame is not None] == [3]


@pytest.mark.parametrize(("content", "words"), [(b"", "not a video"), (b"text" * 50, "not a video")])
def test_what_is_no_video_is_named(tmp_path: Path, content: bytes, words: str):
    (tmp_path / "x.mp4").write_bytes(content)
    with pytest.raises(PhotographError, match=rf"x\.mp4: {words}"):
        VideoReader(tmp_path / "x.mp4")
    with pytest.raises(PhotographError, match="no such file"):
        VideoReader(tmp_path / "gone.mp4")


def test_a_video_that_ends_early_says_so_after_its_frames(video: Path, monkeypatch: pytest.MonkeyPatch):
    with VideoReader(video) as reader:
        reader.announced = 60
        with pytest.raises(PhotographError, match="ends after 6 of 60 frames"):
            list(reader.frames())


def test_names_tell_videos_from_pictures():
    assert is_video("a/B.MP4") and is_video("x.mov") and not is_video("a.gif")


@pytest.mark.parametrize(("degrees", "code"), [(90, cv2.ROTATE_90_CLOCKWISE), (180, cv2.ROTATE_180), (270, 2)])
def test_frames_come_as_players_show_them(tmp_path: Path, degrees: int, code: int):
    frame = grey(60)
    frame[4:20, 8:28], frame[30:40, 40:60] = 230, 10
    write_turned_video(tmp_path / "phone.mp4", [frame] * 3, degrees)
    with VideoReader(tmp_path / "phone.mp4") as reader:
        assert reader.turned_deg == degrees
        shown = dict(reader.frames())[1]
    expected = cv2.rotate(frame, code)
    assert shown is not None and shown.shape == expected.shape
    assert np.abs(shown.astype(int) - expected).mean() < 4
