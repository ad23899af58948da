"""Showing as a user meets it: saved pictures and videos, a window, and no display."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.data.photographs import camera, video_writer
from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.data.photographs.video_writer import default_suffix
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.using import window
from superpoint_tf.using.extractor import Extractor

Run = Callable[..., int]


@pytest.fixture
def show(run_tool: Run, tiny_weights: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setattr(window, "has_display", lambda: False)
    return lambda *arguments: run_tool("show.py", *arguments, "--weights", tiny_weights, "--threshold", "0.001")


@pytest.fixture
def picture(tmp_path: Path) -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
    cv2.imwrite(str(tmp_path / "a.png"), image)
    return image


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Return the shapes of what a window shows, whose user quits at the third."""
    shapes: list[tuple[int, ...]] = []

    class FakeWindow:
        def show(self, image: np.ndarray, stop: StopRequest, wait_ms: int = 0) -> bool:
            shapes.append(image.shape)
            return len(shapes) < 3

    monkeypatch.setattr(window, "has_display", lambda: True)
    monkeypatch.setattr(window, "Window", FakeWindow)
    return shapes


def write_video(path: Path, frames: int) -> None:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for number in range(frames):
        writer.write(np.random.default_rng(number).integers(0, 256, (48, 64, 3), dtype=np.uint8))
    writer.release()


def test_a_picture_is_saved_as_keypoints_and_heatmap_side_by_side(show: Run, picture: np.ndarray):
    assert show("a.png", "--output", "shown.png") == 0
    shown = cv2.imread("shown.png")
    assert shown.shape[1] == 2 * 640 + 8  # both enlarged ten times, and the gap


def test_the_heatmap_of_several_scales_and_phases_lies_over_the_picture(show: Run, picture: np.ndarray):
    assert show("a.png", "--scales", "1,1.5", "--phases", "2", "--output", "shown.png") == 0
    assert cv2.imread("shown.png").shape[1] == 2 * 640 + 8


def test_without_a_display_it_saves_under_a_default_name_and_says_so(
    show: Run, picture: np.ndarray, capsys: pytest.CaptureFixture[str]
):
    assert show("a.png") == 0
    said = capsys.readouterr().out
    assert "no display" in said and "look at outputs/show/a.png_keypoints.png" in said
    assert Path("outputs/show/a.png_keypoints.png").exists()


def test_of_several_those_that_cannot_be_read_are_named_and_the_others_saved_in_the_folder(
    show: Run, picture: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "b.png").write_text("no picture")
    assert show("a.png", "b.png", "--output", "shown") == 0
    assert "b.png: not a picture" in capsys.readouterr().out
    assert [path.name for path in Path("shown").iterdir()] == ["a.png_keypoints.png"]
    assert show("b.png") == 1


