"""What drawing is announced to cost: measured as the processes draw that will do it."""

from __future__ import annotations

import cv2
import pytest

from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.shapes import generation


def test_pictures_are_timed_on_one_thread_as_each_process_draws_them(monkeypatch: pytest.MonkeyPatch):
    threads: list[int] = []

    def encode(config: object, part: tuple[str, int, int]) -> list[bytes]:
        threads.append(cv2.getNumThreads())
        return [b"12345678"] * part[2]

    monkeypatch.setattr(generation, "encode_samples", encode)
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        seconds, size = generation._measure(build_config({}))
        assert threads[-1] == 1 and cv2.getNumThreads() == 2
        assert size == 8 and 0 <= seconds < 1
    finally:
        cv2.setNumThreads(before)
