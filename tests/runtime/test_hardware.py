"""What /proc/cpuinfo says of the processor."""

from __future__ import annotations

from pathlib import Path

import pytest

from superpoint_tf.runtime import hardware

XEON = "processor\t: 0\nmodel name\t: Some Xeon\nflags\t\t: fpu avx512f amx_bf16 amx_tile\n\nprocessor\t: 1\n"


@pytest.mark.parametrize(("flags", "expected"), [("amx_bf16", True), ("avx512_bf16", False)])
def test_matrix_units_for_bfloat16_are_those_of_amx(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: str, expected: bool
):
    (tmp_path / "cpuinfo").write_text(XEON.replace("amx_bf16", flags))
    monkeypatch.setattr(hardware, "_CPU_INFO", tmp_path / "cpuinfo")
    assert hardware.multiplies_bfloat16() is expected
    assert hardware.cpu_name() == "Some Xeon"


def test_without_cpuinfo_there_are_no_such_units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(hardware, "_CPU_INFO", tmp_path / "absent")
    assert not hardware.multiplies_bfloat16()
