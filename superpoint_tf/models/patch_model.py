"""A patch network as people use it: patches in, vectors or scores out; keypoints of any detector, described."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.features import NO_ANGLE, Features
from superpoint_tf.geometry.patches import build_levels, cut_patches, keypoint_frames, resize_patches
from superpoint_tf.models.images import prepare_image
from superpoint_tf.models.inference import with_few_counts
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import Weights, WeightsError, assign_weights, load_weights, title_of
from superpoint_tf.systems import CLASSES, COSTS, MAPS, SCORES, SYSTEMS, PatchSpec

SUPPORT = 6.0  # side of a keypoint's patch in its diameters, as `patches.support` of the training has it
DEFAULT_SIDE_PX = 32.0  # of the patch of a keypoint without a size, as `patches.half_side_px` has it
_BATCH = 512  # patches, or pairs of them, that are cut and seen at a time
_OTHERS = {  # what systems do that do not see patches, and what to use
    MAPS: "describes pictures; use SuperPoint, or name",
    COSTS: "describes pictures; use StereoModel, or name",
    CLASSES: "tells digits apart; name",
}

Forward = Callable[..., tf.Tensor]


class PatchModel:
    """A trained network of patches; a row of the table of systems says whether it gives vectors or scores.

    A system of scores that looks at each patch by itself first (MatchNet, the siamese ones) is used in two steps: each
    patch is described once, and `compare_vectors` scores pairs. One that sees both together has `compare` alone.
    """

    def __init__(self, network: tf.keras.Model, system: str, name: str = "") -> None:
        """Wrap a network of a system; `name` is that of its weights, for `repr`. Raises ValueError for another kind."""
        spec = SYSTEMS[system].network
        if not isinstance(spec, PatchSpec):
            raise ValueError(f"{system} describes pictures; use SuperPoint")
        self.network, self.system, self._name = network, system, name
        self.gives = SYSTEMS[system].gives
        self.side_px = spec.side_px
        self.binary = spec.binary and self.gives != SCORES
        self._branches, self._pair, self.dimension = _parts(network, spec)  # numbers that describe a patch

    @classmethod
    def from_pretrained(cls, path: str | Path) -> PatchModel:
        """Load a weights file, a run folder, a checkpoint, or weights that come with the package by their name.

        Raises WeightsError naming the path if nothing is there, or if it is of another kind of network.
        """
        return load_patch_model(path)[0]

    def __repr__(self) -> str:
        gives = "scores of pairs" if self.gives == SCORES else f"vectors of {self.dimension} numbers"
        sees = f"patches of {self.side_px}x{self.side_px} pixels"
        what = f"{title_of(self._name, self.system)}, {self.network.count_params():,} weights"
        return f"PatchModel({what}, {sees}, {gives})"

    @property
    def describes(self) -> bool:
        """Whether a patch can be described by itself."""
        return bool(self._branches)

    @property
    def untied(self) -> bool:
        """Whether the two patches of a pair are described by different branches."""
        return len(self._branches) > 1

    def describe_patches(self, patches: Any, view: int = 0) -> np.ndarray:
        """Return the vectors float32 (N, D) of patches (N, h, w) or (N, h, w, 1), which are resized to `side_px`.

        Patches are uint8 or float in [0, 1]. `view` 1 is for a system whose two branches differ, where it describes the
        second patch of a pair. Vectors of a system of scores are for `compare_vectors`, they have no distance. Raises
        ValueError for other patches, or a system that sees two at a time.
        """
        if not self._branches:
            raise ValueError(f"{self.system} sees two patches together and describes none by itself; use compare")
        forward = self._branches[min(view, len(self._branches) - 1)]
        checked = _check_patches(patches)
        parts = [forward(_to_unit(checked[rows], self.side_px)).numpy() for rows in _batches(len(checked))]
        return np.concatenate([np.zeros((0, self.dimension), np.float32), *parts])

    def compare_vectors(self, vectors0: np.ndarray, vectors1: np.ndarray) -> np.ndarray:
        """Return how alike described patches are, row by row: (N, D) twice to float32 (N,), larger = more alike.

        That is the system's score, or minus the Euclidean distance. Raises ValueError for differing numbers.
        """
        _check_pairs(vectors0, vectors1)
        if self._pair is None:
            return -np.linalg.norm(np.asarray(vectors0) - np.asarray(vectors1), axis=1).astype(np.float32)
        if not self._branches:
            raise ValueError(f"{self.system} has no vectors; use compare")
        return self._scores(lambda vectors: tf.constant(vectors, tf.float32), vectors0, vectors1)

    def compare(self, patches0: Any, patches1: Any) -> np.ndarray:
        """Return how alike the patches of each pair are, float32 (N,), larger = more alike; as `compare_vectors`.

        Patches are as `describe_patches` takes them; raises ValueError as it does, and for differing numbers.
        """
        first, second = _check_patches(patches0), _check_patches(patches1)
        _check_pairs(first, second)
        if self._branches:
            return self.compare_vectors(self.describe_patches(first), self.describe_patches(second, view=1))
        return self._scores(lambda patches: _to_unit(patches, self.side_px), first, second)

    def cut(self, image: Any, features: Features | np.ndarray, support: float = SUPPORT) -> np.ndarray:
        """Return the patches float32 (N, S, S) in [0, 1] that `describe` sees, about each keypoint of `features`.

        `image` is what `SuperPoint.extract` takes, `features` what it returns, or keypoints xy (N, 2) alone. A patch is
        a square of `support` diameters a side, turned by the keypoint's angle; without a size 32 px a side, without an
        angle upright. Beyond the image it is reflected. Raises ValueError for other images, or keypoints, sizes or
        angles that are not finite.
        """
        none = np.zeros((0, self.side_px, self.side_px), np.float32)
        return np.concatenate([none, *self._cut(image, features, support)])

    def describe(self, image: Any, features: Features | np.ndarray, support: float = SUPPORT) -> np.ndarray:
        """Return the descriptors (N, D) of an image at the keypoints of `features`, whoever found them.

        They are float32 and compared by L2, or of a binary system bit strings uint8 (N, D / 8). The patches are those
        of `cut`; its arguments and errors. Raises ValueError for a system of scores, whose vectors have no distance.
        """
        if self.gives == SCORES:
            raise ValueError(
                f"{self.system} gives scores of pairs, not descriptors that have a distance: use compare, or a system "
                "of vectors such as hardnet"
            )
        parts = [self.describe_patches(patches) for patches in self._cut(image, features, support)]
        vectors = np.concatenate([np.zeros((0, self.dimension), np.float32), *parts])
        return np.packbits(vectors > 0, axis=1) if self.binary else vectors

    def _cut(self, image: Any, features: Features | np.ndarray, support: float) -> Iterator[np.ndarray]:
        """Yield the patches of some keypoints at a time: so many of them are held, however many there are."""
        frames = _frames(_features_of(features), support)
        levels = build_levels(prepare_image(image).numpy()[..., 0]) if len(frames) else []
        for rows in _batches(len(frames)):
            yield cut_patches(levels, frames[rows], self.side_px)

    def _scores(self, prepare: Callable[[np.ndarray], tf.Tensor], *pair: np.ndarray) -> np.ndarray:
        assert self._pair is not None  # a system of vectors has no scores
        parts = [self._pair(*(prepare(each[rows]) for each in pair)).numpy() for rows in _batches(len(pair[0]))]
        return np.concatenate([np.zeros(0, np.float32), *parts])


def load_patch_model(path: str | Path) -> tuple[PatchModel, Weights]:
    """Do `PatchModel.from_pretrained`, and return the weights too, which know what they are."""
    weights = load_weights(path)
    system = weights.network.system
    if not isinstance(SYSTEMS[system].network, PatchSpec):
        raise WeightsError(f"{path}: {system} {_OTHERS[SYSTEMS[system].gives]} weights of a patch system")
    network = build_network(weights.network)
    assign_weights(network, weights, str(path))
    return PatchModel(network, system, str(path)), weights


def _parts(network: tf.keras.Model, spec: PatchSpec) -> tuple[tuple[Forward, ...], Forward | None, int]:
    """Return what describes a patch, perhaps one for each view; what scores a pair, of vectors or of patches; and D."""
    side = None if spec.any_side else spec.side_px
    patches = tf.TensorSpec((None, side, side, 1), tf.float32)
    if not spec.head:
        vector = _compiled(lambda seen: network(seen, training=False)["vector"], patches)
        return (vector,), None, int(network.output["vector"].shape[-1])
    parts = {layer.name: layer for layer in network.layers}
    if "head" not in parts:
        return (), _compiled(lambda *pair: network(list(pair), training=False)["score"], patches, patches), 0
    head, branches = parts["head"], [parts[name] for name in ("branch0", "branch1") if name in parts]
    dimension = int(branches[0].output.shape[-1])
    vectors = tf.TensorSpec((None, dimension), tf.float32)
    describers = tuple(_compiled(lambda seen, each=each: each(seen, training=False), patches) for each in branches)
    return describers, _compiled(lambda *pair: head(list(pair), training=False), vectors, vectors), dimension


def _compiled(run: Forward, *signature: tf.TensorSpec) -> Forward:
    # traced here: TensorFlow takes the first calls of several models for one function that is traced again and again
    return with_few_counts(tf.function(run, input_signature=signature, autograph=False).get_concrete_function())


def _batches(count: int) -> list[slice]:
    return [slice(start, start + _BATCH) for start in range(0, count, _BATCH)]


def _features_of(features: Features | np.ndarray) -> Features:
    """Return features with their keypoints (N, 2), of an array of these too; raises ValueError for other shapes."""
    given = features if isinstance(features, Features) else Features(np.asarray(features), np.zeros(0), None)
    shape = np.shape(given.keypoints)
    if len(shape) != 2 or shape[1] != 2:
        raise ValueError(f"keypoints have shape {shape}; expected Features, or xy (N, 2)")
    return given


def _frames(features: Features, support: float) -> np.ndarray:
    keypoints = np.asarray(features.keypoints, np.float64)
    count = len(keypoints)
    sizes = np.zeros(count) if features.sizes is None else np.asarray(features.sizes, np.float64)
    angles = np.zeros(count) if features.angles_deg is None else np.asarray(features.angles_deg, np.float64)
    for name, values in (("sizes", sizes), ("angles_deg", angles)):
        if values.shape != (count,):
            raise ValueError(f"{name} have shape {values.shape} for {count} keypoints; expected one each")
    if not all(np.isfinite(values).all() for values in (keypoints, sizes, angles)):
        raise ValueError("keypoints, sizes or angles_deg hold NaN or infinity")
    half_sides = np.where(sizes > 0, support * sizes, DEFAULT_SIDE_PX) / 2
    return keypoint_frames(keypoints, half_sides, np.where(angles == NO_ANGLE, 0.0, angles))


def _check_patches(patches: Any) -> np.ndarray:
    """Return patches from outside as (N, h, w), uint8 or float32; raises ValueError naming what is wrong."""
    array = np.asarray(patches)
    if array.ndim == 4 and array.shape[3] == 1:
        array = array[..., 0]
    if array.ndim != 3 or 0 in array.shape[1:]:
        raise ValueError(f"patches have shape {np.shape(patches)}; expected (N, h, w) or (N, h, w, 1), grey")
    if array.dtype == np.uint8:
        return array
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"patches have dtype {array.dtype}; expected uint8, or float in [0, 1]")
    if array.size and not (array.min() >= 0.0 and array.max() <= 1.0):
        raise ValueError("patches have float values outside [0, 1] or not finite; divide grey levels by 255")
    return array.astype(np.float32)


def _check_pairs(first: np.ndarray, second: np.ndarray) -> None:
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} to compare; expected pairs, row by row")


def _to_unit(patches: np.ndarray, side_px: int) -> tf.Tensor:
    """Return patches of the side that the network sees, float32 (N, S, S, 1) in [0, 1]."""
    levels = patches.astype(np.float32) / 255.0 if patches.dtype == np.uint8 else patches
    return tf.constant(resize_patches(levels, side_px)[..., np.newaxis])
