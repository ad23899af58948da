"""Networks in parts, a detector of pictures and networks of crops: LIFT's and LF-Net's, as one file of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import tensorflow as tf

from superpoint_tf.networks.lfnet_detector import build_lfnet_detector, lfnet_detector_shapes
from superpoint_tf.networks.lift_detector import build_lift_detector, lift_detector_shapes
from superpoint_tf.networks.patch_layers import Start
from superpoint_tf.networks.patch_network import build_branch
from superpoint_tf.networks.patch_shapes import patch_weight_shapes
from superpoint_tf.systems import CropSpec

_OUTPUTS = {"orientation": "orientation", "descriptor": "descriptors"}  # of the parts that see crops


def build_crop_network(spec: CropSpec, system: str, seed: int = 0) -> tf.keras.Model:
    """Build all parts of a system as one network; the seed decides its weights.

    It is used by its parts: `model.get_layer("detector")` sees images (B, H, W, 1) in [0, 1] and returns what
    its row of `DETECTORS` says, `"descriptor"`, and `"orientation"` where there is one, see crops (P, S, S, 1) in
    [0, 1] and return vectors (P, D). The whole takes the list of all inputs and returns the detector's outputs,
    "orientation" and "descriptors".
    """
    images = tf.keras.Input((None, None, 1), name="images")
    detector = DETECTORS[spec.detector].build(seed)
    inputs, outputs = [images], dict(detector(images))
    for name, part in spec.patch_parts.items():
        crops = tf.keras.Input((part.side_px, part.side_px, 1), name=f"crops_of_{name}")
        inputs.append(crops)
        outputs[_OUTPUTS[name]] = build_branch(part, name, Start(part.start, seed, f"{name}/"))(crops)
    return tf.keras.Model(inputs, outputs, name=system)


def crop_weight_shapes(spec: CropSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights of `build_crop_network`, by `part/layer/variable`, without building it."""
    parts = {"detector": DETECTORS[spec.detector].shapes()}
    parts |= {name: patch_weight_shapes(part) for name, part in spec.patch_parts.items()}
    return {f"{part}/{name}": shape for part, shapes in parts.items() for name, shape in shapes.items()}


class Detector(NamedTuple):
    """One kind of detector."""

    build: Callable[[int], Any]  # seed to a model that is called `detector`
    shapes: Callable[[], dict[str, tuple[int, ...]]]


DETECTORS = {
    "lift": Detector(build_lift_detector, lift_detector_shapes),
    "lfnet": Detector(build_lfnet_detector, lfnet_detector_shapes),
}
