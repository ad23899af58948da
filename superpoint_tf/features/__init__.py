"""What an extractor finds in one image, on disk and matched between two."""

from superpoint_tf.features.features import NO_ANGLE, Features

__all__ = ["NO_ANGLE", "Features"]
