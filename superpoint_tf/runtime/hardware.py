"""What the processor is and can do."""

from __future__ import annotations

import platform
from pathlib import Path

_CPU_INFO = Path("/proc/cpuinfo")


def cpu_name() -> str:
    """Return the processor's name."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def multiplies_bfloat16() -> bool:
    """Tell whether the processor has matrix units for bfloat16 (AMX), which TensorFlow's CPU kernels use."""
    return "amx_bf16" in _cpu_info("flags").split()


def computes_bfloat16() -> bool:
    """Tell whether the processor has any instructions for bfloat16, AVX512-BF16 or AMX."""
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(_cpu_info("flags").split())


def _cpu_info(key: str) -> str:
    """Return the first value of a key, empty where there is none or no Linux."""
    try:
        lines = _CPU_INFO.read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(key)), "")
