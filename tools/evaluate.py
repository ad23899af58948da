"""Measure methods side by side: python tools/evaluate.py hpatches --data DIR --methods classical controls"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("evaluate")
