"""Match two pictures: python tools/match.py A.jpg B.jpg --homography --figure matches.png --panorama panorama.png"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("match")
