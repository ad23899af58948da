"""Label photographs by homographic adaptation: python tools/homographic_adapt.py --iters 2"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("homographic_adapt")
