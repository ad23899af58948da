"""Fine-tune on your photographs, and hear whether it helped: python tools/finetune.py FOLDER"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from superpoint_tf.commands import run_command

if __name__ == "__main__":
    run_command("finetune")
