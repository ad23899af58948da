"""Networks as people use them."""

from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.models.patch_model import PatchModel

__all__ = ["PatchModel", "SuperPoint"]
