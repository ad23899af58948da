"""Every setting of the pipeline with its default and its meaning; `config_files` reads and writes them."""

from __future__ import annotations

import dataclasses
import difflib
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from superpoint_tf.config.scales_and_phases import ONE_PHASE, ONE_SCALE, check_phases, check_scales
from superpoint_tf.systems import SYSTEMS
from synthetic.config import SyntheticConfig

CELL = 8  # side of a detector cell, pixels; the only 8 in the code
DOG = "dog"  # `patches.labels` of this name: no labels, but the keypoints of differences of Gaussians
TRAININGS = (  # the sections that `train` may name
    *("detector", "joint", "patches", "lift"),
    *("dense", "lfnet", "classes", "stereo", "digits"),
)
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")


class ConfigError(ValueError):
    """A setting that cannot be used; the message names the file, the key and the remedy."""


def _setting(default: Any, *, free: bool = False, **limits: Any) -> Any:
    """Declare a field: `minimum`, `maximum`, `choices`, `required` (no empty text) are checked by `check_limits`.

    So is a `rule`, a function that raises ValueError. `free` may change when a run is resumed.
    """
    metadata = {"free": free, **limits}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 60
_SHORT.maxlevel = 2


def shown(value: Any) -> str:
    """Return a value as messages show it: on one line, and short however large it is."""
    try:
        return _SHORT.repr(value)
    except ValueError:  # Python prints no whole number of thousands of digits
        return "a number of thousands of digits"


