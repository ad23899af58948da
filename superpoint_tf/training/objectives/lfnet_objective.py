"""LF-Net: two views of one network, of which one learns at a time, and each term trains its own part alone."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.config import Config
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.detection.scale_space import CROP_PX, ScaleSpace, scale_space
from superpoint_tf.geometry.cells import nearest_pixels
from superpoint_tf.geometry.grids import carry_frames, frame_grid, frames_towards
from superpoint_tf.geometry.homography import invert_homographies
from superpoint_tf.geometry.masks import warp_valid_mask
from superpoint_tf.geometry.sample import sample
from superpoint_tf.geometry.soft_argmax import soft_argmax_about
from superpoint_tf.losses import lfnet_losses
from superpoint_tf.losses.loss_randomness import PARTNERS, SWAPS, sample_uniforms
from superpoint_tf.networks.superpoint import normalize_descriptors
from superpoint_tf.training.objectives.objective import LossTerm

_WINDOW_RADIUS_PX = 4  # of the soft-argmax: 9 x 9 pixels
_TINY = 1e-20  # under a logarithm
_CROP_SIDE_PX = 32


class _View(NamedTuple):
    """What the network says of one view of each pair."""

    images: tf.Tensor  # (B, H, W, 1)
    mask: tf.Tensor  # bool (B, H, W)
    space: ScaleSpace
    directions: tf.Tensor  # (B, H, W, 2)
    to_other: tf.Tensor  # (B, 3, 3)


class _Keypoints(NamedTuple):
    """Keypoints of the view that learns, and what is true of them in the other."""

    frames: tf.Tensor  # (B, N, 2, 3), their crops in their own view
    true: tf.Tensor  # (B, N, 2, 3), the same carried to the other view
    counted: tf.Tensor  # bool (B, N): a local maximum that both views show


class LfnetObjective:
    """Train LF-Net on pairs of views; both directions, each with the other view's outputs as constants.

    `image`, `pair`, `ori` and `scale` train the detector, `desc` the descriptor. A term of weight 0 is not computed.
    """

    def __init__(self, config: Config) -> None:
        self._section = section = config.lfnet
        weights = {
            "image": section.image_weight,
            "pair": section.pair_weight,
            "ori": section.orientation_weight,
            "scale": section.scale_weight,
            "desc": section.descriptor_weight,
        }
        self._weights = {name: weight for name, weight in weights.items() if weight}
        self.term_names: tuple[str, ...] = tuple(self._weights)

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        """Return visible pixels for the image term, and for the others how many keypoints are asked for.

        How many of these both views show depends on the network: the sums of the other terms are means over these,
        times how many are asked for.
        """
        visible = tf.add_n([_count(self._visible(batch, view)) for view in (0, 1)])
        pairs = tf.cast(tf.shape(batch["homography_0to1"])[0], tf.float32)
        keypoints = 2.0 * self._section.num_keypoints * pairs
        return {name: visible if name == "image" else keypoints for name in self.term_names}

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        views = self._look(model, batch)
        sums = [self._direction(model, batch, *order) for order in ((views[0], views[1], 0), (views[1], views[0], 1))]
        return {name: LossTerm(sums[0][name] + sums[1][name], weight) for name, weight in self._weights.items()}

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        if not any(bool(tf.reduce_any(self._visible(batch, view))) for view in (0, 1)):
            return "no pair of this batch shows anything in both views: narrow the ranges of photographs.homography"
        return ""

    def _look(self, model: tf.keras.Model, batch: TensorBatch) -> list[_View]:
        # One forward pass for both views: batch normalisation then sees one set of statistics.
        images = tf.concat([batch["images0"], batch["images1"]], axis=0)
        outputs = model.get_layer("detector")(images, training=True)
        heatmaps, log_scales = (tf.split(part, 2) for part in scale_space(outputs["scores"]))
        spaces, directions = list(map(ScaleSpace, heatmaps, log_scales)), tf.split(outputs["directions"], 2)
        return [
            _View(batch[f"images{view}"], batch[f"mask{view}"], spaces[view], directions[view], _to_other(batch, view))
            for view in (0, 1)
        ]

    def _visible(self, batch: TensorBatch, view: int) -> tf.Tensor:
        """Return which pixels of a view the other shows too, bool (B, H, W)."""
        shape = (int(batch["images0"].shape[1]), int(batch["images0"].shape[2]))
        return batch[f"mask{view}"] & warp_valid_mask(_to_other(batch, 1 - view), shape, shape, erosion_px=1)

    def _direction(
        self, model: tf.keras.Model, batch: TensorBatch, own: _View, other: _View, view: int
    ) -> dict[str, tf.Tensor]:
        """Return the terms by which `own` learns."""
        visible, sums = self._visible(batch, view), {}
        if "image" in self._weights:
            arguments = own.space.heatmap, tf.stop_gradient(other.space.heatmap), other.to_other
            sums["image"] = lfnet_losses.image_loss(*arguments, self._section.num_keypoints, visible)
        keypoints = self._keypoints(own, other, visible)
        found = tf.stop_gradient(_frames_at(other, keypoints.true[..., 2]))
        counted = keypoints.counted
        true_towards, towards = (normalize_descriptors(each[..., 0]) for each in (keypoints.true, found))
        if "ori" in self._weights:
            sums["ori"] = lfnet_losses.orientation_loss(true_towards, towards, counted)
        if "scale" in self._weights:
            sums["scale"] = lfnet_losses.scale_loss(_half_sides(keypoints.true), _half_sides(found), counted)
        if "pair" in self._weights or "desc" in self._weights:
            sums |= self._descriptor_terms(model, batch, own, other, keypoints, found, view)
        asked = tf.cast(tf.size(counted), tf.float32) / tf.maximum(_count(counted), 1.0)
        return {name: sums[name] * (1.0 if name == "image" else asked) for name in self._weights}

    def _keypoints(self, own: _View, other: _View, visible: tf.Tensor) -> _Keypoints:
        heatmap = own.space.heatmap
        pixels, present = lfnet_losses.strongest_pixels(tf.stop_gradient(heatmap), self._section.num_keypoints, visible)
        # exp(log p) are the weights: the centre of mass of what the window finds probable
        places = soft_argmax_about(tf.math.log(heatmap + _TINY), pixels, _WINDOW_RADIUS_PX, 1.0)
        frames = _frames_at(own, places)
        true = carry_frames(frames, own.to_other)
        shape = (int(other.mask.shape[1]), int(other.mask.shape[2]))
        at, inside = nearest_pixels(true[..., 2], shape)
        shown = inside & tf.gather_nd(other.mask, at[..., ::-1], batch_dims=1)
        counted = present & shown & tf.reduce_all(tf.math.is_finite(true), axis=(-2, -1))
        anywhere = tf.constant([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])  # NaN has no gradient to ignore
        return _Keypoints(frames, tf.where(counted[..., tf.newaxis, tf.newaxis], true, anywhere), counted)

    def _descriptor_terms(
        self,
        model: tf.keras.Model,
        batch: TensorBatch,
        own: _View,
        other: _View,
        keypoints: _Keypoints,
        found: tf.Tensor,
        view: int,
    ) -> dict[str, tf.Tensor]:
        """Return the pair term, which moves crops alone, and the triplet term, which trains the descriptor alone."""
        describe = model.get_layer("descriptor")
        counted = tf.reshape(keypoints.counted, [-1])
        fixed = _crops(own.images, tf.stop_gradient(keypoints.frames)), _crops(other.images, found)
        vectors0, vectors1 = tf.split(describe(tf.concat(fixed, 0), training=True), 2)
        sums = {}
        if "desc" in self._weights:
            drawn = self._drawn(batch, view)
            negatives, hardest = self._negatives(keypoints), tf.repeat(batch["hardest"], keypoints.counted.shape[1])
            arguments = negatives, hardest, drawn, self._section.margin
            sums["desc"] = lfnet_losses.triplet_loss(vectors0, vectors1, *arguments)
        if "pair" in self._weights:
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                frames = tf.stop_gradient(keypoints.frames)
                tape.watch(frames)
                crops = tf.concat([_crops(own.images, frames), fixed[1]], 0)
                seen, frozen = tf.split(describe(crops, training=False), 2)
                cost = lfnet_losses.pair_loss(seen, tf.stop_gradient(frozen), counted)
            slope = tf.stop_gradient(tape.gradient(cost, frames))
            # the value of the cost, and its gradient in the crops' frames but not in the descriptor's weights
            moved = tf.reduce_sum(slope * keypoints.frames)
            sums["pair"] = tf.stop_gradient(cost - moved) + moved
        return sums

    def _negatives(self, keypoints: _Keypoints) -> tf.Tensor:
        """Tell which pairs are negatives, bool (B N, B N): of one picture, farther apart than the radius."""
        places, counted = keypoints.true[..., 2], keypoints.counted
        steps = tf.reduce_sum(tf.square(places[:, :, tf.newaxis] - places[:, tf.newaxis]), axis=-1)
        far = (steps > self._section.radius_px**2) & counted[:, :, tf.newaxis] & counted[:, tf.newaxis]
        batch, count = counted.shape
        same = tf.eye(batch) > 0.0
        whole = far[:, :, tf.newaxis] & same[:, tf.newaxis, :, tf.newaxis]
        return tf.reshape(whole, (batch * count, batch * count))

    def _drawn(self, batch: TensorBatch, view: int) -> tf.Tensor:
        purpose = PARTNERS if view == 0 else SWAPS
        return tf.reshape(sample_uniforms(batch["loss_seeds"], purpose, self._section.num_keypoints), [-1])


def _to_other(batch: TensorBatch, view: int) -> tf.Tensor:
    forward = batch["homography_0to1"]
    return forward if view == 0 else tf.cast(invert_homographies(tf.cast(forward, tf.float64)), tf.float32)


def _frames_at(view: _View, places: tf.Tensor) -> tf.Tensor:
    """Return the frames of the crops (B, N, 2, 3) that the network's maps give at places xy (B, N, 2)."""
    maps = tf.concat([view.directions, view.space.log_scales[..., tf.newaxis]], axis=-1)
    read = sample(maps, places)
    return frames_towards(places, CROP_PX / 2 * tf.exp(read[..., 2]), normalize_descriptors(read[..., :2]))


def _half_sides(frames: tf.Tensor) -> tf.Tensor:
    """Return half the sides of frames (B, N, 2, 3): roots of their areas."""
    arms = frames[..., :2]
    area = tf.abs(arms[..., 0, 0] * arms[..., 1, 1] - arms[..., 0, 1] * arms[..., 1, 0])
    return tf.sqrt(tf.maximum(area, 1e-12))


def _crops(images: tf.Tensor, frames: tf.Tensor) -> tf.Tensor:
    """Read crops (B N, 32, 32, 1) of images (B, H, W, 1) at frames (B, N, 2, 3); gradients reach the frames."""
    crops = sample(images, frame_grid(frames, _CROP_SIDE_PX))
    return tf.reshape(crops, (-1, _CROP_SIDE_PX, _CROP_SIDE_PX, 1))


def _count(mask: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.cast(mask, tf.float32))
