"""SuperPoint-TF as an extractor of hloc (github.com/cvg/Hierarchical-Localization).

Copy this file to `hloc/extractors/superpoint_tf.py`; hloc finds extractors by their file's name. Then:

    from pathlib import Path
    from hloc import extract_features, match_features
    from hloc.extractors.superpoint_tf import CONF

    features = extract_features.main(CONF, Path("photographs"), Path("outputs"))
    nearest = match_features.confs["NN-mutual"]
    match_features.main(nearest, Path("pairs.txt"), features=CONF["output"], export_dir=Path("outputs"))

Not with LightGlue or SuperGlue: their public weights are for other descriptors (docs/using.md).
"""

from typing import Any, ClassVar

import torch

from superpoint_tf import SuperPoint

from ..utils.base_model import BaseModel

CONF = {
    "output": "feats-superpoint-tf-n4096-r1024",
    "model": {"name": "superpoint_tf", "weights": "superpoint-small", "max_keypoints": 4096},
    "preprocessing": {"grayscale": True, "resize_max": 1024},
}


class SuperPointTF(BaseModel):
    """Keypoints, scores and descriptors of one grey image; the settings are those of `SuperPoint.extract`."""

    default_conf: ClassVar[dict[str, Any]] = {
        "weights": "superpoint-small",  # a name, a weights.npz or a run folder
        "max_keypoints": 4096,
        "threshold": 0.015,
        "nms_radius_px": 4,
        "border_px": 4,
        "subpixel": True,
    }
    required_inputs: ClassVar[list[str]] = ["image"]
    detection_noise = 1.0  # px, the keypoints' uncertainty that hloc stores

    def _init(self, conf):
        self.net = SuperPoint.from_pretrained(conf["weights"])
        self.settings = {name: conf[name] for name in self.default_conf if name != "weights"}

    def _forward(self, data):
        image = data["image"]  # (1, 1, H, W) in [0, 1]
        found = self.net.extract(image[0, 0].cpu().numpy(), **self.settings)
        arrays = {"keypoints": found.keypoints, "scores": found.scores, "descriptors": found.descriptors.T}
        return {name: torch.from_numpy(array.copy())[None].to(image.device) for name, array in arrays.items()}
