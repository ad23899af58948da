"""Write pictures and a video to try the commands on: python tools/samples.py"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("samples")
