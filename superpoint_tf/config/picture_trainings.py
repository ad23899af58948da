"""What trainings of whole pictures are told, but the detector's and the joint model's."""

from __future__ import annotations

from dataclasses import dataclass, field

from superpoint_tf.config.fields import losses_of, setting
from superpoint_tf.config.pictures import PlanesConfig
from superpoint_tf.config.trainings import TrainingConfig


@dataclass(frozen=True)
class DenseSection(TrainingConfig):
    """Maps of features of whole pictures, trained on pairs of views of photographs; nothing is labelled."""

    batch_size: int = setting(8, minimum=1, maximum=2**16)  # pairs
    loss: str = setting("", choices=("", *losses_of("dense")))  # one of its system's; "": the paper's
    margin: float | None = setting(None, minimum=0.0, maximum=100.0)  # None: the loss's own
    points_per_pair: int = setting(512, minimum=1, maximum=2**16)  # drawn uniformly; those count that both views show
    min_points: int = setting(32, minimum=1, maximum=2**16)  # a pair with fewer that count trains nothing
    radius_px: float | None = setting(None, minimum=0.0, maximum=1024.0)  # nearer is no negative; None: the loss's own
    # How it is known which points correspond: by the `homography` of the warped view, or by the `planes` of a scene.
    truth: str = setting("homography", choices=("homography", "planes"))
    planes: PlanesConfig = field(default_factory=PlanesConfig)
    # How the second view looks beside the first: under another `photometric` change, or `changed` altogether.
    appearance: str = setting("photometric", choices=("photometric", "changed"))


@dataclass(frozen=True)
class LfnetSection(TrainingConfig):
    """LF-Net on pairs of views of photographs; nothing is labelled (Ono et al. 2018)."""

    batch_size: int = setting(6, minimum=1, maximum=2**16)  # pairs
    num_keypoints: int = setting(512, minimum=1, maximum=2**16)  # of a view, the strongest
    # The first four train the detector, the last the descriptor. A weight of 0 takes a term out.

    image_weight: float = setting(1.0, minimum=0.0, maximum=1e9)  # of the heatmap's loss
    pair_weight: float = setting(0.01, minimum=0.0, maximum=1e9)  # of the descriptors' where the detector says
    orientation_weight: float = setting(0.1, minimum=0.0, maximum=1e9)  # of the loss of orientations
    scale_weight: float = setting(0.1, minimum=0.0, maximum=1e9)  # of the loss of scales
    descriptor_weight: float = setting(1.0, minimum=0.0, maximum=1e9)  # of the triplets' loss
    margin: float = setting(1.0, minimum=0.0, maximum=100.0)  # of the triplets, of squared distances
    radius_px: float = setting(32.0, minimum=0.0, maximum=1024.0)  # nearer keypoints are no negatives
    # A negative is drawn from the hardest ones: from `hardest` of them at first, times .9 every so many steps, but at
    # least 5.
    hardest: int = setting(64, minimum=5, maximum=2**16)
    hardest_fall_every: int = setting(1000, minimum=1, maximum=10**9)  # steps


@dataclass(frozen=True)
class ClassesSection(TrainingConfig):
    """Telling photographs apart (DELF): each is a class, seen in two views; first the body, then the attention."""

    batch_size: int = setting(16, minimum=1, maximum=2**16)  # photographs
    # What is trained: the `body`, by the mean of its features, or on weights of that (`init`) the `attention`, by the
    # mean that it weighs; the body then stays as it is, and its features' principal components are taken first.
    stage: str = setting("body", choices=("body", "attention"))


@dataclass(frozen=True)
class StereoChanges:
    """How the two patches of a pair are cut and lit: MC-CNN's augmentation with its ranges for KITTI.

    Grey levels are those of standardised pictures: 1 is a deviation. The `right_` ones are of the right patch alone.
    """

    max_angle_deg: float = setting(7.0, minimum=0.0, maximum=180.0)  # turned by +- this
    scale: tuple[float, float] = setting((1.0, 1.0), minimum=0.1, maximum=10.0)  # range of a factor
    scale_x: tuple[float, float] = setting((0.9, 1.0), minimum=0.1, maximum=10.0)  # range of a factor, across alone
    max_shear_x: float = setting(0.1, minimum=0.0, maximum=4.0)  # x moves by up to this times y, +-
    max_brightness: float = setting(0.7, minimum=0.0, maximum=100.0)  # added, +-
    max_contrast: float = setting(1.3, minimum=1.0, maximum=100.0)  # a factor in [1 / it, it]
    right_max_shift_y_px: float = setting(0.0, minimum=0.0, maximum=64.0)  # moved up or down, +-
    right_max_angle_deg: float = setting(0.0, minimum=0.0, maximum=180.0)  # turned by +- this, further
    right_scale_x: tuple[float, float] = setting(
        (1.0, 1.0), minimum=0.1, maximum=10.0
    )  # range of a further factor, across alone
    right_max_shear_x: float = setting(0.0, minimum=0.0, maximum=4.0)  # further, +-
    right_max_brightness: float = setting(0.3, minimum=0.0, maximum=100.0)  # further, added, +-
    right_max_contrast: float = setting(1.0, minimum=1.0, maximum=100.0)  # a further factor in [1 / it, it]


@dataclass(frozen=True)
class StereoSection(TrainingConfig):
    """Costs of matching the pixels of rectified pairs; pairs are drawn from photographs, or read with their truth."""

    # A folder of pairs in the layout of Middlebury or of KITTI, instead of pairs drawn from photographs; "": drawn.
    data: str = setting("", free=True)
    loss: str = setting("", choices=("", *losses_of("stereo")))  # "": the paper's
    margin: float = setting(0.2, minimum=0.0, maximum=2.0)  # of the loss of that name
    batch_size: int = setting(128, minimum=1, maximum=2**16)  # points: each a matching and a wrong pair of patches
    points_per_pair: int = setting(32, minimum=1, maximum=2**16)  # of pictures
    max_disparity_px: float = setting(64.0, minimum=1.0, maximum=4096.0)  # of drawn pairs, and in validation
    positive_px: float = setting(1.0, minimum=0.0, maximum=64.0)  # a matching patch is off by up to it, either way
    negative_px: tuple[float, float] = setting(
        (4.0, 10.0), minimum=0.0, maximum=4096.0
    )  # a wrong one by at least and at most so much
    changes: StereoChanges = StereoChanges()

    @property
    def num_samples(self) -> int:
        """Return how many pairs of pictures give the points of one update."""
        return self.batch_size // self.points_per_pair


@dataclass(frozen=True)
class DigitsSection(TrainingConfig):
    """Telling scikit-learn's digits apart, enlarged and distorted (spatial transformer networks)."""

    # R: turned by up to 90 degrees; RTS: turned by 45, moved and scaled; P: in perspective; E: bent by a spline
    distortion: str = setting("R", choices=("R", "RTS", "P", "E"))
    batch_size: int = setting(64, minimum=1, maximum=2**16)
