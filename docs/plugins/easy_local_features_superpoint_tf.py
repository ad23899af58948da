"""SuperPoint-TF as a method of easy-local-features (tested with 0.8.29): import this file, then ask for it by name.

import easy_local_features_superpoint_tf  # this file, in a folder of sys.path
from easy_local_features import getMethod

method = getMethod("superpoint_tf", {"top_k": 1000})
matches = method.match("a.jpg", "b.jpg")  # mkpts0, mkpts1 (M, 2)
"""

import sys
from typing import Any, ClassVar

import easy_local_features
import numpy as np
import torch
from easy_local_features.feature.basemodel import BaseExtractor, MethodType
from easy_local_features.matching.nearest_neighbor import NearestNeighborMatcher

from superpoint_tf import SuperPoint
from superpoint_tf.data.photographs.reading import read_photograph

NAME = "superpoint_tf"


class SuperPoint_TF_baseline(BaseExtractor):  # the package looks for a class <name>_baseline
    """SuperPoint in TensorFlow: keypoints and descriptors of 256 numbers."""

    METHOD_TYPE = MethodType.DETECT_DESCRIBE
    default_conf: ClassVar[dict[str, Any]] = {
        "weights": "superpoint-small",  # a name, a weights.npz or a run folder
        "top_k": 2048,
        "detection_threshold": 0.015,
        "nms_radius": 4,
        "subpixel": True,
    }

    def __init__(self, conf=None):
        self.conf = {**self.default_conf, **(conf or {})}
        self.model = SuperPoint.from_pretrained(self.conf["weights"])
        self.matcher = NearestNeighborMatcher()

    def detectAndCompute(self, image, return_dict=False):
        found = self.model.extract(
            _as_array(image),
            max_keypoints=self.conf["top_k"],
            threshold=self.conf["detection_threshold"],
            nms_radius_px=self.conf["nms_radius"],
            subpixel=self.conf["subpixel"],
        )
        keypoints, descriptors = (
            torch.from_numpy(array.copy())[None] for array in (found.keypoints, found.descriptors)
        )
        if return_dict:
            return {
                "keypoints": keypoints,
                "descriptors": descriptors,
                "scores": torch.from_numpy(found.scores.copy())[None],
            }
        return keypoints, descriptors

    def compute(self, image, keypoints):
        points = torch.as_tensor(keypoints).reshape(-1, 2).cpu().numpy()
        return torch.from_numpy(self.model.describe(_as_array(image), points))[None]

    def to(self, device):
        return self  # TensorFlow chooses its own

    @property
    def has_detector(self):
        return True


def _as_array(image):
    """Return a path, an array or a tensor (H, W), (H, W, C), (C, H, W) or (1, C, H, W) as (H, W) or (H, W, C)."""
    if isinstance(image, str):
        return read_photograph(image)
    array = image.detach().cpu().numpy() if isinstance(image, torch.Tensor) else np.asarray(image)
    if array.ndim == 4:
        if len(array) > 1:
            raise ValueError(f"{len(array)} images in one batch; give them one by one")
        array = array[0]
    if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
        array = array.transpose(1, 2, 0)
    return array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array


# The package imports methods by the name of their module, from inside itself, and knows them by a list.
sys.modules[f"easy_local_features.feature.baseline_{NAME}"] = sys.modules[__name__]
for listed in (easy_local_features.available_methods, easy_local_features.available_extractors):
    if NAME not in listed:
        listed.append(NAME)
