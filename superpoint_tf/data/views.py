"""Views of a picture: the homography of each, the warp straight from the picture, and what of it may be used.

Three frames meet here: the sample's *frame*, in which its keypoints and its known area lie; the *picture* that workers
hand over, which may have more pixels (`photographs.source_scale`) and comes with the map `picture_to_frame`; and the
*view*, of the frame's shape. A view is warped from the picture in one step, so that no pixel is resampled twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.config import (
    HomographyConfig,
    LaterViews,
    PhotographsSection,
    SyntheticSection,
    TrainingConfig,
)
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.data.random_streams import Purpose, first_word
from superpoint_tf.geometry.cells import nearest_pixels
from superpoint_tf.geometry.homography import invert_homographies, sample_homographies
from superpoint_tf.geometry.masks import erode_mask, warp_valid_mask
from superpoint_tf.geometry.warp import warp_images, warp_points
from superpoint_tf.networks.stateless import numbered_seeds

_ROWS = 128  # corresponding points come in multiples of it
_UNKNOWN_GROWTH_PX = 3  # enough where a pixel of the view is up to 2.8 of the frame: floor(1 + step / sqrt(2))
_SUBSAMPLES = 2  # along each axis of a view's pixel: a picture of more pixels than the view must not alias


@dataclass(frozen=True)
class ViewSettings:
    """What decides how samples become views, and their labels targets."""

    homography: HomographyConfig
    later: HomographyConfig | None = None  # for a `later_share` of the samples from number `later_from` on
    later_share: float = 0.0
    later_from: int = 0
    both: bool = False  # both views of a pair are warped, each by a homography of its own
    targets: str = "pixel"

    @classmethod
    def of(cls, section: PhotographsSection | SyntheticSection, training: TrainingConfig) -> ViewSettings:
        """Take the settings from the section of the pictures and that of the training."""
        if isinstance(section, SyntheticSection):
            return cls(section.homography, targets=training.targets)
        later, both = section.later, section.views == "both"
        if not _is_used(later):
            return cls(section.homography, both=both, targets=training.targets)
        first = later.from_step * training.num_samples
        return cls(section.homography, later.homography, later.share, first, both, training.targets)


def _is_used(later: LaterViews) -> bool:
    return later.from_step > 0 and later.share > 0


class View(NamedTuple):
    """One view of each sample of a batch."""

    images: tf.Tensor  # float32 (B, H, W, 1) in [0, 1]
    keypoints: tf.Tensor  # float32 (B, K, 2), NaN where absent
    mask: tf.Tensor  # bool (B, H, W), pixels that show a known part of the frame
    homography: tf.Tensor  # float32 (B, 3, 3), from the frame to the view


def sample_seeds(key: int, purpose: Purpose, numbers: tf.Tensor) -> tf.Tensor:
    """Return stateless seeds int64 (B, 2), one for each sample number and purpose."""
    return numbered_seeds(first_word(key, purpose), numbers)


def sample_view_homographies(
    numbers: tf.Tensor, key: int, settings: ViewSettings, image_shape: tuple[int, int]
) -> tf.Tensor:
    """Return the homographies (B, 3, 3) from the frame to the warped view: near ones, or those of the later part.

    Both kinds are drawn from the same numbers; which one a sample takes is a pure function of its number.
    """
    seeds = sample_seeds(key, Purpose.HOMOGRAPHY, numbers)
    near = sample_homographies(seeds, image_shape, settings.homography)
    if settings.later is None:
        return near
    later = sample_homographies(seeds, image_shape, settings.later)
    return tf.where(takes_later_views(numbers, key, settings)[:, None, None], later, near)


def takes_later_views(numbers: tf.Tensor, key: int, settings: ViewSettings) -> tf.Tensor:
    """Tell which samples (B,) take the later ranges: a share of those from `later_from` on."""

    def row(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform([], seed, dtype=tf.float64, alg="philox")

    seeds = sample_seeds(key, Purpose.LATER, numbers)
    drawn = tf.map_fn(row, seeds, fn_output_signature=tf.TensorSpec([], tf.float64))
    return (tf.cast(numbers, tf.int64) >= settings.later_from) & (drawn < settings.later_share)


def frame_view(batch: TensorBatch, images: tf.Tensor, image_shape: tuple[int, int]) -> View:
    """Return the frame itself as a view of pictures uint8 (B, Hs, Ws): nothing moves, all that is known counts."""
    known, batch_size = batch.get("known"), tf.shape(images)[0]
    pictures = to_unit(images)[..., None]
    identity = tf.eye(3, batch_shape=[batch_size])
    if "picture_to_frame" in batch:
        pictures = _warp_pictures(pictures, batch["picture_to_frame"], image_shape)
    if known is None:
        known = tf.ones((batch_size, *image_shape), tf.bool)
    return View(pictures, batch["keypoints"], known, identity)


def warped_view(
    batch: TensorBatch, images: tf.Tensor, homography: tf.Tensor, image_shape: tuple[int, int], border_px: int
) -> View:
    """Return the view by `homography` (B, 3, 3) of pictures uint8 (B, Hs, Ws), `border_px` cut from its valid area."""
    pictures, picture_shape = to_unit(images)[..., None], (int(images.shape[1]), int(images.shape[2]))
    to_view = homography
    if "picture_to_frame" in batch:
        to_view = tf.matmul(tf.cast(homography, tf.float64), tf.cast(batch["picture_to_frame"], tf.float64))
        pictures = _warp_pictures(pictures, to_view, image_shape)
    else:
        pictures = warp_images(pictures, homography)
    mask = warp_valid_mask(to_view, picture_shape, image_shape, erosion_px=border_px)
    if "known" in batch:
        mask &= _warp_known(batch["known"], homography, border_px)
    return View(pictures, warp_points(batch["keypoints"], homography), mask, homography)


def two_views(batch: TensorBatch, key: int, settings: ViewSettings) -> tuple[View, View]:
    """Return both views of each picture: the frame, or with `both` a near view of it, and the warped one."""
    image_shape, numbers = frame_shape(batch), batch["numbers"]
    border_px = settings.homography.valid_border_px
    view0 = frame_view(batch, batch["images"], image_shape)
    if settings.both:
        seeds = sample_seeds(key, Purpose.HOMOGRAPHY0, numbers)
        homographies0 = sample_homographies(seeds, image_shape, settings.homography)
        view0 = warped_view(batch, batch["images"], homographies0, image_shape, border_px)
    homographies1 = sample_view_homographies(numbers, key, settings, image_shape)
    return view0, warped_view(batch, batch["images1"], homographies1, image_shape, border_px)


def frame_shape(batch: TensorBatch) -> tuple[int, int]:
    """Return (height, width) of the frame: of its known area, or where all is known, of the pictures."""
    frame = batch["known"] if "known" in batch else batch["images"]
    return int(frame.shape[1]), int(frame.shape[2])


def to_unit(images: tf.Tensor) -> tf.Tensor:
    """Turn grey levels uint8 into float32 in [0, 1], of any shape."""
    return tf.cast(images, tf.float32) / 255.0


def _warp_pictures(pictures: tf.Tensor, homography: tf.Tensor, image_shape: tuple[int, int]) -> tf.Tensor:
    """Warp pictures of more pixels than the view: the mean of a view pixel's sub-samples, each bilinear."""
    n = _SUBSAMPLES
    finer = tf.constant([[n, 0, (n - 1) / 2], [0, n, (n - 1) / 2], [0, 0, 1]], tf.float64)  # the half-pixel rule
    sub_shape = (n * image_shape[0], n * image_shape[1])
    # Sub-samples reach beyond the outer pixels' centres, where nothing is: the edge is repeated by a pixel.
    pictures = tf.pad(pictures, ((0, 0), (1, 1), (1, 1), (0, 0)), "SYMMETRIC")
    inner = tf.constant([[1, 0, -1], [0, 1, -1], [0, 0, 1]], tf.float64)
    to_samples = tf.matmul(finer, tf.matmul(tf.cast(homography, tf.float64), inner))
    samples = warp_images(pictures, to_samples, sub_shape)
    return tf.nn.avg_pool2d(samples, n, n, "VALID")


