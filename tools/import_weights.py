"""Start from public weights: python tools/import_weights.py superpoint_v1.pth"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("import_weights")
