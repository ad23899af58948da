"""Where an exported file comes from: text by name, kept in the file."""

from __future__ import annotations

from pathlib import Path

import superpoint_tf
from superpoint_tf.export.form import Form
from superpoint_tf.networks.pretrained import WEIGHTS_FILE
from superpoint_tf.networks.weights import Weights


def describe_origin(source: str, weights: Weights, precision: str, form: Form) -> dict[str, str]:
    """Return the weights' name and SHA-256, the package's version and what was asked for."""
    shape = "any" if form.image_shape is None else "{}x{}".format(*form.image_shape)
    detection = form.detection
    return {
        "weights": weights_name(source),
        "weights_sha256": weights.fingerprint(),
        "training_step": str(weights.step),
        "superpoint_tf": superpoint_tf.__version__,
        "precision": precision,
        "image_shape": shape,
        "postprocessing": "none"
        if detection is None
        else f"threshold {detection.threshold:g}, NMS {detection.nms_radius_px} px, border {detection.border_px} px, "
        f"{detection.max_keypoints} keypoints",
    }


def weights_name(source: str) -> str:
    """Return a short name of weights: that of the shipped ones, of the run folder or of the file."""
    path = Path(source).resolve()
    return path.parent.name if path.name == WEIGHTS_FILE else path.name.removesuffix(".npz")
