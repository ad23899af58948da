from __future__ import annotations

import pytest

from superpoint_tf.runtime import waiting
from superpoint_tf.runtime.interruption import Interrupted, StopRequest
from superpoint_tf.runtime.progress import Console


def test_it_is_said_for_whom_at_once_and_again_after_a_minute(monkeypatch, capsys):
    clock, left = [1000.0], [70]
    monkeypatch.setattr(waiting.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(waiting.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + seconds))

    def condition() -> bool:
        left[0] -= 1
        return left[0] < 35  # 35 polls of 2 s

    waiting.wait_for(condition, lambda: f"shard {left[0]}", Console(), "adapt", StopRequest())
    assert capsys.readouterr().out == "adapt | waiting for shard 69\nadapt | waiting for shard 39\n"


def test_a_stop_ends_it_and_says_what_is_kept():
    stop = StopRequest()
    stop.request()
    with pytest.raises(Interrupted, match="stopped while waiting for shard 1; finished files are kept"):
        waiting.wait_for(lambda: False, lambda: "shard 1", Console(), "data", stop, "; finished files are kept")
