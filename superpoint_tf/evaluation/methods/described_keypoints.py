"""Keypoints of any method, described by a patch system: `SIFT+outputs/hardnet`, keypoints of the left.

A patch is as wide as the left's own row of `baselines.SUPPORTS` says, six diameters of its keypoint elsewhere. Only the
keypoints within the protocol's budget are described.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.evaluation.methods.baselines import SUPPORTS
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.features import Features
from superpoint_tf.models.patch_model import SUPPORT, PatchModel, load_patch_model
from superpoint_tf.systems import SCORES


@dataclass(frozen=True)
class PatchDescriptor:
    """A patch system that describes the keypoints of another method."""

    identity: dict[str, Any]
    model: PatchModel
    support: float

    def describe(self, image: np.ndarray, features: Features, protocol: PairProtocol) -> Features:
        """Return the features of a grey uint8 image (H, W) with descriptors of the strongest, those of the budget."""
        strongest = features.take(slice(protocol.max_keypoints))
        return features._replace(descriptors=self.model.describe(image, strongest, self.support))


def load_patch_descriptor(what: str, keypoints: str) -> PatchDescriptor:
    """Load a patch system for the keypoints of a method.

    Raises WeightsError for weights of another kind, ValueError for a system that gives scores of pairs.
    """
    model, weights = load_patch_model(what)
    if model.gives == SCORES:
        raise ValueError(
            f"--methods {keypoints}+{what}: {model.system} scores pairs of patches and gives no descriptors to match; "
            "name a system of vectors (`patches` evaluates both)"
        )
    support = SUPPORTS.get(keypoints, SUPPORT)
    identity = {
        "descriptor": what,
        "descriptor_sha256": weights.fingerprint(),
        "support": support,
        "tensorflow": tf.__version__,
    }
    return PatchDescriptor(identity, model, support)
