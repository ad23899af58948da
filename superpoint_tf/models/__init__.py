"""Networks as people use them."""

from superpoint_tf.models.dense_model import SuperPoint

__all__ = ["SuperPoint"]
