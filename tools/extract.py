"""Extract keypoints and descriptors: python tools/extract.py photographs/ --output features.h5"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("extract")
