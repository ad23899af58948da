"""Homographic adaptation of one image: the detector's answer averaged over many random homographies."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.config import AdaptationSection, HomographyConfig
from superpoint_tf.data.random_streams import WARP_WORDS, photograph_words
from superpoint_tf.detection.maps import logits_to_heatmap, look_at
from superpoint_tf.geometry.homography import invert_homographies, sample_homographies
from superpoint_tf.geometry.masks import compute_warp_weights
from superpoint_tf.geometry.warp import warp_images
from superpoint_tf.runtime.quiet import start_xla


class Aggregate(NamedTuple):
    """What many warps of one image agree on."""

    heatmap: tf.Tensor  # float32 (H, W), probability; 0 where no warp counted
    count: tf.Tensor  # float32 (H, W), number of warps that counted at a pixel


class Adapter:
    """Aggregate a detector's heatmaps over homographies of one image (paper section 5, equation 10).

    One compiled graph an image shape. It reads the model's variables each time it runs, so newly assigned weights are
    used without tracing again. Only warps of one image share a tensor, in the same chunks every time (the last one is
    shorter if `chunk_size` does not divide `num_homographies`), so the same image, seed and weights give the same bits.
    Memory depends on `chunk_size` and not on `num_homographies`. Calls may overlap in several threads.
    """

    def __init__(self, model: tf.keras.Model, config: AdaptationSection) -> None:
        self._model = model
        self._config = config
        start_xla()
        self._aggregate = tf.function(self._aggregate_homographies, autograph=False)

    def __call__(self, image: tf.Tensor, seed: tf.Tensor) -> Aggregate:
        """Return heatmap and count, float32 (H, W), of an image float32 (H, W) or (1, H, W, 1) in [0, 1].

        seed is int64 (2,), as of `image_seed`. Homography number k is a pure function of (seed, k); number 0 is the
        identity. Raises ValueError for an image that is not float or holds more than one picture.
        """
        image = tf.convert_to_tensor(image)
        if not image.dtype.is_floating:
            raise ValueError(f"image has dtype {image.dtype.name}; give grey levels as float32 in [0, 1]")
        shape = image.shape.as_list()
        if len(shape) == 4 and (shape[0], shape[3]) == (1, 1):
            image = image[0, :, :, 0]
        elif len(shape) != 2:
            raise ValueError(f"image has shape {tuple(shape)}; give one picture, (H, W) or (1, H, W, 1)")
        return Aggregate(*self._aggregate(tf.cast(image, tf.float32), tf.cast(seed, tf.int64)))

    @property
    def num_traces(self) -> int:
        """Count the compiled graphs: one for each image shape seen."""
        return int(self._aggregate.experimental_get_tracing_count())

    def _aggregate_homographies(self, image: tf.Tensor, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Loop over chunks of homographies with (H, W) accumulators; traced once for an image shape."""
        num, chunk_size = self._config.num_homographies, self._config.chunk_size
        use_max = self._config.aggregation == "max"

        def add_chunk(start: tf.Tensor, total: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            numbers = tf.range(start, tf.minimum(start + chunk_size, num))
            heatmaps, weights = self._detect_warped(image, seed, numbers)
            weighted = heatmaps * weights
            if use_max:
                total = tf.maximum(total, tf.reduce_max(weighted, axis=0))
            else:
                total = total + tf.reduce_sum(weighted, axis=0)
            return start + chunk_size, total, count + tf.reduce_sum(weights, axis=0)

        zeros = tf.zeros(image.shape)
        _, total, count = tf.while_loop(
            lambda start, *_: start < num,
            add_chunk,
            (tf.constant(0), zeros, zeros),
            parallel_iterations=1,  # two chunks in flight would double the memory
        )
        return (total if use_max else tf.math.divide_no_nan(total, count)), count

    def _detect_warped(self, image: tf.Tensor, seed: tf.Tensor, numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Return heatmaps of warps `numbers`, brought back to the image's frame, and their weights; (B, H, W) each."""
        height, width = image.shape.as_list()
        homographies = _numbered_homographies(seed, numbers, (height, width), self._config.homography)
        inverses = invert_homographies(homographies)
        images = tf.tile(image[tf.newaxis, :, :, tf.newaxis], [tf.size(numbers), 1, 1, 1])
        heatmaps = self._detect(tf.ensure_shape(warp_images(images, homographies), (None, height, width, 1)))
        back = warp_images(heatmaps[..., tf.newaxis], inverses)[..., 0]
        return back, compute_warp_weights(homographies, inverses, (height, width), self._config.erosion_px)

    def _detect(self, images: tf.Tensor) -> tf.Tensor:
        """Return the heatmaps (B, H, W) of images (B, H, W, 1), seen at the configured scales and phases."""

        def forward(seen: tf.Tensor) -> tuple[tf.Tensor]:
            logits = self._model(seen, training=False)["logits"]
            return (logits_to_heatmap(logits, seen.shape.as_list()[1:3]),)

        heatmaps, _ = look_at(images, self._config.detection, forward)
        shape = images.shape.as_list()[1:3]
        if heatmaps.shape.as_list()[1:3] == shape:
            return heatmaps
        return tf.image.resize(heatmaps[..., tf.newaxis], shape)[..., 0]  # bilinear, by the half-pixel rule


def _numbered_homographies(
    seed: tf.Tensor, numbers: tf.Tensor, image_shape: tuple[int, int], config: HomographyConfig
) -> tf.Tensor:
    """Return homographies (B, 3, 3) of the given numbers (B,); number 0 is exactly the identity."""
    # the fold-in of tf.random.experimental.stateless_fold_in, for all numbers at once and with a fixed algorithm
    drawn = tf.random.stateless_uniform([], seed, minval=None, maxval=None, dtype=tf.int64, alg="philox")
    root = WARP_WORDS.first + tf.bitwise.bitwise_and(drawn, tf.constant(WARP_WORDS.size - 1, tf.int64))
    seeds = tf.stack([tf.broadcast_to(root, tf.shape(numbers)), tf.cast(numbers, tf.int64)], axis=1)
    sampled = sample_homographies(seeds, image_shape, config)
    return tf.where((numbers == 0)[:, tf.newaxis, tf.newaxis], tf.eye(3), sampled)


def image_seed(seed: int, sha256: str) -> tf.Tensor:
    """Return the stateless seed int64 (2,) of a photograph: of its content, so that no order or share matters."""
    return tf.constant(photograph_words(seed, sha256), tf.int64)
