"""Draw the shapes that the first detector learns from: python tools/generate_synthetic.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("generate_synthetic")
