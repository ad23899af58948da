"""Train on labels of your own: python tools/import_labels.py LABELS --images PHOTOGRAPHS --output labels/mine"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("import_labels")
