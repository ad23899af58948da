"""Export a network for other runtimes: python tools/export.py --weights superpoint-small --format onnx"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("export")
