"""Train a detector or the joint model: python tools/train_superpoint.py configs/coco.yaml

The same command as tools/train.py, under the name of the project's first system.
"""

import runpy
from pathlib import Path

if __name__ == "__main__":
    runpy.run_path(str(Path(__file__).with_name("train.py")), run_name="__main__")
