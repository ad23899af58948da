"""Videos that browsers play, written whole or not at all; the codec is read back from the file."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.data.photographs import video_writer
from superpoint_tf.data.photographs.video_writer import VideoWriter, default_suffix, writes_h264
from superpoint_tf.runtime import storage


def grey(level: int, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    return np.full((*shape, 3), level, np.uint8)


def write(path: Path, frames: int = 3) -> cv2.VideoCapture:
    with VideoWriter(path, rate=10) as writer:
        for number in range(frames):
            writer.add(grey(80 * number % 256))
    return cv2.VideoCapture(str(path))


def codec_of(capture: cv2.VideoCapture) -> str:
    return int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little").decode().lower()


@pytest.fixture
def fresh_probes() -> Iterator[None]:
    """Forget before and after what was found on this machine."""
    probes = (video_writer._ffmpeg, video_writer._opencv_writes_h264)
    for probe in probes:
        probe.cache_clear()
    yield
    for probe in probes:
        probe.cache_clear()


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_a_video_has_a_codec_that_browsers_play(tmp_path: Path, suffix: str):
    capture = write(tmp_path / f"v{suffix}")
    played = {".mp4": ("h264", "avc1") if writes_h264() else ("vp90", "vp09"), ".webm": ("vp80",)}
    assert codec_of(capture) in played[suffix]
    levels = [float(capture.read()[1].mean()) for _ in range(3)]
    assert capture.get(cv2.CAP_PROP_FPS) == 10 and np.allclose(levels, [0, 80, 160], atol=4)


def test_a_video_without_a_name_is_h264_where_that_can_be_written_and_webm_elsewhere(
    monkeypatch: pytest.MonkeyPatch, fresh_probes: None
):
    monkeypatch.setattr(video_writer, "_opencv_writes_h264", lambda: False)
    monkeypatch.setattr(video_writer, "_ffmpeg", lambda: "ffmpeg")
    assert default_suffix() == ".mp4"
    monkeypatch.setattr(video_writer, "_ffmpeg", lambda: None)
    assert default_suffix() == ".webm"


def fake_ffmpeg(folder: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    """Put a program of this name on the path, which lists libx264 and runs `body` on what else it is asked."""
    program = folder / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport sys\nif '-encoders' in sys.argv: print(' V....D libx264'); sys.exit()\n{body}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    monkeypatch.setattr(video_writer, "_opencv_writes_h264", lambda: False)


@pytest.mark.skipif(os.name == "nt", reason="the program is a script")
def test_ffmpeg_is_given_every_picture_and_asked_for_what_browsers_decode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_probes: None
):
    body = "open(sys.argv[-1], 'w').write(f'{len(sys.stdin.buffer.read())} {sys.argv[1:-1]}')"
    fake_ffmpeg(tmp_path, monkeypatch, body)
    with VideoWriter(tmp_path / "v.mp4", rate=12.5) as writer:
        writer.add(grey(1, (49, 65)))
        writer.add(grey(2, (20, 30)))
    length, _, command = (tmp_path / "v.mp4").read_text().partition(" ")
    assert int(length) == 2 * 48 * 64 * 3
    assert "'-s', '64x48', '-r', '12.500000'" in command and "'libx264', '-pix_fmt', 'yuv420p'" in command


@pytest.mark.skipif(os.name == "nt", reason="the program is a script")
@pytest.mark.parametrize("frames", [1, 200])
def test_what_ffmpeg_refuses_is_said_in_its_words_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_probes: None, frames: int
):
    fake_ffmpeg(tmp_path, monkeypatch, "print('no space for video', file=sys.stderr); sys.exit(1)")
    with pytest.raises(OSError, match=r"v\.mp4: cannot be written \(no space for video\)"):
        write(tmp_path / "v.mp4", frames)
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="no ffmpeg here")
def test_the_ffmpeg_of_this_machine_writes_h264(tmp_path: Path):
    assert codec_of(write(tmp_path / "v.mp4")) in ("h264", "avc1")


def test_odd_sides_lose_a_pixel_and_later_pictures_take_the_size_of_the_first(tmp_path: Path):
    with VideoWriter(tmp_path / "v.mp4", rate=10) as writer:
        writer.add(grey(9, (49, 65)))
        writer.add(grey(9, (20, 30)))
    capture = cv2.VideoCapture(str(tmp_path / "v.mp4"))
    assert capture.get(cv2.CAP_PROP_FRAME_WIDTH) == 64 and capture.get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_a_video_that_is_not_whole_has_the_name_of_an_unfinished_file(tmp_path: Path):
    with VideoWriter(tmp_path / "v.mp4", rate=10) as writer:
        writer.add(grey(9))
        storage.remove_unfinished_of(tmp_path / "w.mp4")
        (unfinished,) = tmp_path.iterdir()
        assert unfinished.match(f"v.mp4.*{storage.TEMPORARY_SUFFIX}")
    assert [path.name for path in tmp_path.iterdir()] == ["v.mp4"]


def test_nothing_is_left_of_a_video_whose_writing_failed(tmp_path: Path):
    with pytest.raises(RuntimeError), VideoWriter(tmp_path / "v.mp4", rate=10) as writer:
        writer.add(grey(9))
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []
