"""What the backends of the photometric change share, and which of them a batch waits for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from superpoint_tf.config import PhotometricConfig

NUM_ELLIPSES = 20
SHADE_SIDE_PX = 32  # the shade is drawn this small: it is blurred anyway
SHADE_BLUR = (0.08, 0.2)  # sigma, in short sides of the picture
SHADE_AXIS = (0.05, 0.25)  # half axes of an ellipse, in short sides of the picture


class PendingChange(NamedTuple):
    """A photometric change that workers leave to the graph of the batch."""

    photometric: PhotometricConfig
    views: Mapping[str, int]  # arrays of the batch, uint8 (B, H, W), and which view each shows


def pending_change(config: PhotometricConfig, views: Sequence[str]) -> PendingChange | None:
    """Return what workers leave to the graph of a batch whose arrays `views` show view 0, 1, ...; None: nothing."""
    if config.backend != "graph" or not config.enabled:
        return None
    return PendingChange(config, {name: view for view, name in enumerate(views)})
