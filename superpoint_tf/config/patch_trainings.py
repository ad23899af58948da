"""What trainings on patches are told: descriptors, the convex one, and LIFT."""

from __future__ import annotations

from dataclasses import dataclass

from superpoint_tf.config.fields import losses_of, setting
from superpoint_tf.config.trainings import TrainingConfig

DOG = "dog"  # `patches.labels` of this name: no labels, but the keypoints of differences of Gaussians


@dataclass(frozen=True)
class ConvexSection:
    """How the convex descriptor is solved for: two problems, on pairs of patches that are cut before (Simonyan).

    Of the section `steps` are those of the second; rate, schedule, optimizer, loss and margin decide nothing.
    """

    batches: int = setting(20, minimum=1, maximum=10**6)  # of `patches.batch_size` points, all kept in memory
    negatives: int = setting(4, minimum=1, maximum=1024)  # of each point, at random in its batch
    held_out: int = setting(8, minimum=2, maximum=1024)  # one picture of so many chooses the best iterates
    pairs: int = setting(256, minimum=1, maximum=2**20)  # of each kind, a step
    radii: int = setting(11, minimum=2, maximum=64)  # of the rings to choose from
    angles: int = setting(3, minimum=1, maximum=32)  # of the regions of a ring, from 0 to 45 degrees
    deviations: int = setting(7, minimum=1, maximum=64)  # of the Gaussians that regions are
    ring_steps: int = setting(3000, minimum=1, maximum=10**9)  # of the first problem, which chooses rings
    ring_l1: float = setting(0.03, minimum=0.0, maximum=1e3)  # more: fewer rings
    ring_gamma: float = setting(1.0, minimum=1e-6, maximum=1e6)  # more: smaller steps
    trace: float = setting(0.001, minimum=0.0, maximum=1e3)  # of the projection; more: a lower rank
    gamma: float = setting(0.3, minimum=1e-6, maximum=1e6)  # of the projection; more: smaller steps


@dataclass(frozen=True)
class PatchesSection(TrainingConfig):
    """Descriptors of patches, which are cut about the keypoints of a label folder from two views of each photograph."""

    # A folder of patches in the layout of Brown's sets or of HPatches, instead of photographs; "": photographs.
    data: str = setting("", free=True)
    # Where the points of photographs come from: a label folder; `dog`: the keypoints of differences of Gaussians
    # (SIFT's), with their size and orientation; "": labels/<config name>, else labels/coco.
    labels: str = setting("", free=True)
    loss: str = setting("", choices=("", *losses_of("patches")))  # one of those of its kind of system; "": the paper's
    margin: float | None = setting(None, minimum=0.0, maximum=100.0)  # None: the loss's own
    # Of `triplet` and `ratio`: the negative is compared with the nearer of the two patches.
    anchor_swap: bool = setting(True)
    mining_ratio: int = setting(8, minimum=1, maximum=2**16)  # of mined pairs: of so many the hardest one trains
    gor_weight: float = setting(0.0, minimum=0.0, maximum=1e9)  # of the regularisation to orthogonal negatives; 0: off
    flips: bool = setting(False)  # both patches of a point turned by quarters and mirrored at random, alike
    # Points, of two patches each, over all devices. Mining sees a replica's own part of a micro-batch.
    batch_size: int = setting(1024, minimum=1, maximum=2**16)
    points_per_picture: int = setting(64, minimum=1, maximum=4096)  # of a batch
    half_side_px: float = setting(16.0, minimum=1.0, maximum=512.0)  # of a label's patch, in pixels of the frame
    support: float = setting(6.0, minimum=1.0, maximum=64.0)  # side of a patch, in diameters of its DoG keypoint
    max_keypoints: int = setting(512, minimum=1, maximum=2**16 - 1)  # DoG keypoints of a picture, the strongest
    jitter: float = setting(1.0, minimum=0.0, maximum=4.0)  # of the second frame; 1: about HPatches' easy, 2: its hard
    # What of the homography a patch's frame follows: all of its local `affine` map, as HPatches' frames do, or the
    # nearest `similarity`, as those of a detector of scale and orientation.
    carry: str = setting("affine", choices=("affine", "similarity"))
    radius_px: float = setting(8.0, minimum=0.0, maximum=1024.0)  # nearer points of a picture are no negatives
    convex: ConvexSection = ConvexSection()

    @property
    def num_samples(self) -> int:
        """Return how many pictures give the points of one update."""
        return self.batch_size // self.points_per_picture


@dataclass(frozen=True)
class LiftSection(TrainingConfig):
    """LIFT's networks, one after the other, on patches about the DoG keypoints of photographs (Yi et al. 2016)."""

    # Which one: the descriptor, then through it the orientation, then through both the detector. The two later ones
    # begin with the weights that the one before left (`init`), and the others stay as they are.
    trainable: str = setting("descriptor", choices=("descriptor", "orientation", "detector"))
    batch_size: int = setting(128, minimum=1, maximum=2**16)  # points, of two patches each, over all devices
    points_per_picture: int = setting(16, minimum=1, maximum=4096)  # of a batch
    max_keypoints: int = setting(512, minimum=1, maximum=2**16 - 1)  # of a picture, the strongest
    # A point is a keypoint that is found again in so many turned and zoomed copies of the photograph; 0: every one.
    copies: int = setting(1, minimum=0, maximum=64)
    jitter: float = setting(1.0, minimum=0.0, maximum=4.0)  # of the second frame, as `patches.jitter`
    radius_px: float = setting(8.0, minimum=0.0, maximum=1024.0)  # nearer points of a picture are no negatives
    margin: float = setting(4.0, minimum=0.0, maximum=100.0)  # of the descriptor's wrong pairs
    mining_ratio: int = setting(8, minimum=1, maximum=2**16)  # of so many pairs the hardest one trains it
    # The detector: how far off the middle of a patch its keypoints are, in half sides.
    shift: float = setting(0.4, minimum=0.0, maximum=0.5)
    # The detector: how far the middles of empty patches are from any keypoint, in sigmas of the patches.
    clearance: float = setting(6.0, minimum=0.1, maximum=12.0)
    # The detector: what telling keypoints from empty patches weighs beside the pairs.
    class_weight: float = setting(1.0, minimum=0.0, maximum=1e9)

    @property
    def support(self) -> float:
        """Return the side of a patch, in diameters of its keypoint: 24 sigmas."""
        return 12.0

    @property
    def num_samples(self) -> int:
        """Return how many pictures give the points of one update."""
        return self.batch_size // self.points_per_picture
