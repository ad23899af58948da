"""Where pictures come from and how they are changed: synthetic shapes, photographs, homographies, planes, light."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from superpoint_tf.config.fields import ConfigError, setting
from superpoint_tf.config.stretch import NO_STRETCH, check_stretch
from superpoint_tf.synthetic import SyntheticConfig

# Its last release, 0.4, needs a NumPy before 2, of which there is none for Python 3.13.
IMGAUG_RUNS = sys.version_info < (3, 13)
NO_IMGAUG = f"imgaug does not run on Python {sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class HomographyConfig:
    """How far a random homography may go (paper section 5.2, with the settings of the reference implementation)."""

    patch_ratio: float = setting(0.85, minimum=0.1, maximum=1.0)  # side of the central patch, in frame sides
    perspective_amplitude_x: float = setting(0.2, minimum=0.0, maximum=0.6)  # frame widths, 2 sigma
    perspective_amplitude_y: float = setting(0.2, minimum=0.0, maximum=0.6)  # frame heights, 2 sigma
    scale_amplitude: float = setting(0.2, minimum=0.0, maximum=0.9)  # relative, 2 sigma
    translation_overflow: float = setting(0.0, minimum=0.0, maximum=0.5)  # frame sides beyond the frame's edge
    max_angle_deg: float = setting(90.0, minimum=0.0, maximum=180.0)  # rotation is uniform in +- this
    allow_artifacts: bool = setting(True)  # the patch may leave the frame: the warped picture has empty corners
    # A further factor of size, log-uniform in [1 / max_zoom, max_zoom]; 1: none.
    max_zoom: float = setting(1.0, minimum=1.0, maximum=8.0)
    # Half of the homographies exchange the axes along which they tilt and stretch. Off: the reference's sampler, which
    # tilts and stretches across the frame more than down; a network trained so is anisotropic where it turns little.
    symmetric_axes: bool = setting(False)
    valid_border_px: int = setting(3, minimum=0, maximum=64)  # cut from the warp's valid region in training


@dataclass(frozen=True)
class PlanesConfig:
    """How a scene of planes is drawn, one plane a segment of a photograph, and how far the camera moves."""

    segments: tuple[int, int] = setting((4, 24), minimum=1, maximum=1024)  # about so many, log-uniform
    depth_ratio: float = setting(2.0, minimum=1.0, maximum=16.0)  # of the farthest plane to the nearest
    max_slope: float = setting(0.5, minimum=0.0, maximum=4.0)  # of a plane: change of 1 / depth over a focal length
    baseline: float = setting(0.3, minimum=0.0, maximum=2.0)  # the camera's way at most, in depths of the scene
    max_angle_deg: float = setting(30.0, minimum=0.0, maximum=180.0)  # roll of the camera is uniform in +- this


@dataclass(frozen=True)
class PhotometricConfig:
    """Ranges of the photometric change on 0..255 grey levels; every change is applied, in random order."""

    enabled: bool = setting(True)  # off: pictures stay as they are
    # Who changes pictures: imgaug in worker processes, or the graph of the batch, which leaves the workers to decode.
    # The same distribution, other samples, of validation and evaluation too: compare what was measured by one of them.
    # Python 3.13 has no imgaug, and graph as its default.
    backend: str = setting("imgaug" if IMGAUG_RUNS else "graph", choices=("imgaug", "graph"))
    max_brightness: float = setting(50.0, minimum=0.0, maximum=255.0)  # added, +-
    contrast: tuple[float, float] = setting((0.5, 1.5), minimum=0.0, maximum=100.0)  # factor about the picture's mean
    max_noise_std: float = setting(10.0, minimum=0.0, maximum=255.0)  # additive Gaussian, grey levels
    max_impulse_fraction: float = setting(0.0035, minimum=0.0, maximum=1.0)  # of pixels set to 0, and to 255
    shade: tuple[float, float] = setting((-0.5, 0.5), minimum=-1.0, maximum=1.0)  # transparency of blurred ellipses
    max_blur_kernel: int = setting(3, minimum=0, maximum=31)  # motion blur, pixels; below 3 is none

    def check_backend(self, where: str) -> None:
        """Raise ConfigError, beginning with `where`, for a backend that does not run on this Python."""
        if self.enabled and self.backend == "imgaug" and not IMGAUG_RUNS:
            raise ConfigError(f"{where}: {NO_IMGAUG}; give graph, or use Python 3.10 to 3.12")


SYNTHETIC_PHOTOMETRIC = PhotometricConfig(
    max_brightness=75.0, contrast=(0.3, 1.8), max_noise_std=15.0, shade=(-0.5, 0.8), max_blur_kernel=7
)


@dataclass(frozen=True)
class SyntheticSection:
    """Synthetic shapes: what is drawn, where the sets lie, how a training picture is changed."""

    root: str = setting("data/synthetic", free=True, required=True)  # what generate_synthetic.py writes
    source: str = setting("auto", choices=("auto", "generator", "records"))  # auto: records if they are there
    num_train: int = setting(100_000, free=True, minimum=1, maximum=10**9)  # pictures
    num_validation: int = setting(100, free=True, minimum=1, maximum=10**9)  # pictures a primitive
    num_test: int = setting(500, free=True, minimum=1, maximum=10**9)  # pictures a primitive
    draw: SyntheticConfig = field(default_factory=SyntheticConfig)
    homography: HomographyConfig = HomographyConfig(patch_ratio=0.8)
    photometric: PhotometricConfig = SYNTHETIC_PHOTOMETRIC


@dataclass(frozen=True)
class LaterViews:
    """Other warps for a later part of a training: more turning and zooming, without losing the near views."""

    # The first step that may see them, of every training on photographs, retraining too; 0: never.
    from_step: int = setting(0, minimum=0, maximum=10**9)
    share: float = setting(0.5, minimum=0.0, maximum=1.0)  # of the samples from there on; the others stay near
    homography: HomographyConfig = HomographyConfig(max_zoom=2.0, symmetric_axes=True)


@dataclass(frozen=True)
class PhotographsSection:
    """Photographs: where they lie and the frame they are brought to."""

    root: str = setting("", free=True)  # a folder; "" = data/coco, or scikit-image's photographs where that is absent
    # Sub-folder(s, comma-separated); "" = train2017 if it is there, else everything.
    train: str = setting("", free=True)
    validation: str = setting("", free=True)  # sub-folder(s); "" = val2017 if it is there, else 5 % are held out
    # Grey levels spread over all: `none`, `percentile` (each picture from its 1st to its 99th), or `LOW,HIGH`, one
    # window for all, in the files' own levels. Thermal and other 16-bit pictures use a small part of theirs.
    stretch: str = setting(NO_STRETCH, rule=check_stretch)
    # A folder, or one picture for all; "": none. Nothing is labelled or learnt where the mask `a/b.jpg.png` of
    # `a/b.jpg` is black. Their content decides whether a run goes on, not where they lie.
    masks: str = setting("", free=True)
    # A folder that keeps photographs as a training decodes them, a byte a pixel: each is decoded once; "": none.
    decoded: str = setting("", free=True)
    # (height, width): scaled until it covers the frame, then cut to the centre
    image_shape: tuple[int, int] = setting((240, 320), minimum=32, maximum=8192)
    # A training sample is a random part of this (height, width) of the labelled frame; [0, 0] takes the whole frame.
    crop_shape: tuple[int, int] = setting((0, 0), minimum=0, maximum=8192)
    # Training ignores what fewer than this share of the labelling's votes saw, and always what none saw: nothing there
    # says "no keypoint".
    min_votes: float = setting(0.25, minimum=0.0, maximum=1.0)
    # Which views of a pair are warped: the `second`, as in the paper, or `both`, each by a homography of its own.
    views: str = setting("second", choices=("second", "both"))
    # Views are cut from the file at this many times `image_shape`, so that a warp that comes nearer does not enlarge;
    # smaller files are enlarged. Noise and blur are of its pixels, so they are weaker in the view. 1: from the frame.
    source_scale: float = setting(1.0, minimum=1.0, maximum=8.0)
    flip: bool = setting(False)  # half of the samples are mirrored, all their views alike
    homography: HomographyConfig = HomographyConfig()
    later: LaterViews = LaterViews()
    photometric: PhotometricConfig = PhotometricConfig()
