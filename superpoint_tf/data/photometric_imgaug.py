"""The photometric change by imgaug, in worker processes: it holds the interpreter lock."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import imgaug
import imgaug.augmenters as iaa
import numpy as np

from superpoint_tf.config import PhotometricConfig
from superpoint_tf.data.photometric_backends import NUM_ELLIPSES, SHADE_AXIS, SHADE_BLUR, SHADE_SIDE_PX
from superpoint_tf.data.random_streams import Stream, stream_generator

Change = Callable[[np.ndarray], np.ndarray]


def change_by_imgaug(image: np.ndarray, config: PhotometricConfig, key: int, number: int, view: int) -> np.ndarray:
    """Return `image` uint8 (H, W) with every change of `config` applied, in a random order.

    imgaug's global generator is neither read nor advanced. `image` itself is left as it was.
    """
    # Part 0 draws amounts and seeds, in the order of `_build_changes`; 1 the impulse noise's pixels; 2 the shade's
    # ellipses; 3 the order of the changes, on which so no amount depends. A draw put between those of one part changes
    # every sample of every seed: what is new takes a new part.
    generators = [stream_generator(Stream.PHOTOMETRIC, key, number, part, view) for part in range(4)]
    changes = _build_changes(config, *generators[:3])
    augmenter = iaa.Sequential(changes, random_order=True, seed=_draw_seed(generators[3]))
    with _global_generator_kept():
        changed: np.ndarray = augmenter(image=image.copy())
    return changed


@contextlib.contextmanager
def _global_generator_kept() -> Iterator[None]:
    """Undo that imgaug's motion blur advances the global generator, though it takes nothing from it."""
    generator = imgaug.random.get_global_rng()
    state = generator.state
    try:
        yield
    finally:
        generator.state = state


def _build_changes(
    config: PhotometricConfig,
    generator: np.random.Generator,
    impulse_generator: np.random.Generator,
    shade_generator: np.random.Generator,
) -> list[iaa.Augmenter]:
    brightness, noise_std = config.max_brightness, config.max_noise_std
    changes = [
        iaa.Add((-brightness, brightness), seed=_draw_seed(generator)),
        iaa.AdditiveGaussianNoise(scale=(0.0, noise_std), seed=_draw_seed(generator)),
        _as_augmenter(_contrast(generator.uniform(*config.contrast)), generator),
        _as_augmenter(_impulse_noise(config.max_impulse_fraction, impulse_generator), generator),
        _as_augmenter(_shade(generator.uniform(*config.shade), shade_generator), generator),
    ]
    kernel_px = 1 + 2 * int(generator.integers(0, max(config.max_blur_kernel - 1, 0) // 2 + 1))
    if kernel_px >= 3:  # imgaug fails below 3; a kernel of one pixel is no blur
        # imgaug's default direction weighs one end of the stroke more, which moves corners by up to 1.4 pixels
        changes.append(iaa.MotionBlur(k=kernel_px, direction=0.0, seed=_draw_seed(generator)))
    return changes


def _draw_seed(generator: np.random.Generator) -> int:
    return int(generator.integers(0, 2**31 - 1))


def _as_augmenter(change: Change, generator: np.random.Generator) -> iaa.Augmenter:
    def change_images(images: Any, random_state: Any, parents: Any, hooks: Any) -> list[np.ndarray]:
        return [change(np.ascontiguousarray(image[..., 0]))[..., np.newaxis] for image in images]

    return iaa.Lambda(func_images=change_images, seed=_draw_seed(generator))  # unseeded it would advance the global RNG


def _contrast(factor: float) -> Change:
    """Stretch about the picture's own mean (imgaug's contrast turns about 127 and so also changes the brightness)."""

    def change(image: np.ndarray) -> np.ndarray:
        mean = image.mean(dtype=np.float64)
        table = np.clip(np.rint((np.arange(256) - mean) * factor + mean), 0, 255).astype(np.uint8)
        return cv2.LUT(image, table)

    return change


def _impulse_noise(max_fraction: float, generator: np.random.Generator) -> Change:
    """Set a fraction of the pixels to 0 and as many to 255."""

    def change(image: np.ndarray) -> np.ndarray:
        fraction = generator.uniform(0.0, max_fraction)
        image = image.copy()
        for value in (0, 255):
            count = generator.binomial(image.size, fraction)
            image.flat[generator.integers(0, image.size, count)] = value
        return image

    return change


def _shade(transparency: float, generator: np.random.Generator) -> Change:
    """Darken (or lighten, where `transparency` is negative) below blurred ellipses."""

    def change(image: np.ndarray) -> np.ndarray:
        mask = _draw_blurred_ellipses(image.shape[:2], generator)
        shaded = image * (1.0 - np.float32(transparency) * mask)
        return np.clip(np.rint(shaded), 0, 255).astype(np.uint8)

    return change


def _draw_blurred_ellipses(image_shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
    """Return a float32 mask (H, W) in [0, 1]."""
    height, width = image_shape
    reduction = max(1.0, min(height, width) / SHADE_SIDE_PX)
    small_height, small_width = max(1, round(height / reduction)), max(1, round(width / reduction))
    side = min(small_height, small_width)
    mask = np.zeros((small_height, small_width), np.float32)
    centres = generator.uniform((0.0, 0.0), (small_width, small_height), (NUM_ELLIPSES, 2))
    axes = generator.uniform(*SHADE_AXIS, (NUM_ELLIPSES, 2)) * side
    angles_deg = generator.uniform(0.0, 180.0, NUM_ELLIPSES)
    shift = 4  # cv2.ellipse takes sixteenths of a pixel
    fixed_centres, fixed_axes = (np.rint(values * (1 << shift)).astype(int).tolist() for values in (centres, axes))
    for centre, axis, angle in zip(fixed_centres, fixed_axes, angles_deg.tolist(), strict=True):
        cv2.ellipse(mask, centre, axis, angle, 0, 360, (1.0,), thickness=-1, shift=shift)
    sigma = generator.uniform(*SHADE_BLUR) * side
    blurred = cv2.GaussianBlur(mask, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    return cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR)
