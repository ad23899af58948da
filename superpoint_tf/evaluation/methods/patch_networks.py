"""Trained patch systems as methods: vectors by their distance, pairs by the system's own score."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.evaluation.methods.patch_method import PatchMethod
from superpoint_tf.geometry.patches import resize_patches
from superpoint_tf.models.patch_model import PatchModel, load_patch_model
from superpoint_tf.systems import SCORES

# Pairs that a task may ask a network to score: a head of vectors is quick, a network that sees both patches is not.
_MOST_BY_HEAD, _MOST_TOGETHER = 3_000_000, 50_000


def load_patch_network(name: str, what: str) -> PatchMethod:
    """Return the method of weights; raises WeightsError for those of no patch system."""
    model, weights = load_patch_model(what)
    identity = {
        "kind": "weights",
        "from": what,
        "system": model.system,
        "weights_sha256": weights.fingerprint(),
        "tensorflow": tf.__version__,
    }
    return method_of(name, identity, model)


def method_of(name: str, identity: dict[str, Any], model: PatchModel) -> PatchMethod:
    """Return the method of a model: a description of each patch and how two compare, or both patches as they are."""
    if not model.describes:
        resize = functools.partial(resize_patches, side_px=model.side_px)
        return PatchMethod(name, identity, resize, None, model.compare, _MOST_TOGETHER)
    if model.gives == SCORES:
        second = functools.partial(model.describe_patches, view=1) if model.untied else None
        return PatchMethod(name, identity, model.describe_patches, second, model.compare_vectors, _MOST_BY_HEAD)
    return PatchMethod(name, identity, functools.partial(_bits, model) if model.binary else model.describe_patches)


def _bits(model: PatchModel, patches: np.ndarray) -> np.ndarray:
    return np.packbits(model.describe_patches(patches) > 0, axis=1)
