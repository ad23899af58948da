"""What an extractor finds in one image, on disk and matched between two."""

from superpoint_tf.features.features import Features

__all__ = ["Features"]
