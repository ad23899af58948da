"""Systems of whole pictures as people use them: an image in, keypoints with descriptors out, two sets matched."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from superpoint_tf.config import DetectionConfig
from superpoint_tf.config.inference import FLOAT32
from superpoint_tf.config.scales_and_phases import ONE_PHASE, ONE_SCALE, check_scales
from superpoint_tf.detection.keypoints import detect_keypoints, scale_keypoints
from superpoint_tf.detection.maps import Level, look_at, sample_descriptors
from superpoint_tf.detection.score_maps import SCORE_MAPS, Maps, spec_of
from superpoint_tf.detection.suppression import suppress_keypoints
from superpoint_tf.features import Features
from superpoint_tf.features.matching import match_descriptors
from superpoint_tf.models.crop_describer import CropDescriber
from superpoint_tf.models.images import BATCH_PIXELS, Placed, groups_of_one_shape, prepare_image, prepare_mask
from superpoint_tf.models.inference import CompiledInference
from superpoint_tf.models.onnx_inference import OnnxInference
from superpoint_tf.models.precision import load_for_inference
from superpoint_tf.networks.superpoint import named_variables, normalize_descriptors
from superpoint_tf.networks.weights import title_of
from superpoint_tf.runtime.invocation import how_to_run
from superpoint_tf.runtime.memory import PictureTooLarge, check_memory, too_large
from superpoint_tf.systems import CropSpec

TENSORFLOW, ONNX = "tensorflow", "onnx"
BACKENDS: dict[str, type[CompiledInference] | type[OnnxInference]] = {
    TENSORFLOW: CompiledInference,
    ONNX: OnnxInference,
}
ALL_KEYPOINTS = DetectionConfig(max_keypoints=None)


class BatchFeatures(NamedTuple):
    """What a batch of pictures gave; nobody's trouble is another's."""

    features: list[Features]  # one a picture, in order; empty arrays of the usual shapes for one that was left out
    left_out: dict[int, str]  # why, by its place in the batch


class DenseModel:
    """A trained network, used on single pictures or batches; a detector alone (MagicPoint) gives no descriptors.

    Its public name is `SuperPoint`, of the first system that it ran; `SYSTEMS` names all that it runs.
    """

    def __init__(self, network: tf.keras.Model, name: str = "", backend: str = TENSORFLOW) -> None:
        """Wrap a network; `name` is that of its weights, for `repr`, and `backend` runs it, `tensorflow` or `onnx`."""
        self.network, self.spec, self._name = network, spec_of(network), name
        self.score_map = SCORE_MAPS[self.spec.score_map]
        self.with_descriptor = "descriptors" in network.output
        self._maps_of, self._crops = network, None  # a system in parts detects with one, and describes with others
        if isinstance(self.spec, CropSpec):
            self._maps_of, self._crops = network.get_layer("detector"), CropDescriber(network, self.spec)
        self._first_channels = _first_channels(network)
        self._on_gpu = bool(tf.config.list_physical_devices("GPU"))
        inference = _inference_by(backend)
        self._forward = inference(self._predict, tf.TensorSpec((None, None, None, 1), tf.float32))
        maps, points = tf.TensorSpec((None, None, None, None), tf.float32), tf.TensorSpec((None, 2), tf.float32)
        signature = [maps, tf.TensorSpec((), tf.int32), points]
        self._sample = tf.function(self._read_descriptors, input_signature=signature, autograph=False)

    @classmethod
    def from_pretrained(cls, path: str | Path, precision: str = FLOAT32, backend: str = TENSORFLOW) -> DenseModel:
        """Load weights that come with the package by their name, a weights file, a run folder or a checkpoint.

        `precision` is `float32`, `mixed_bfloat16` or `auto`, which measures both and takes bfloat16 where it is faster
        (`load_for_inference`). `backend` `onnx` runs forward passes in onnxruntime, in float32, where the extra
        `export` is installed. Raises WeightsError naming the path if nothing is there or the file does not fit,
        ValueError for another precision or backend or two that do not go together, ImportError without the extra.
        """
        if backend == ONNX and precision != FLOAT32:
            raise ValueError(f"backend {backend!r} computes in {FLOAT32}, not in {precision}; leave out one of the two")
        return cls(load_for_inference(path, precision).network, str(path), backend)

    def __repr__(self) -> str:
        gives = f"descriptors of {self._dimension} numbers" if self.with_descriptor else "a detector alone"
        finds = "" if self.spec.score_map else ", no keypoints of its own"
        what = f"{title_of(self._name, self.network.name)}, {self.network.count_params():,} weights"
        return f"SuperPoint({what}, {gives}{finds})"

    @property
    def _dimension(self) -> int:
        return int(self.network.output["descriptors"].shape[-1]) if self.with_descriptor else 0

    def _predict(self, images: tf.Tensor) -> Maps:
        shape = tf.shape(images)
        return self.score_map.maps(self._maps_of(images, training=False), (shape[1], shape[2]), self.spec)

    def _read_descriptors(self, maps: tf.Tensor, place: tf.Tensor, keypoints: tf.Tensor) -> tf.Tensor:
        return sample_descriptors(maps[place], keypoints, self.spec.stride, self.spec.first_px)

    def _prepare(self, image: Any, detection: DetectionConfig) -> tf.Tensor:
        """Do `prepare_image`; raises PictureTooLarge where the network has no memory for the largest scale."""
        shape = np.shape(image)
        if len(shape) > 1 and not self._on_gpu:  # there the allocator says no by itself
            kept = len(detection.scales) * (detection.phases - 1) + 1  # as if all were as large as the largest scale
            check_memory(shape, self._first_channels, max(detection.scales), kept)
        return prepare_image(image)

    def heatmap(self, image: Any, scales: Sequence[float] = ONE_SCALE, phases: int = ONE_PHASE) -> np.ndarray:
        """Return the probability of a keypoint at every pixel, float32 (H, W); of the image at the largest scale."""
        detection = DetectionConfig(scales=check_scales(scales), phases=phases)
        heatmap: np.ndarray = self._look(self._prepare(image, detection)[None], detection)[0][0]
        return heatmap

    def extract(
        self, image: Any, detection: DetectionConfig = ALL_KEYPOINTS, mask: Any = None, **changes: Any
    ) -> Features:
        """Detect and describe keypoints in one image, strongest first.

        `image` is (H, W), (H, W, 1) or colour (H, W, 3) in RGB order, uint8, uint16 or float in [0, 1], NumPy or
        tensor, of any size. `changes` are settings of `detection` by name, `extract(image, max_keypoints=1000)`. Keeps
        the `max_keypoints` strongest (None, unless it is given: all) of probability `threshold` or more (also called
        `detection_threshold`), suppresses others within `nms_radius_px` (square), then drops those nearer than
        `border_px` to the frame. With `subpixel` keypoints move to the soft-argmax of the 7x7 pixels around them. At
        several `scales` the image is resized to each; heatmaps are combined by their geometric mean at the largest,
        descriptors are added. With `phases` 2, 4 or 16 the network sees it that many times at each scale, moved by
        parts of its cell of 8 pixels, at that many times the cost; they are combined likewise, and where in its cell a
        corner lies matters less. D2-Net, ASLFeat and DELF join the peaks of all looks instead (`SCORE_MAPS`) and refine
        within 3x3 pixels; DELF's scales find and describe keypoints each by itself. Of a `mask` (H, W), uint8 or bool,
        no keypoint lies on a pixel that is 0; the network sees the whole picture, and the budget counts what is left.

        Returns keypoints float32 (N, 2) xy in pixels of the image given, scores (N,), and unit descriptors (N, D), or
        None from a detector alone; N is 0 where there is no texture. Raises ValueError for other input, a picture that
        does not fit into the memory (PictureTooLarge), or a setting out of its range; TypeError for an unknown one.
        """
        detection = choose_detection(detection, changes)
        usable = None if image is None else prepare_mask(mask, np.shape(image))
        return self._features(self._prepare(image, detection)[None], detection, [usable])[0]

    def extract_batch(
        self,
        images: Iterable[Any],
        detection: DetectionConfig = ALL_KEYPOINTS,
        masks: Iterable[Any] | None = None,
        **changes: Any,
    ) -> BatchFeatures:
        """Do `extract` for several images: an array (B, H, W) or (B, H, W, C), or any sequence, of any sizes.

        Images of one size go through the network together; the arithmetic of a batch may differ from that of one
        image in the last bits. One that cannot be used is left out and named with the reason, the others go on. Of an
        iterator a few images are held at a time, however many it gives. `masks` are one an image, None for one that may
        be used as a whole; raises ValueError for another number of them.
        """
        detection = choose_detection(detection, changes)
        left_out, found = dict[int, str](), dict[int, Features]()
        prepare = functools.partial(self._prepare, detection=detection)
        batch_pixels = BATCH_PIXELS / max(1.0, *detection.scales) ** 2 / detection.phases  # each phase keeps its maps
        masked = zip(images, itertools.repeat(None)) if masks is None else _with_masks(images, masks)
        for group in groups_of_one_shape(masked, prepare, left_out, batch_pixels):
            found.update(self._group_features(group, left_out, detection))
        empty = self._empty()
        return BatchFeatures([found.get(place, empty) for place in range(len(found) + len(left_out))], left_out)

    def describe(
        self, image: Any, keypoints: Any, scales: Sequence[float] = ONE_SCALE, phases: int = ONE_PHASE
    ) -> np.ndarray:
        """Return unit descriptors float32 (N, D) of one image at given keypoints (N, 2), xy in pixels.

        Raises ValueError for an image that `extract` would refuse, keypoints of another shape, or a detector alone.
        """
        if not self.with_descriptor:
            raise ValueError("a detector alone cannot describe; load weights of a joint model")
        points = np.asarray(keypoints, np.float32)
        if points.size == 0:
            points = points.reshape(0, 2)
        if points.ndim != 2 or points.shape[1] != 2 or not np.isfinite(points).all():
            raise ValueError(f"keypoints have shape {points.shape} or are not finite; expected (N, 2), xy in pixels")
        detection = DetectionConfig(scales=check_scales(scales), phases=phases)
        tensor = self._prepare(image, detection)
        levels = self._look(tensor[None], detection)[1]
        scores = np.zeros(len(points), np.float32)
        descriptors = self._described(tensor[None], levels, 0, Features(points, scores)).descriptors
        assert descriptors is not None
        return descriptors

    def _look(self, images: tf.Tensor, detection: DetectionConfig) -> tuple[np.ndarray, list[Level]]:
        """Return the heatmaps (B, h, w) of images of one shape, and the looks, of a joint model with descriptors.

        Raises PictureTooLarge if the memory runs out.
        """
        try:
            heatmaps, levels = look_at(images, detection, self._forward, self.score_map.combine)
            return heatmaps.numpy(), levels
        except tf.errors.ResourceExhaustedError as error:
            raise too_large(tuple(images.shape[1:3]), "the network ran out of it") from error

    def _describe(
        self, levels: Sequence[Level], place: int, keypoints: np.ndarray, image_shape: Sequence[int]
    ) -> np.ndarray:
        """Return the sum of the descriptors of all looks at the image in a place of the batch, unit vectors (N, D)."""
        found = []
        for level in levels:
            own = scale_keypoints(keypoints, image_shape, level.image_shape) + np.array(level.offset)
            found.append(self._sample(level.others[0], place, own.astype(np.float32)))
        descriptors: np.ndarray = (found[0] if len(found) == 1 else normalize_descriptors(tf.add_n(found))).numpy()
        return descriptors

    def _features(
        self, images: tf.Tensor, detection: DetectionConfig, masks: Sequence[np.ndarray | None]
    ) -> list[Features]:
        if self.score_map.scales_apart and len(detection.scales) > 1:
            return self._features_apart(images, detection, masks)
        heatmaps, levels = self._look(images, detection)
        shape = tuple(images.shape[1:3])
        features = []
        for place, (heatmap, mask) in enumerate(zip(heatmaps, masks, strict=True)):
            found = Features(*detect_keypoints(heatmap, detection, shape, self.score_map.window_px, mask))
            features.append(self._described(images, levels, place, found))
        return features

    def _described(self, images: tf.Tensor, levels: Sequence[Level], place: int, found: Features) -> Features:
        """Return keypoints of the image in a place of the batch with all else that the network says of them."""
        shape = tuple(images.shape[1:3])
        found = found._replace(**read_frames(levels, place, found.keypoints, shape))
        if self._crops is not None:
            return self._crops.describe(images[place, ..., 0].numpy(), found)
        if self.with_descriptor:
            found = found._replace(descriptors=self._describe(levels, place, found.keypoints, shape))
        return found

    def _features_apart(
        self, images: tf.Tensor, detection: DetectionConfig, masks: Sequence[np.ndarray | None]
    ) -> list[Features]:
        """Return what each scale finds and describes by itself, suppressed and cut together."""
        by_scale = []
        for scale in detection.scales:
            radius_px = math.ceil(1 / scale)  # a pixel that it sees
            own = dataclasses.replace(detection, scales=(scale,), max_keypoints=None, nms_radius_px=radius_px)
            by_scale.append(self._features(images, own, masks))
        joined = [join_features(found) for found in zip(*by_scale, strict=True)]
        kept = [suppress_keypoints(f.keypoints, f.scores, detection.nms_radius_px) for f in joined]
        return [f.take(rows).take(slice(detection.max_keypoints)) for f, rows in zip(joined, kept, strict=True)]

    def _group_features(
        self, group: list[Placed], left_out: dict[int, str], detection: DetectionConfig
    ) -> dict[int, Features]:
        """Return the features of a group by place, one image after the other if the memory does not hold them all."""
        images = tf.stack([one.image for one in group])
        try:
            features = self._features(images, detection, [one.mask for one in group])
        except PictureTooLarge as error:
            if len(group) > 1:
                alone = [self._group_features([one], left_out, detection) for one in group]
                return {place: found for part in alone for place, found in part.items()}
            left_out[group[0].place] = str(error)
            return {}
        return dict(zip((one.place for one in group), features, strict=True))

    def _empty(self) -> Features:
        keypoints, scores = np.zeros((0, 2), np.float32), np.zeros(0, np.float32)
        descriptors = np.zeros((0, self._dimension), np.float32) if self.with_descriptor else None
        return Features(keypoints, scores, descriptors)

    def match(
        self, features0: Features, features1: Features, ratio: float | None = None, max_distance: float | None = None
    ) -> np.ndarray:
        """Match two images' descriptors by mutual nearest neighbour; return index pairs (M, 2)."""
        if features0.descriptors is None or features1.descriptors is None:
            raise ValueError("a detector alone has no descriptors to match; load weights of a joint model")
        return match_descriptors(features0.descriptors, features1.descriptors, ratio, max_distance)