def test_a_name_that_is_not_utf_8_is_left_out_and_the_others_are_shown(
    show: Run, picture: np.ndarray, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    for suffix in (b"png", b"mp4"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff." + suffix)).write_bytes((tmp_path / "a.png").read_bytes())
    strange = [os.fsdecode(b"\xff.png"), os.fsdecode(b"\xff.mp4")]
    assert show("a.png", *strange, "--output", "shown") == 0
    said = capsys.readouterr().out
    assert said.count("its name is not UTF-8; rename it") == 2 and "\\udcff.png" in said
    assert [path.name for path in Path("shown").iterdir()] == ["a.png_keypoints.png"]


def test_a_video_becomes_a_video_with_a_frame_for_each_taken(show: Run, tmp_path: Path):
    write_video(tmp_path / "v.mp4", 6)
    assert show("v.mp4", "--output", "shown.mp4", "--every", "2") == 0
    capture = cv2.VideoCapture("shown.mp4")
    assert capture.get(cv2.CAP_PROP_FRAME_COUNT) == 3 and capture.get(cv2.CAP_PROP_FPS) == 5
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shown.mp4", "v.mp4"]


def test_a_video_is_written_as_its_name_says_and_one_without_h264_says_what_it_holds(
    show: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write_video(tmp_path / "v.mp4", 2)
    assert show("v.mp4", "--output", "shown.webm") == 0 and "VP9" not in capsys.readouterr().out
    assert int(cv2.VideoCapture("shown.webm").get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little") == b"VP80"
    monkeypatch.setattr(video_writer, "_opencv_writes_h264", lambda: False)
    monkeypatch.setattr(video_writer, "_ffmpeg", lambda: None)
    assert show("v.mp4", "--output", "shown.mp4") == 0
    assert "shown.mp4: no H.264 here, so VP9" in capsys.readouterr().out
    assert int(cv2.VideoCapture("shown.mp4").get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little") == b"VP90"


def test_what_a_killed_call_left_of_a_picture_or_a_video_is_removed(show: Run, picture: np.ndarray, tmp_path: Path):
    write_video(tmp_path / "v.mp4", 2)
    video = f"v.mp4_keypoints{default_suffix()}"
    unfinished = ["a.png_keypoints.png.12ab.part", f"{video}.12ab.part", "b.png_keypoints.png.12ab.part"]
    for name in unfinished:
        (tmp_path / "shown" / name).mkdir(parents=True)
    assert show("a.png", "v.mp4", "--output", "shown") == 0
    left = sorted(path.name for path in Path("shown").iterdir())
    assert left == ["a.png_keypoints.png", unfinished[2], video]


def test_a_signal_ends_a_video_with_the_frames_that_are_drawn(
    show: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    write_video(tmp_path / "v.mp4", 6)
    real, calls = Extractor.detect, []

    def interrupted(self: Extractor, image: np.ndarray) -> tuple:
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, image)

    monkeypatch.setattr(Extractor, "detect", interrupted)
    assert show("v.mp4", "--output", "shown.mp4") == 143
    assert "look at shown.mp4 (2 frames, stopped)" in capsys.readouterr().out
    assert cv2.VideoCapture("shown.mp4").get(cv2.CAP_PROP_FRAME_COUNT) == 2


def test_with_a_display_pictures_and_frames_are_shown_until_the_user_quits(
    show: Run, picture: np.ndarray, tmp_path: Path, shown: list[tuple[int, ...]]
):
    write_video(tmp_path / "v.mp4", 6)
    assert show("a.png", "v.mp4") == 0
    assert len(shown) == 3
    assert not Path("outputs").exists()


def test_ctrl_c_ends_a_still_picture_that_waits_for_a_key(monkeypatch: pytest.MonkeyPatch):
    keys = iter([0, 1])

    def wait_key(_: int) -> int:
        if next(keys, None):
            os.kill(os.getpid(), signal.SIGINT)
        return -1

    for name, answer in {"namedWindow": None, "resizeWindow": None, "imshow": None, "getWindowProperty": 1.0}.items():
        monkeypatch.setattr(cv2, name, lambda *_, answer=answer: answer)
    monkeypatch.setattr(cv2, "waitKey", wait_key)
    with StopRequest() as stop:
        assert not window.Window().show(np.zeros((4, 4, 3), np.uint8), stop)
    assert stop.signal_number == signal.SIGINT and next(keys, None) is None


def test_where_there_is_no_display_the_probe_says_so_without_ending_the_process(monkeypatch: pytest.MonkeyPatch):
    for variable in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(variable, raising=False)
    assert not window.has_display()


def test_tracks_of_a_video_are_drawn_in_one_panel_and_rate_and_latency_are_said(
    show: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    write_video(tmp_path / "v.mp4", 4)
    assert show("v.mp4", "--output", "shown.mp4", "--tracks") == 0
    assert re.search(
        r"v\.mp4: \d+\.\d frames/s; a frame takes \d+ ms, 19 of 20 at most \d+ ms", capsys.readouterr().out
    )
    assert cv2.VideoCapture("shown.mp4").get(cv2.CAP_PROP_FRAME_WIDTH) == 640


class FakeCapture:
    """A camera whose frames arrive whenever they are read, and that ends after some."""

    def __init__(self, frames: int, opens: bool = True) -> None:
        self.left, self.opens, self.released = frames, opens, False

    def isOpened(self) -> bool:
        return self.opens

    def get(self, _: int) -> float:
        return 30.0

    def read(self) -> tuple[bool, np.ndarray | None]:
        self.left -= 1
        time.sleep(0.01)
        return (True, np.full((48, 64, 3), self.left, np.uint8)) if self.left >= 0 else (False, None)

    def release(self) -> None:
        self.released = True


def test_a_camera_gives_its_newest_frame_and_says_when_it_ends(monkeypatch: pytest.MonkeyPatch):
    capture = FakeCapture(40)
    monkeypatch.setattr(cv2, "VideoCapture", lambda number: capture)
    numbers = []
    with camera.Camera(0) as opened, pytest.raises(PhotographError, match="camera 0: gives no more frames"):
        for number, frame in opened.frames():
            assert frame is not None and frame[0, 0, 0] == 39 - number
            numbers.append(number)
            time.sleep(0.05)  # slower than the camera
    assert numbers == sorted(set(numbers)) and 1 < len(numbers) < 30
    assert capture.released


def test_a_camera_is_shown_in_a_window_until_the_user_quits(
    show: Run, shown: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(camera.cv2, "VideoCapture", lambda number: FakeCapture(1000))
    assert show("0", "--tracks") == 0
    assert len(shown) == 3 and not Path("outputs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["0"], "camera 0: is shown in a window, and there is no display"),
        (["0", "--output", "shown.mp4"], "camera 0: is shown in a window, and --output is for files"),
        (["a.png", "--tracks"], "--tracks: follows keypoints from frame to frame; name a video or"),
    ],
)
def test_what_a_camera_or_tracks_cannot_do_is_an_error(
    show: Run, picture: np.ndarray, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
):
    assert show(*arguments) == 2
    assert message in capsys.readouterr().err


def test_a_camera_that_is_not_there_is_named(show: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.setattr(camera.cv2, "VideoCapture", lambda number: FakeCapture(0, opens=False))
    monkeypatch.setattr(window, "has_display", lambda: True)
    monkeypatch.setattr(window, "Window", lambda: None)
    assert show("3") != 0
    assert "camera 3: cannot be opened; is it connected" in capsys.readouterr().out
