"""The commands by name, and how this user starts one: by `superpoint-tf NAME`, or from a checkout by `tools/`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

PROGRAM = "superpoint-tf"
CHECKOUT = Path(__file__).resolve().parents[2]  # with tools/ in it; of an installed package the folder of all packages


class Command(NamedTuple):
    """What a name after `superpoint-tf` stands for."""

    module: str  # of superpoint_tf/commands, and the tool of this name in tools/
    help: str


COMMANDS = {
    "generate": Command("generate_synthetic", "draw the shapes that the first detector learns from"),
    "adapt": Command("homographic_adapt", "label photographs through many random homographies, in rounds"),
    "train": Command("train", "train a detector, the joint model or another system, as a config says"),
    "finetune": Command("finetune", "label, train and judge on photographs of your own, in one command"),
    "evaluate": Command("evaluate", "measure methods side by side"),
    "extract": Command("extract", "find and describe keypoints of pictures and videos, for hloc, LightGlue, COLMAP"),
    "match": Command("match", "match two pictures: homography, figure, panorama, disparities"),
    "show": Command("show", "show keypoints, heatmap and tracks over pictures, videos and what a camera sees"),
    "export": Command("export", "write a network for other runtimes: SavedModel, TFLite, ONNX"),
    "import": Command("import_weights", "start from public weights of PyTorch or MatConvNet"),
    "import-labels": Command("import_labels", "train on labels of your own: other programs' exports, text, CSV"),
    "benchmark": Command("benchmark", "measure throughput and memory against what the machine allows"),
    "demo": Command("demo", "label, detect and match on bundled photographs, with the weights that come along"),
    "samples": Command("samples", "write pictures, a thermal one and a video to try the commands on"),
}
_NAMES = {command.module: name for name, command in COMMANDS.items()} | {"train_superpoint": "train"}


def how_to_run(tool: str) -> str:
    """Return what starts a tool as this process was started: `python tools/show.py`, or `superpoint-tf show`."""
    return f"python tools/{tool}.py" if _from_checkout() else f"{PROGRAM} {_NAMES[tool]}"


def start_of(tool: str) -> list[str]:
    """Return the first arguments of a process that runs a tool, wherever it is started."""
    if _from_checkout():
        return [sys.executable, str(CHECKOUT / "tools" / f"{tool}.py")]
    return [sys.executable, "-m", "superpoint_tf.commands", _NAMES[tool]]


def how_to_install(extra: str) -> str:
    """Return the command that adds an extra of setup.cfg."""
    return f"pip install -e '.[{extra}]'" if _from_checkout() else f"pip install 'superpoint-tf[{extra}]'"


def _from_checkout() -> bool:
    """Tell whether this user has `tools/` and did not start the process by `superpoint-tf`."""
    program = Path(sys.argv[0]).name.lower() if sys.argv else ""
    return not program.startswith(PROGRAM) and (CHECKOUT / "tools" / "homographic_adapt.py").is_file()
