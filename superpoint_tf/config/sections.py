"""Every setting of the pipeline, a section each; `config_files` reads and writes them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from superpoint_tf.config.detection import AdaptationSection
from superpoint_tf.config.fields import setting
from superpoint_tf.config.patch_trainings import LiftSection, PatchesSection
from superpoint_tf.config.picture_trainings import (
    ClassesSection,
    DenseSection,
    DigitsSection,
    LfnetSection,
    StereoSection,
)
from superpoint_tf.config.pictures import HomographyConfig, PhotographsSection, PlanesConfig, SyntheticSection
from superpoint_tf.config.trainings import JointSection, TrainingConfig
from superpoint_tf.systems import SYSTEMS

TRAININGS = (  # the sections that `train` may name
    *("detector", "joint", "patches", "lift"),
    *("dense", "lfnet", "classes", "stereo", "digits"),
)


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network."""

    width: float = setting(1.0, minimum=1 / 16, maximum=4.0)  # multiplies every channel count of encoder and heads
    batch_norm: bool = setting(True)  # after ReLU, as in the public checkpoints; off: the paper's 1,300,865 weights
    descriptor_dim: int = setting(256, minimum=8, maximum=4096)  # numbers of a descriptor
    # max: 2x2 maximum, the paper's. blur: maximum at stride 1, binomial filter, stride 2 (Zhang 2019): no aliasing.
    pooling: str = setting("max", choices=("max", "blur"))
    # Side of the blocks of pixels that are put one behind the other before the first layer, instead of the first
    # poolings: 2 and 4 compute a quarter and a sixteenth there. 1: every pixel by itself, the paper's.
    input_stride: int = setting(1, choices=(1, 2, 4))
    # Photographs that it is trained to tell apart (`train: classes`), which gives it the heads of that training; 0: as
    # many as there are to train on. Files of weights hold no heads.
    classes: int = setting(0, minimum=0, maximum=2**24)
    # Which row of `superpoint_tf.systems` it is; `train: detector` makes it magicpoint.
    system: str = setting("superpoint", choices=tuple(SYSTEMS))

    def with_system(self, system: str) -> NetworkConfig:
        """Return the same shape as another system."""
        return dataclasses.replace(self, system=system)


@dataclass(frozen=True)
class EvaluationSection:
    """Validation in the training loop by the definitions of `superpoint_tf.evaluation`."""

    # Random homographies of held-out photographs; with 40 the standard error was larger than most differences.
    num_pairs: int = setting(200, free=True, minimum=1, maximum=10**6)
    image_shape: tuple[int, int] = setting((240, 320), free=True, minimum=32, maximum=8192)  # (height, width)
    nms_radius_px: int = setting(4, free=True, minimum=0, maximum=1024)  # square of side 2 r + 1
    num_keypoints: int = setting(300, free=True, minimum=1, maximum=10**6)  # of a picture, the strongest
    distance_px: float = setting(3.0, free=True, minimum=0.0, maximum=1024.0)  # epsilon: as far off is still right
    num_synthetic: int = setting(50, free=True, minimum=1, maximum=10**6)  # pictures a primitive in the validation mAP
    homography: HomographyConfig = field(default_factory=lambda: HomographyConfig(symmetric_axes=True))
    planes: PlanesConfig = field(default_factory=PlanesConfig)  # of the pairs of `tools/evaluate.py pck`


@dataclass(frozen=True)
class Config:
    """The whole pipeline; a YAML file holds what differs from these defaults."""

    name: str = setting("default", free=True)  # the file's stem unless it says otherwise
    train: str = setting("joint", choices=TRAININGS)  # what tools/train.py trains
    seed: int = setting(0, minimum=0, maximum=2**31 - 1)  # of everything random
    workers: int = setting(-1, free=True, minimum=-1, maximum=1024)  # data processes; -1: one a core, 0: none
    synthetic: SyntheticSection = field(default_factory=SyntheticSection)
    photographs: PhotographsSection = field(default_factory=PhotographsSection)
    network: NetworkConfig = NetworkConfig()
    detector: TrainingConfig = field(default_factory=TrainingConfig)
    adaptation: AdaptationSection = field(default_factory=AdaptationSection)
    joint: JointSection = field(default_factory=JointSection)
    patches: PatchesSection = field(default_factory=PatchesSection)
    lift: LiftSection = field(default_factory=LiftSection)
    lfnet: LfnetSection = field(default_factory=LfnetSection)
    dense: DenseSection = field(default_factory=DenseSection)
    digits: DigitsSection = field(default_factory=DigitsSection)
    classes: ClassesSection = field(default_factory=ClassesSection)
    stereo: StereoSection = field(default_factory=StereoSection)
    evaluation: EvaluationSection = EvaluationSection()

    def trained_as(self, train: str) -> Config:
        """Return the config with another section that trains, and the first system that it trains."""
        system = next(name for name, row in SYSTEMS.items() if row.train == train)
        return dataclasses.replace(self, train=train, network=self.network.with_system(system))

    @property
    def training(self) -> TrainingConfig:
        """Return the section that `train` names."""
        section: TrainingConfig = getattr(self, self.train)
        return section
