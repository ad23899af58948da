"""Train a detector or the joint model: python tools/train_superpoint.py configs/coco.yaml

The same command as tools/train.py, under the name of the project's first system.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("train")
