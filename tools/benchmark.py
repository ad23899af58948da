"""Measure throughput and peak memory against what the machine allows: python tools/benchmark.py all --quick"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("benchmark")