def check_limits(value: Any, limits: Mapping[str, Any], where: str) -> None:
    """Raise ConfigError, beginning with `where`, for a value, or one in it, outside the limits of its field."""
    for item in _items(value):
        minimum, maximum, choices = (limits.get(key) for key in ("minimum", "maximum", "choices"))
        number = not isinstance(item, str)
        if choices is not None and not isinstance(item, float) and item not in choices:
            known = [str(choice) for choice in choices if choice != ""]
            near = difflib.get_close_matches(str(item), known, 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ConfigError(f"{where}: {shown(item)} is not one of {', '.join(known)}{hint}")
        if minimum is not None and number and not item >= minimum:  # NaN is not, either
            raise ConfigError(f"{where}: {shown(item)} is below the minimum {minimum:g}")
        if maximum is not None and number and not item <= maximum:
            raise ConfigError(f"{where}: {shown(item)} is above the maximum {maximum:g}")
        if limits.get("required") and not item:
            raise ConfigError(f"{where}: is empty; leave it out for the default")
    if rule := limits.get("rule"):
        try:
            rule(value)
        except ValueError as error:  # begins with the field's name
            raise ConfigError(f"{where}: {str(error).partition(': ')[2]}") from None


def _items(value: Any) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return [value]


@dataclass(frozen=True)
class HomographyConfig:
    """How far a random homography may go (paper section 5.2, with the settings of the reference implementation)."""

    patch_ratio: float = _setting(0.85, minimum=0.1, maximum=1.0)  # side of the central patch, in frame sides
    perspective_amplitude_x: float = _setting(0.2, minimum=0.0, maximum=0.6)  # frame widths, 2 sigma
    perspective_amplitude_y: float = _setting(0.2, minimum=0.0, maximum=0.6)  # frame heights, 2 sigma
    scale_amplitude: float = _setting(0.2, minimum=0.0, maximum=0.9)  # relative, 2 sigma
    translation_overflow: float = _setting(0.0, minimum=0.0, maximum=0.5)  # frame sides beyond the frame's edge
    max_angle_deg: float = _setting(90.0, minimum=0.0, maximum=180.0)  # rotation is uniform in +- this
    allow_artifacts: bool = _setting(True)  # the patch may leave the frame: the warped picture has empty corners
    # A further factor of size, log-uniform in [1 / max_zoom, max_zoom]; 1: none.
    max_zoom: float = _setting(1.0, minimum=1.0, maximum=8.0)
    # Half of the homographies exchange the axes along which they tilt and stretch. Off: the reference's sampler, which
    # tilts and stretches across the frame more than down; a network trained so is anisotropic where it turns little.
    symmetric_axes: bool = _setting(False)
    valid_border_px: int = _setting(3, minimum=0, maximum=64)  # cut from the warp's valid region in training


@dataclass(frozen=True)
class PlanesConfig:
    """How a scene of planes is drawn, one plane a segment of a photograph, and how far the camera moves."""

    segments: tuple[int, int] = _setting((4, 24), minimum=1, maximum=1024)  # about so many, log-uniform
    depth_ratio: float = _setting(2.0, minimum=1.0, maximum=16.0)  # of the farthest plane to the nearest
    max_slope: float = _setting(0.5, minimum=0.0, maximum=4.0)  # of a plane: change of 1 / depth over a focal length
    baseline: float = _setting(0.3, minimum=0.0, maximum=2.0)  # the camera's way at most, in depths of the scene
    max_angle_deg: float = _setting(30.0, minimum=0.0, maximum=180.0)  # roll of the camera is uniform in +- this


@dataclass(frozen=True)
class PhotometricConfig:
    """Ranges of the photometric change on 0..255 grey levels; every change is applied, in random order."""

    enabled: bool = _setting(True)
    max_brightness: float = _setting(50.0, minimum=0.0, maximum=255.0)  # added, +-
    contrast: tuple[float, float] = _setting((0.5, 1.5), minimum=0.0, maximum=100.0)  # factor about the picture's mean
    max_noise_std: float = _setting(10.0, minimum=0.0, maximum=255.0)  # additive Gaussian, grey levels
    max_impulse_fraction: float = _setting(0.0035, minimum=0.0, maximum=1.0)  # of pixels set to 0, and to 255
    shade: tuple[float, float] = _setting((-0.5, 0.5), minimum=-1.0, maximum=1.0)  # transparency of blurred ellipses
    max_blur_kernel: int = _setting(3, minimum=0, maximum=31)  # motion blur, pixels; below 3 is none


SYNTHETIC_PHOTOMETRIC = PhotometricConfig(
    max_brightness=75.0, contrast=(0.3, 1.8), max_noise_std=15.0, shade=(-0.5, 0.8), max_blur_kernel=7
)


@dataclass(frozen=True)
class DetectionConfig:
    """How keypoints are taken of a picture. Raises ValueError naming a setting out of its range, whoever gives it."""

    threshold: float = _setting(0.015, minimum=0.0, maximum=1.0)  # probability
    nms_radius_px: int = _setting(4, minimum=0, maximum=1024)  # square of side 2 r + 1
    border_px: int = _setting(4, minimum=0, maximum=4096)  # keypoints nearer to the frame are dropped
    max_keypoints: int | None = _setting(600, minimum=0, maximum=2**31 - 1)  # the strongest are kept; None: all
    subpixel: bool = _setting(False)  # keypoints between pixels, by soft-argmax
    # The network sees the picture at each of the scales in each of the phases, and its heatmaps are combined.
    scales: tuple[float, ...] = _setting(ONE_SCALE, rule=check_scales)  # in order of size, whatever the order given
    phases: int = _setting(ONE_PHASE, rule=check_phases)

    def __post_init__(self) -> None:
        object.__setattr__(self, "scales", check_scales(self.scales))
        object.__setattr__(self, "phases", check_phases(self.phases))
        for f in dataclasses.fields(self):
            check_limits(getattr(self, f.name), f.metadata, f.name)


@dataclass(frozen=True)
class NetworkConfig:
    """Shape of the network."""

    width: float = _setting(1.0, minimum=1 / 16, maximum=4.0)  # multiplies every channel count of encoder and heads
    batch_norm: bool = _setting(True)  # after ReLU, as in the public checkpoints; off: the paper's 1,300,865 weights
    descriptor_dim: int = _setting(256, minimum=8, maximum=4096)
    # max: 2x2 maximum, the paper's. blur: maximum at stride 1, binomial filter, stride 2 (Zhang 2019): no aliasing.
    pooling: str = _setting("max", choices=("max", "blur"))
    # Photographs that it is trained to tell apart (`train: classes`), which gives it the heads of that training; 0: as
    # many as there are to train on. Files of weights hold no heads.
    classes: int = _setting(0, minimum=0, maximum=2**24)
    # Which row of `superpoint_tf.systems` it is; `train: detector` makes it magicpoint.
    system: str = _setting("superpoint", choices=tuple(SYSTEMS))

    def with_system(self, system: str) -> NetworkConfig:
        """Return the same shape as another system."""
        return dataclasses.replace(self, system=system)


@dataclass(frozen=True)
class TrainingConfig:
    """One optimisation."""

    steps: int = _setting(200_000, free=True, minimum=1, maximum=10**9)
    batch_size: int = _setting(32, minimum=1, maximum=2**16)  # of one update, over all micro-batches and devices
    # Micro-batches an update, one in memory at a time. Batch norm sees one micro-batch at a time: its statistics are
    # those of batch_size / accumulate pictures, and its moving averages move `accumulate` times an update.
    accumulate: int = _setting(1, minimum=1, maximum=2**16)
    learning_rate: float = _setting(1e-3, free=True, minimum=0.0, maximum=10.0)  # peak
    # cosine ends at a hundredth, linear at zero; steps: times `fall` after every `fall_every` steps
    schedule: str = _setting("cosine", free=True, choices=("cosine", "constant", "linear", "steps"))
    fall: float = _setting(0.1, free=True, minimum=0.0, maximum=1.0)
    fall_every: int = _setting(10_000, free=True, minimum=1, maximum=10**9)
    optimizer: str = _setting("adam", choices=("adam", "momentum"))  # momentum: gradient descent
    momentum: float = _setting(0.9, free=True, minimum=0.0, maximum=1.0)
    weight_decay: float = _setting(0.0, free=True, minimum=0.0, maximum=1.0)  # times kernels, added to their gradients
    warmup_steps: int = _setting(1000, free=True, minimum=0, maximum=10**9)  # linear from zero
    clip_norm: float = _setting(10.0, free=True, minimum=0.0, maximum=1e9)  # global gradient norm; 0 = off
    ema_decay: float = _setting(0.0, minimum=0.0, maximum=0.99999)  # moving average of the weights; 0 = off
    # What the detector is taught of a label between pixels: the nearest `pixel`, as in the paper, or `bilinear`: its
    # four pixels by nearness, across cells too.
    targets: str = _setting("pixel", choices=("pixel", "bilinear"))
    precision: str = _setting("float32", choices=PRECISIONS)
    xla: bool = _setting(False, free=True)  # compile the step with XLA
    # Weights.npz, run folder, checkpoint or shipped name; a narrower network's are widened. Joint: `adapted` is the
    # detector that made the labels.
    init: str = _setting("", free=True)
    # What is trained: layers whose names begin so, comma-separated; the others stay as they are. "": all.
    trainable: str = _setting("")
    log_every: int = _setting(100, free=True, minimum=1, maximum=10**9)  # steps
    validate_every: int = _setting(5000, free=True, minimum=1, maximum=10**9)  # steps
    checkpoint_every: int = _setting(1000, free=True, minimum=1, maximum=10**9)  # steps; what SIGKILL can cost
    num_figures: int = _setting(4, free=True, minimum=0, maximum=1000)  # pictures drawn at each validation

    @property
    def num_samples(self) -> int:
        """Return how many samples of the source one update takes."""
        return self.batch_size


@dataclass(frozen=True)
class SyntheticSection:
    """Synthetic shapes: what is drawn, where the sets lie, how a training picture is changed."""

    root: str = _setting("data/synthetic", free=True, required=True)  # what generate_synthetic.py writes
    source: str = _setting("auto", choices=("auto", "generator", "records"))  # auto: records if they are there
    num_train: int = _setting(100_000, free=True, minimum=1, maximum=10**9)
    num_validation: int = _setting(100, free=True, minimum=1, maximum=10**9)  # a primitive
    num_test: int = _setting(500, free=True, minimum=1, maximum=10**9)  # a primitive
    draw: SyntheticConfig = field(default_factory=SyntheticConfig)
    homography: HomographyConfig = HomographyConfig(patch_ratio=0.8)
    photometric: PhotometricConfig = SYNTHETIC_PHOTOMETRIC


@dataclass(frozen=True)
class LaterViews:
    """Other warps for a later part of a training: more turning and zooming, without losing the near views."""

    # The first step that may see them, of every training on photographs, retraining too; 0: never.
    from_step: int = _setting(0, minimum=0, maximum=10**9)
    share: float = _setting(0.5, minimum=0.0, maximum=1.0)  # of the samples from there on; the others stay near
    homography: HomographyConfig = HomographyConfig(max_zoom=2.0, symmetric_axes=True)


@dataclass(frozen=True)
class PhotographsSection:
    """Photographs: where they lie and the frame they are brought to."""

    root: str = _setting("", free=True)  # a folder; "" = data/coco, or scikit-image's photographs where that is absent
    train: str = _setting(
        "", free=True
    )  # sub-folder(s, comma-separated); "" = train2017 if it is there, else everything
    validation: str = _setting("", free=True)  # sub-folder(s); "" = val2017 if it is there, else 5 % are held out
    # (height, width): scaled until it covers the frame, then cut to the centre
    image_shape: tuple[int, int] = _setting((240, 320), minimum=32, maximum=8192)
    # A training sample is a random part of this (height, width) of the labelled frame; [0, 0] takes the whole frame.
    crop_shape: tuple[int, int] = _setting((0, 0), minimum=0, maximum=8192)
    # Training ignores what fewer than this share of the labelling's votes saw, and always what none saw: nothing there
    # says "no keypoint".
    min_votes: float = _setting(0.25, minimum=0.0, maximum=1.0)
    # Which views of a pair are warped: the `second`, as in the paper, or `both`, each by a homography of its own.
    views: str = _setting("second", choices=("second", "both"))
    # Views are cut from the file at this many times `image_shape`, so that a warp that comes nearer does not enlarge;
    # smaller files are enlarged. Noise and blur are of its pixels, so they are weaker in the view. 1: from the frame.
    source_scale: float = _setting(1.0, minimum=1.0, maximum=8.0)
    flip: bool = _setting(False)  # half of the samples are mirrored, all their views alike
    homography: HomographyConfig = HomographyConfig()
    later: LaterViews = LaterViews()
    photometric: PhotometricConfig = PhotometricConfig()


@dataclass(frozen=True)
class AdaptationSection:
    """Homographic adaptation (paper section 5) and the retraining between its rounds."""

    num_homographies: int = _setting(100, minimum=1, maximum=2**16 - 1)  # the identity is one of them
    chunk_size: int = _setting(10, minimum=1, maximum=10**4)  # warps of one image in a forward batch
    # Cut from the edges of a warp's valid region. A detector is not trained on cells that touch them: with 3 px, as
    # in the reference, labels were eight times as dense 4 to 8 px from the frame as in the middle; from 8 px on, not.
    erosion_px: int = _setting(12, minimum=0, maximum=64)
    aggregation: str = _setting("mean", choices=("mean", "max"))
    precision: str = _setting("float32", choices=PRECISIONS)  # of the network's layers; the votes add up in float32
    homography: HomographyConfig = HomographyConfig(max_angle_deg=180.0)
    # Each warp is seen at its scales and phases; the rest cuts what they add up to. Few vote nearer to the frame.
    detection: DetectionConfig = DetectionConfig(border_px=8)
    retrain_steps: int = _setting(20_000, free=True, minimum=1, maximum=10**9)
    retrain_learning_rate: float = _setting(1e-3, free=True, minimum=0.0, maximum=10.0)
    num_figures: int = _setting(4, free=True, minimum=0, maximum=1000)  # photographs drawn a round


@dataclass(frozen=True)
class JointSection(TrainingConfig):
    """Training of detector and descriptor together (paper section 3)."""

    batch_size: int = _setting(8, minimum=1, maximum=2**16)
    labels: str = _setting("", free=True)  # label folder; "" = labels/<config name>, else labels/coco
    descriptor_loss: str = _setting("hinge", choices=SYSTEMS["superpoint"].losses)
    descriptor_weight: float = _setting(1.0, minimum=0.0, maximum=1e9)  # lambda: of the descriptor loss in the total
    positive_weight: float = _setting(250.0, minimum=0.0, maximum=1e9)  # lambda_d, quoted for 1,200 cells (240x320)
    positive_margin: float = _setting(1.0, minimum=-10.0, maximum=10.0)  # m_p
    negative_margin: float = _setting(0.2, minimum=-10.0, maximum=10.0)  # m_n
    # cells whose centres lie this near correspond
    positive_radius_px: float = _setting(8.0, minimum=0.0, maximum=1024.0)
    # Beside the cells: descriptors read where they are used, at corresponding keypoints. 0: off, the paper's form.
    keypoint_weight: float = _setting(0.0, minimum=0.0, maximum=1e9)
    keypoint_loss: str = _setting("softmax", choices=("softmax", "hardest"))  # cross-entropy, or hardest negatives
    keypoint_temperature: float = _setting(0.05, minimum=1e-4, maximum=100.0)  # of the softmax
    keypoint_margin: float = _setting(0.5, minimum=0.0, maximum=4.0)  # of the hardest negatives, as a distance
    keypoint_radius_px: float = _setting(2.0, minimum=0.0, maximum=1024.0)  # nearer points are no negatives
    max_keypoints: int = _setting(300, minimum=1, maximum=10**5)  # corresponding ones a pair, chosen at random
    # Negatives: the other `keypoints` of the view; all cells of its `map` too; or those and the keypoints of the
    # other pictures of the `batch` (of one micro-batch and one device: a part of the batch is a weaker adversary).
    keypoint_negatives: str = _setting("keypoints", choices=("keypoints", "map", "batch"))
    random_points: int = _setting(0, minimum=0, maximum=10**5)  # points off the labels that are added to them, a pair
    # Consistency of the detector's answer between the picture and a copy moved by 1 to 7 pixels; 0: off.
    consistency_weight: float = _setting(0.0, minimum=0.0, maximum=1e9)


def _losses_of_patches() -> tuple[str, ...]:
    losses = [loss for row in SYSTEMS.values() if row.train == "patches" for loss in row.losses]
    return tuple(dict.fromkeys(losses))


@dataclass(frozen=True)
class ConvexSection:
    """How the convex descriptor is solved for: two problems, on pairs of patches that are cut before (Simonyan).

    Of the section `steps` are those of the second; rate, schedule, optimizer, loss and margin decide nothing.
    """

    batches: int = _setting(20, minimum=1, maximum=10**6)  # of `patches.batch_size` points, all kept in memory
    negatives: int = _setting(4, minimum=1, maximum=1024)  # of each point, at random in its batch
    held_out: int = _setting(8, minimum=2, maximum=1024)  # one picture of so many chooses the best iterates
    pairs: int = _setting(256, minimum=1, maximum=2**20)  # of each kind, a step
    radii: int = _setting(11, minimum=2, maximum=64)  # of the rings to choose from
    angles: int = _setting(3, minimum=1, maximum=32)
    deviations: int = _setting(7, minimum=1, maximum=64)
    ring_steps: int = _setting(3000, minimum=1, maximum=10**9)
    ring_l1: float = _setting(0.03, minimum=0.0, maximum=1e3)  # more: fewer rings
    ring_gamma: float = _setting(1.0, minimum=1e-6, maximum=1e6)  # more: smaller steps
    trace: float = _setting(0.001, minimum=0.0, maximum=1e3)  # of the projection; more: a lower rank
    gamma: float = _setting(0.3, minimum=1e-6, maximum=1e6)


@dataclass(frozen=True)
class PatchesSection(TrainingConfig):
    """Descriptors of patches, which are cut about the keypoints of a label folder from two views of each photograph."""

    # A folder of patches in the layout of Brown's sets or of HPatches, instead of photographs; "": photographs.
    data: str = _setting("", free=True)
    # Where the points of photographs come from: a label folder; `dog`: the keypoints of differences of Gaussians
    # (SIFT's), with their size and orientation; "": labels/<config name>, else labels/coco.
    labels: str = _setting("", free=True)
    loss: str = _setting("", choices=("", *_losses_of_patches()))  # one of those of its kind of system; "": the paper's
    margin: float | None = _setting(None, minimum=0.0, maximum=100.0)  # None: the loss's own
    # Of `triplet` and `ratio`: the negative is compared with the nearer of the two patches.
    anchor_swap: bool = _setting(True)
    mining_ratio: int = _setting(8, minimum=1, maximum=2**16)  # of mined pairs: of so many the hardest one trains
    gor_weight: float = _setting(0.0, minimum=0.0, maximum=1e9)  # of the regularisation to orthogonal negatives; 0: off
    flips: bool = _setting(False)  # both patches of a point turned by quarters and mirrored at random, alike
    batch_size: int = _setting(1024, minimum=1, maximum=2**16)  # points, of two patches each, over all devices
    # Mining sees a replica's own part of a micro-batch.
    points_per_picture: int = _setting(64, minimum=1, maximum=4096)
    half_side_px: float = _setting(16.0, minimum=1.0, maximum=512.0)  # of a label's patch, in pixels of the frame
    support: float = _setting(6.0, minimum=1.0, maximum=64.0)  # side of a patch, in diameters of its DoG keypoint
    max_keypoints: int = _setting(512, minimum=1, maximum=2**16 - 1)  # DoG keypoints of a picture, the strongest
    jitter: float = _setting(1.0, minimum=0.0, maximum=4.0)  # of the second frame; 1: about HPatches' easy, 2: its hard
    # What of the homography a patch's frame follows: all of its local `affine` map, as HPatches' frames do, or the
    # nearest `similarity`, as those of a detector of scale and orientation.
    carry: str = _setting("affine", choices=("affine", "similarity"))
    radius_px: float = _setting(8.0, minimum=0.0, maximum=1024.0)  # nearer points of a picture are no negatives
    convex: ConvexSection = ConvexSection()

    @property
    def num_samples(self) -> int:
        """Return how many pictures give the points of one update."""
        return self.batch_size // self.points_per_picture


def _losses_of_maps() -> tuple[str, ...]:
    losses = [loss for row in SYSTEMS.values() if row.train == "dense" for loss in row.losses]
    return tuple(dict.fromkeys(losses))


def _losses_of_stereo() -> tuple[str, ...]:
    losses = [loss for row in SYSTEMS.values() if row.train == "stereo" for loss in row.losses]
    return tuple(dict.fromkeys(losses))


@dataclass(frozen=True)
class DenseSection(TrainingConfig):
    """Maps of features of whole pictures, trained on pairs of views of photographs; nothing is labelled."""

    batch_size: int = _setting(8, minimum=1, maximum=2**16)  # pairs
    loss: str = _setting("", choices=("", *_losses_of_maps()))  # one of its system's; "": the paper's
    margin: float | None = _setting(None, minimum=0.0, maximum=100.0)  # None: the loss's own
    points_per_pair: int = _setting(512, minimum=1, maximum=2**16)  # drawn uniformly; those count that both views show
    min_points: int = _setting(32, minimum=1, maximum=2**16)  # a pair with fewer that count trains nothing
    radius_px: float | None = _setting(None, minimum=0.0, maximum=1024.0)  # nearer is no negative; None: the loss's own
    # How it is known which points correspond: by the `homography` of the warped view, or by the `planes` of a scene.
    truth: str = _setting("homography", choices=("homography", "planes"))
    planes: PlanesConfig = PlanesConfig()
    # How the second view looks beside the first: under another `photometric` change, or `changed` altogether.
    appearance: str = _setting("photometric", choices=("photometric", "changed"))


@dataclass(frozen=True)
class DigitsSection(TrainingConfig):
    """Telling scikit-learn's digits apart, enlarged and distorted (spatial transformer networks)."""

    # R: turned by up to 90 degrees; RTS: turned by 45, moved and scaled; P: in perspective; E: bent by a spline
    distortion: str = _setting("R", choices=("R", "RTS", "P", "E"))
    batch_size: int = _setting(64, minimum=1, maximum=2**16)


@dataclass(frozen=True)
class LiftSection(TrainingConfig):
    """LIFT's networks, one after the other, on patches about the DoG keypoints of photographs (Yi et al. 2016)."""

    # Which one: the descriptor, then through it the orientation, then through both the detector. The two later ones
    # begin with the weights that the one before left (`init`), and the others stay as they are.
    trainable: str = _setting("descriptor", choices=("descriptor", "orientation", "detector"))
    batch_size: int = _setting(128, minimum=1, maximum=2**16)  # points, of two patches each, over all devices
    points_per_picture: int = _setting(16, minimum=1, maximum=4096)
    max_keypoints: int = _setting(512, minimum=1, maximum=2**16 - 1)  # of a picture, the strongest
    # A point is a keypoint that is found again in so many turned and zoomed copies of the photograph; 0: every one.
    copies: int = _setting(1, minimum=0, maximum=64)
    jitter: float = _setting(1.0, minimum=0.0, maximum=4.0)  # of the second frame, as `patches.jitter`
    radius_px: float = _setting(8.0, minimum=0.0, maximum=1024.0)  # nearer points of a picture are no negatives
    margin: float = _setting(4.0, minimum=0.0, maximum=100.0)  # of the descriptor's wrong pairs
    mining_ratio: int = _setting(8, minimum=1, maximum=2**16)  # of so many pairs the hardest one trains it
    # The detector: how far off the middle its keypoints are, in half sides of a patch; how far from any keypoint the
    # middles of empty patches, in their sigmas; and what telling both apart weighs beside the pairs.
    shift: float = _setting(0.4, minimum=0.0, maximum=0.5)
    clearance: float = _setting(6.0, minimum=0.1, maximum=12.0)
    class_weight: float = _setting(1.0, minimum=0.0, maximum=1e9)

    @property
    def support(self) -> float:
        """Return the side of a patch, in diameters of its keypoint: 24 sigmas."""
        return 12.0

    @property
    def num_samples(self) -> int:
        """Return how many pictures give the points of one update."""
        return self.batch_size // self.points_per_picture


@dataclass(frozen=True)
class LfnetSection(TrainingConfig):
    """LF-Net on pairs of views of photographs; nothing is labelled (Ono et al. 2018)."""

    batch_size: int = _setting(6, minimum=1, maximum=2**16)  # pairs
    num_keypoints: int = _setting(512, minimum=1, maximum=2**16)  # of a view, the strongest
    # Of the heatmap, of the descriptors where the detector says, of orientation and scale, which train the detector;
    # and of the triplets, which train the descriptor. A weight of 0 takes a term out.
    image_weight: float = _setting(1.0, minimum=0.0, maximum=1e9)
    pair_weight: float = _setting(0.01, minimum=0.0, maximum=1e9)
    orientation_weight: float = _setting(0.1, minimum=0.0, maximum=1e9)
    scale_weight: float = _setting(0.1, minimum=0.0, maximum=1e9)
    descriptor_weight: float = _setting(1.0, minimum=0.0, maximum=1e9)
    margin: float = _setting(1.0, minimum=0.0, maximum=100.0)  # of the triplets, of squared distances
    radius_px: float = _setting(32.0, minimum=0.0, maximum=1024.0)  # nearer keypoints are no negatives
    # A negative is drawn from the hardest ones: from `hardest` of them at first, times .9 every so many steps, but at
    # least 5.
    hardest: int = _setting(64, minimum=5, maximum=2**16)
    hardest_fall_every: int = _setting(1000, minimum=1, maximum=10**9)


@dataclass(frozen=True)
class ClassesSection(TrainingConfig):
    """Telling photographs apart (DELF): each is a class, seen in two views; first the body, then the attention."""

    batch_size: int = _setting(16, minimum=1, maximum=2**16)  # photographs
    # What is trained: the `body`, by the mean of its features, or on weights of that (`init`) the `attention`, by the
    # mean that it weighs; the body then stays as it is, and its features' principal components are taken first.
    stage: str = _setting("body", choices=("body", "attention"))


@dataclass(frozen=True)
class StereoChanges:
    """How the two patches of a pair are cut and lit: MC-CNN's augmentation with its ranges for KITTI.

    Grey levels are those of standardised pictures: 1 is a deviation. The `right_` ones are of the right patch alone.
    """

    max_angle_deg: float = _setting(7.0, minimum=0.0, maximum=180.0)
    scale: tuple[float, float] = _setting((1.0, 1.0), minimum=0.1, maximum=10.0)
    scale_x: tuple[float, float] = _setting((0.9, 1.0), minimum=0.1, maximum=10.0)
    max_shear_x: float = _setting(0.1, minimum=0.0, maximum=4.0)
    max_brightness: float = _setting(0.7, minimum=0.0, maximum=100.0)
    max_contrast: float = _setting(1.3, minimum=1.0, maximum=100.0)  # a factor in [1 / it, it]
    right_max_shift_y_px: float = _setting(0.0, minimum=0.0, maximum=64.0)
    right_max_angle_deg: float = _setting(0.0, minimum=0.0, maximum=180.0)
    right_scale_x: tuple[float, float] = _setting((1.0, 1.0), minimum=0.1, maximum=10.0)
    right_max_shear_x: float = _setting(0.0, minimum=0.0, maximum=4.0)
    right_max_brightness: float = _setting(0.3, minimum=0.0, maximum=100.0)
    right_max_contrast: float = _setting(1.0, minimum=1.0, maximum=100.0)


@dataclass(frozen=True)
class StereoSection(TrainingConfig):
    """Costs of matching the pixels of rectified pairs; pairs are drawn from photographs, or read with their truth."""

    # A folder of pairs in the layout of Middlebury or of KITTI, instead of pairs drawn from photographs; "": drawn.
    data: str = _setting("", free=True)
    loss: str = _setting("", choices=("", *_losses_of_stereo()))  # "": the paper's
    margin: float = _setting(0.2, minimum=0.0, maximum=2.0)  # of the loss of that name
    batch_size: int = _setting(128, minimum=1, maximum=2**16)  # points: each a matching and a wrong pair of patches
    points_per_pair: int = _setting(32, minimum=1, maximum=2**16)
    max_disparity_px: float = _setting(64.0, minimum=1.0, maximum=4096.0)  # of drawn pairs, and in validation
    positive_px: float = _setting(1.0, minimum=0.0, maximum=64.0)  # a matching patch is off by up to it, either way
    negative_px: tuple[float, float] = _setting((4.0, 10.0), minimum=0.0, maximum=4096.0)  # a wrong one by at least
    changes: StereoChanges = StereoChanges()

    @property
    def num_samples(self) -> int:
        """Return how many pairs of pictures give the points of one update."""
        return self.batch_size // self.points_per_pair


@dataclass(frozen=True)
class EvaluationSection:
    """Validation in the training loop by the definitions of `superpoint_tf.evaluation`."""

    # Random homographies of held-out photographs; with 40 the standard error was larger than most differences.
    num_pairs: int = _setting(200, free=True, minimum=1, maximum=10**6)
    image_shape: tuple[int, int] = _setting((240, 320), free=True, minimum=32, maximum=8192)
    nms_radius_px: int = _setting(4, free=True, minimum=0, maximum=1024)
    num_keypoints: int = _setting(300, free=True, minimum=1, maximum=10**6)
    distance_px: float = _setting(3.0, free=True, minimum=0.0, maximum=1024.0)  # epsilon
    num_synthetic: int = _setting(50, free=True, minimum=1, maximum=10**6)  # pictures a primitive in the validation mAP
    homography: HomographyConfig = HomographyConfig(symmetric_axes=True)
    planes: PlanesConfig = PlanesConfig()  # of the pairs of `tools/evaluate.py pck`


@dataclass(frozen=True)
class Config:
    """The whole pipeline; a YAML file holds what differs from these defaults."""

    name: str = _setting("default", free=True)  # the file's stem unless it says otherwise
    train: str = _setting("joint", choices=TRAININGS)  # what tools/train.py trains
    seed: int = _setting(0, minimum=0, maximum=2**31 - 1)
    workers: int = _setting(-1, free=True, minimum=-1, maximum=1024)  # data processes; -1: one a core, 0: none
    synthetic: SyntheticSection = field(default_factory=SyntheticSection)
    photographs: PhotographsSection = PhotographsSection()
    network: NetworkConfig = NetworkConfig()
    detector: TrainingConfig = TrainingConfig()
    adaptation: AdaptationSection = AdaptationSection()
    joint: JointSection = JointSection()
    patches: PatchesSection = PatchesSection()
    lift: LiftSection = LiftSection()
    lfnet: LfnetSection = LfnetSection()
    dense: DenseSection = DenseSection()
    digits: DigitsSection = DigitsSection()
    classes: ClassesSection = ClassesSection()
    stereo: StereoSection = StereoSection()
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