SuperPoint = DenseModel


def _inference_by(backend: str) -> type[CompiledInference] | type[OnnxInference]:
    if backend not in BACKENDS:
        raise ValueError(f"backend {backend!r}: expected {' or '.join(BACKENDS)}")
    return BACKENDS[backend]


def check_detects(model: DenseModel, source: str) -> None:
    """Raise ValueError, beginning with `source`, for a system that describes every place and finds no keypoints."""
    if not model.spec.score_map:
        raise ValueError(
            f"{source}: {model.network.name} describes every place and finds no keypoints: measure it by "
            f"`{how_to_run('evaluate')} pck`, or give keypoints of your own to SuperPoint.describe"
        )


def _with_masks(images: Iterable[Any], masks: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    nothing = object()
    for pair in itertools.zip_longest(images, masks, fillvalue=nothing):
        if any(each is nothing for each in pair):
            raise ValueError("another number of masks than of images; give one each, None for a whole image")
        yield pair


def join_features(found: Sequence[Features]) -> Features:
    """Return the features of several looks at one picture together; all have the same fields."""
    joined: list[Any] = [None if parts[0] is None else np.concatenate(parts) for parts in zip(*found, strict=True)]
    return Features(*joined)


def read_frames(
    levels: Sequence[Level], place: int, keypoints: np.ndarray, image_shape: Sequence[int]
) -> dict[str, np.ndarray]:
    """Return sizes and angles of keypoints (N, 2) where a system's maps have them: those of the look nearest to 1:1."""
    level = min(levels, key=lambda each: abs(math.log(each.image_shape[0] / image_shape[0])))
    factor = image_shape[0] / level.image_shape[0]
    own = scale_keypoints(keypoints, image_shape, level.image_shape) + np.array(level.offset)
    _, sizes, angles = level.others
    found = {}
    if sizes is not None:
        found["sizes"] = factor * _at_pixels(sizes[place], own)
    if angles is not None:
        found["angles_deg"] = np.rad2deg(_at_pixels(angles[place], own)) % 360.0
    return {name: values.astype(np.float32) for name, values in found.items()}


def _at_pixels(values: tf.Tensor, points: np.ndarray) -> np.ndarray:
    """Read a map (H, W) at the pixels nearest to points (N, 2)."""
    array = np.asarray(values)
    x, y = np.clip(np.floor(points + 0.5).astype(int), 0, np.array(array.shape[::-1]) - 1).T
    return array[y, x]


def _first_channels(network: tf.keras.Model) -> int:
    """Return how many channels the first convolution has: its maps, of the picture's size, are what memory goes to."""
    variables = named_variables(network)
    return next((int(variable.shape[-1]) for name, variable in variables.items() if name.endswith("kernel")), 1)


def choose_detection(detection: DetectionConfig, changes: Mapping[str, Any]) -> DetectionConfig:
    """Return `detection` with settings changed by name, as `SuperPoint.extract` takes them; TypeError for others."""
    if not isinstance(detection, DetectionConfig):
        raise TypeError(f"detection: {detection!r}; give a DetectionConfig, or settings by name, max_keypoints=1000")
    known = [field.name for field in dataclasses.fields(DetectionConfig)]
    wanted = dict(changes)
    if "detection_threshold" in wanted:
        if "threshold" in wanted:
            raise TypeError("detection_threshold: is threshold, which is given too; leave out one")
        wanted["threshold"] = wanted.pop("detection_threshold")
    if unknown := wanted.keys() - known:
        raise TypeError(f"{', '.join(sorted(unknown))}: no setting of detection; there are {', '.join(known)}")
    return dataclasses.replace(detection, **wanted)
