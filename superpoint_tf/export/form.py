"""What an exported graph takes and gives, whatever the format of its file."""

from __future__ import annotations

from dataclasses import dataclass

from superpoint_tf.config import DetectionConfig

ImageShape = tuple[int, int] | None  # (height, width); None: any
KEY = "superpoint_tf"  # the name under which formats with one place for text keep where a file comes from, as JSON
ORIGIN_FILE = f"assets.extra/{KEY}.json"  # of a SavedModel: the folder that TensorFlow leaves to others


@dataclass(frozen=True)
class Form:
    """What an exported graph takes and gives."""

    image_shape: ImageShape = None
    one_image: bool = False  # a batch is always one image; else any number
    detection: DetectionConfig | None = None  # of the postprocessing; None: the network's maps come out
    patches: bool = False  # any number of patches of this shape come in, vectors come out
