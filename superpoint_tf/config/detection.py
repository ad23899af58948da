"""How keypoints are taken of pictures, and of photographs under many homographies."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from superpoint_tf.config.fields import PRECISIONS, check_limits, setting
from superpoint_tf.config.pictures import HomographyConfig
from superpoint_tf.config.scales_and_phases import ONE_PHASE, ONE_SCALE, check_phases, check_scales


@dataclass(frozen=True)
class DetectionConfig:
    """How keypoints are taken of a picture. Raises ValueError naming a setting out of its range, whoever gives it."""

    threshold: float = setting(0.015, minimum=0.0, maximum=1.0)  # probability
    nms_radius_px: int = setting(4, minimum=0, maximum=1024)  # square of side 2 r + 1
    border_px: int = setting(4, minimum=0, maximum=4096)  # keypoints nearer to the frame are dropped
    max_keypoints: int | None = setting(600, minimum=0, maximum=2**31 - 1)  # the strongest are kept; None: all
    subpixel: bool = setting(False)  # keypoints between pixels, by soft-argmax
    # The network sees the picture at each of the scales in each of the phases, and its heatmaps are combined. They are
    # in order of size, whatever the order given.
    scales: tuple[float, ...] = setting(ONE_SCALE, rule=check_scales)
    phases: int = setting(ONE_PHASE, rule=check_phases)  # 1, 2, 4 or 16: seen so often, moved by parts of a cell

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", check_scales(self.scales))
        object.__setattr__(self, "phases", check_phases(self.phases))
        for f in dataclasses.fields(self):
            check_limits(getattr(self, f.name), f.metadata, f.name)


@dataclass(frozen=True)
class AdaptationSection:
    """Homographic adaptation (paper section 5) and the retraining between its rounds."""

    num_homographies: int = setting(100, minimum=1, maximum=2**16 - 1)  # the identity is one of them
    chunk_size: int = setting(10, minimum=1, maximum=10**4)  # warps of one image in a forward batch
    # Cut from the edges of a warp's valid region. A detector is not trained on cells that touch them: with 3 px, as
    # in the reference, labels were eight times as dense 4 to 8 px from the frame as in the middle; from 8 px on, not.
    erosion_px: int = setting(12, minimum=0, maximum=64)
    aggregation: str = setting("mean", choices=("mean", "max"))  # of what the warps say of a pixel
    precision: str = setting("float32", choices=PRECISIONS)  # of the network's layers; the votes add up in float32
    homography: HomographyConfig = field(default_factory=lambda: HomographyConfig(max_angle_deg=180.0))
    # Each warp is seen at its scales and phases; the rest cuts what they add up to. Few vote nearer to the frame.
    detection: DetectionConfig = DetectionConfig(border_px=8)
    labels_per_file: int = setting(0, minimum=0, maximum=10**5)  # 0: a 256th of all photographs, from 32 to 1,024
    retrain_steps: int = setting(20_000, free=True, minimum=1, maximum=10**9)  # of the detector, between two rounds
    retrain_learning_rate: float = setting(1e-3, free=True, minimum=0.0, maximum=10.0)  # its peak there
    num_figures: int = setting(4, free=True, minimum=0, maximum=1000)  # photographs drawn a round
