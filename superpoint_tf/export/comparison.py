"""An exported file against TensorFlow on photographs: the same keypoints, the same descriptors, the same vectors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from superpoint_tf.config import DetectionConfig
from superpoint_tf.detection.keypoints import detect_keypoints
from superpoint_tf.detection.maps import sample_descriptors
from superpoint_tf.detection.score_maps import DECIDED_BY_ROUNDING, SCORE_MAPS, SUPERPOINT, Spec
from superpoint_tf.evaluation.in_memory import Extractor
from superpoint_tf.export.form import Form
from superpoint_tf.export.graph import Outputs, Run
from superpoint_tf.features import Features
from superpoint_tf.models.images import prepare_image

KEYPOINT_TOLERANCE_PX = 0.5
DESCRIPTOR_TOLERANCE = 1e-3  # of each of a unit descriptor's numbers
_DECIDED_BY_ROUNDING = 1e-3  # share of the numbers of vectors of signs


class DiffersFromTensorFlow(Exception):
    """An exported float32 file finds other keypoints or descriptors than the network it was made of."""


@dataclass(frozen=True)
class Difference:
    """What the features of an exported file differ by, over several images."""

    images: int = 0
    keypoints: int = 0  # that TensorFlow found
    alone: int = 0  # of either side, without a partner within half a pixel
    score: float = 0.0  # largest difference of partners
    descriptor: float = 0.0  # largest difference of a number of partners' descriptors
    decided: float = DECIDED_BY_ROUNDING  # the largest share of keypoints that rounding may decide

    def __str__(self) -> str:
        there = max(self.keypoints - self.alone, 0)
        return (
            f"{self.images} photographs | {there} of {self.keypoints} keypoints within {KEYPOINT_TOLERANCE_PX:g} px | "
            f"scores within {self.score:.1e}, descriptors within {self.descriptor:.1e}"
        )

    def raise_if_large(self) -> None:
        """Raise DiffersFromTensorFlow if this is more than rounding in float32 explains."""
        if self.alone > self.decided * self.keypoints or self.descriptor > DESCRIPTOR_TOLERANCE:
            raise DiffersFromTensorFlow(f"not written, it differs from TensorFlow: {self}")


@dataclass(frozen=True)
class VectorDifference:
    """What the vectors of an exported file differ by, over several patches."""

    patches: int
    numbers: int  # of all vectors
    elsewhere: int  # numbers that differ by more than the tolerance
    largest: float
    binary: bool  # numbers are 1 and -1: one that is almost 0 before may change sides by rounding

    def __str__(self) -> str:
        there = self.numbers - self.elsewhere
        what = f"{there} of {self.numbers} numbers within {DESCRIPTOR_TOLERANCE:g}, all within {self.largest:.1e}"
        return f"{self.patches} patches | {what}"

    def raise_if_large(self) -> None:
        """Raise DiffersFromTensorFlow if this is more than rounding in float32 explains."""
        if self.elsewhere > (_DECIDED_BY_ROUNDING * self.numbers if self.binary else 0):
            raise DiffersFromTensorFlow(f"not written, it differs from TensorFlow: {self}")


def compare_vectors(expected: np.ndarray, found: np.ndarray, binary: bool) -> VectorDifference:
    """Compare what TensorFlow and an exported file say of the same patches, (N, D)."""
    difference = np.abs(expected - found)
    elsewhere, largest = int((difference > DESCRIPTOR_TOLERANCE).sum()), float(difference.max(initial=0.0))
    return VectorDifference(len(expected), expected.size, elsewhere, largest, binary)


def compare_features(pairs: Iterable[tuple[Features, Features]], decided: float = DECIDED_BY_ROUNDING) -> Difference:
    """Compare what TensorFlow and an exported file found in the same images.

    `decided` is the share of the keypoints that rounding may decide: a system that asks more of a keypoint has more.
    """
    total = Difference(decided=decided)
    for expected, found in pairs:
        one = _compare(expected, found)
        total = Difference(
            total.images + 1,
            total.keypoints + one.keypoints,
            total.alone + one.alone,
            max(total.score, one.score),
            max(total.descriptor, one.descriptor),
            decided,
        )
    return total


def _compare(expected: Features, found: Features) -> Difference:
    count, other = len(expected.keypoints), len(found.keypoints)
    if not count or not other:
        return Difference(keypoints=count, alone=max(count, other))
    distances = np.abs(expected.keypoints[:, None] - found.keypoints[None]).max(axis=-1)
    near = distances <= KEYPOINT_TOLERANCE_PX
    alone = max(int((~near.any(axis=1)).sum()), int((~near.any(axis=0)).sum()))
    here, there = np.nonzero(near)
    if not len(here):
        return Difference(keypoints=count, alone=alone)
    score = float(np.abs(expected.scores[here] - found.scores[there]).max())
    if expected.descriptors is None or found.descriptors is None:
        return Difference(keypoints=count, alone=alone, score=score)
    descriptor = float(np.abs(expected.descriptors[here] - found.descriptors[there]).max())
    return Difference(keypoints=count, alone=alone, score=score, descriptor=descriptor)


def extractor_of_file(run: Run, form: Form, detection: DetectionConfig, spec: Spec = SUPERPOINT) -> Extractor:
    """Return what an exported file of a system finds in an image.

    `detection` and the radius of each call cut its maps; one with postprocessing has its own settings inside.
    """

    def extract(image: np.ndarray, nms_radius_px: int) -> Features:
        outputs = run(prepare_image(image).numpy()[None])
        if form.detection:
            return _from_keypoints(outputs)
        return _from_maps(outputs, replace(detection, nms_radius_px=nms_radius_px), spec)

    return extract


def _from_keypoints(outputs: Outputs) -> Features:
    number = int(outputs["num_keypoints"][0])
    descriptors = outputs["descriptors"][0, :number] if "descriptors" in outputs else None
    return Features(outputs["keypoints"][0, :number], outputs["scores"][0, :number], descriptors)


def _from_maps(outputs: Outputs, detection: DetectionConfig, spec: Spec) -> Features:
    window_px = SCORE_MAPS[spec.score_map].window_px
    keypoints, scores = detect_keypoints(outputs["heatmap"][0], detection, window_px=window_px)
    if "descriptors" not in outputs:
        return Features(keypoints, scores)
    descriptors = sample_descriptors(outputs["descriptors"][0], keypoints, spec.stride, spec.first_px)
    return Features(keypoints, scores, descriptors.numpy())