def _warp_known(known: tf.Tensor, homography: tf.Tensor, border_px: int) -> tf.Tensor:
    """Tell which pixels of a view come from known ones: bool (B, H, W), one pixel at least within the edge.

    The nearest pixel may be half a pixel off: a keypoint that the frame's unknown part holds must not fall on a pixel
    of the view that counts. Nor may a view that shrinks the frame step over a small unknown part: it grows first.
    """
    known = erode_mask(known, _UNKNOWN_GROWTH_PX)
    warped = warp_images(tf.cast(known, tf.float32)[..., None], homography, interpolation="nearest")[..., 0]
    return erode_mask(warped > 0.5, max(border_px, 1))


def corresponding_points(view0: View, view1: View) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the keypoints of both views row by row, float32 (B, K, 2) each, NaN where either is not in a mask.

    K is rounded up by absent rows: a compiled step then meets few shapes.
    """
    usable = (_is_in(view0) & _is_in(view1))[..., None]
    nowhere = tf.constant(float("nan"), tf.float32)
    missing = -tf.shape(view0.keypoints)[1] % _ROWS
    points0, points1 = (
        tf.pad(tf.where(usable, view.keypoints, nowhere), ((0, 0), (0, missing), (0, 0)), constant_values=nowhere)
        for view in (view0, view1)
    )
    return points0, points1


def _is_in(view: View) -> tf.Tensor:
    pixels, inside = nearest_pixels(view.keypoints, (int(view.mask.shape[1]), int(view.mask.shape[2])))
    return inside & tf.gather_nd(view.mask, pixels[..., ::-1], batch_dims=1)


def homography_between(view0: View, view1: View) -> tf.Tensor:
    """Return homography_0to1 float32 (B, 3, 3) of two views of one frame: H1 H0^-1, by a positive scale."""
    back = invert_homographies(tf.cast(view0.homography, tf.float64))
    between = tf.matmul(tf.cast(view1.homography, tf.float64), back)
    corner = tf.abs(between[:, 2:, 2:])
    return tf.cast(between / tf.where(corner > 1e-9, corner, tf.ones_like(corner)), tf.float32)
