"""Which pixels a homography maps into the other frame: as a mask that is eroded, and in closed form for votes."""

from __future__ import annotations

import tensorflow as tf

from .homography import exact_inverse
from .warp import evaluate_on_pixels

EDGE_SLACK_PX = 1e-3  # float32 may put a point of the frame's edge this far outside


def warp_valid_mask(
    homography: tf.Tensor,
    input_shape: tuple[int, int],
    output_shape: tuple[int, int] | None = None,
    erosion_px: int = 0,
) -> tf.Tensor:
    """Tell which pixels of view 1 show view 0: bool (B, H', W') for homography_0to1 (B, 3, 3).

    A pixel counts if it comes from within the pixel centres of the input (all four bilinear neighbours exist) and from
    in front of the camera. Erosion then removes what lies within `erosion_px` (square) of an invalid pixel; it ignores
    what lies outside the output, so the frame's own edge stays.
    """
    height, width = output_shape or input_shape
    homography_1to0 = exact_inverse(tf.cast(homography, tf.float64))
    x, y, w = tf.unstack(homography_1to0, axis=-2)
    last_x, last_y = input_shape[1] - 1, input_shape[0] - 1
    # 0 <= x/w <= last with w > 0, times w: four half-planes; w < 0 cannot be in both of a pair.
    slack = EDGE_SLACK_PX * w
    mask = tf.ones((tf.shape(x)[0], height, width), tf.bool)
    for half_plane in (x + slack, last_x * w - x + slack, y + slack, last_y * w - y + slack):
        mask &= evaluate_on_pixels(half_plane, height, width) >= 0
    return erode_mask(mask, erosion_px)


def erode_mask(mask: tf.Tensor, erosion_px: int) -> tf.Tensor:
    """Clear what lies within `erosion_px` (square) of a False pixel of `mask` bool (B, H, W)."""
    if erosion_px == 0:
        return mask
    invalid = tf.cast(~mask, tf.float32)[..., None]
    side = 2 * erosion_px + 1
    for window in ((side, 1), (1, side)):
        invalid = tf.nn.max_pool2d(invalid, window, 1, "SAME")
    return invalid[..., 0] < 0.5


def _warp_weights(
    homographies: tf.Tensor, inverses: tf.Tensor, image_shape: tuple[int, int], erosion_px: int
) -> tf.Tensor:
    """Compute which pixels of the image's frame a warp may vote for: float32 (B, H, W) of 0 and 1.

    homographies (B, 3, 3) map the image to its warps, inverses back. A vote counts where the eroded valid mask of the
    warped frame, brought back by nearest neighbour, and the eroded mask of the image's frame both hold. Erosion cuts
    the empty corners only, never the frame's edge. Equals `warp_valid_mask` and a warp of it, but no pixel moves.
    """
    height, width = image_shape
    x = tf.range(width, dtype=tf.float32)
    y = tf.range(height, dtype=tf.float32)[:, tf.newaxis]
    source_frame = _window_is_inside(homographies, x, y, image_shape, erosion_px)
    warped_x, warped_y, w = (_evaluate(row, x, y) for row in tf.unstack(homographies, axis=1))
    nearest_x, nearest_y = tf.floor(warped_x / w + 0.5), tf.floor(warped_y / w + 0.5)
    warped_frame = _window_is_inside(inverses, nearest_x, nearest_y, image_shape, erosion_px)
    return tf.cast(source_frame & warped_frame, tf.float32)


# XLA makes one pass of some forty elementwise operations: a tenth of the time, and no temporaries
compute_warp_weights = tf.function(_warp_weights, autograph=False, jit_compile=True)


def _window_is_inside(
    homographies: tf.Tensor, x: tf.Tensor, y: tf.Tensor, image_shape: tuple[int, int], erosion_px: int
) -> tf.Tensor:
    """Tell whether all pixels within `erosion_px` of (x, y) and in the frame are mapped into the other frame.

    x and y broadcast to (B, H, W). The other frame is four half-planes, each linear in the pixel, so the worst pixel of
    a window is one of its corners and the eroded mask needs no pass over neighbours.
    """
    last_y, last_x = image_shape[0] - 1.0, image_shape[1] - 1.0
    to_x, to_y, w = tf.unstack(tf.cast(homographies, tf.float64), axis=1)
    slack = EDGE_SLACK_PX * w
    left, right = tf.maximum(x - erosion_px, 0.0), tf.minimum(x + erosion_px, last_x)
    top, bottom = tf.maximum(y - erosion_px, 0.0), tf.minimum(y + erosion_px, last_y)
    inside = tf.constant(True)
    for half_plane in (to_x + slack, last_x * w - to_x + slack, to_y + slack, last_y * w - to_y + slack):
        a, b, c = tf.unstack(tf.cast(half_plane, tf.float32)[:, :, tf.newaxis, tf.newaxis], axis=1)
        inside &= tf.minimum(a * left, a * right) + c + tf.minimum(b * top, b * bottom) >= 0
    return inside


def _evaluate(row: tf.Tensor, x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Evaluate a x + b y + c for coefficients (B, 3): (B, H, W)."""
    a, b, c = tf.unstack(row[:, :, tf.newaxis, tf.newaxis], axis=1)
    return a * x + b * y + c
