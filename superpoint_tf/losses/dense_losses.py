"""The losses of maps by name: a new one is a module and a row."""

from __future__ import annotations

from superpoint_tf.losses.aslfeat_loss import CIRCLE, HARDEST_CONTRASTIVE
from superpoint_tf.losses.consistent_matches import CONSISTENCY
from superpoint_tf.losses.correspondence_loss import HARD_CORRESPONDENCE, RANDOM_CORRESPONDENCE
from superpoint_tf.losses.d2_loss import D2, SOFTMAX
from superpoint_tf.losses.dense_points import DenseLoss

DENSE_LOSSES: dict[str, DenseLoss] = {
    "d2": D2,
    "softmax": SOFTMAX,
    "hardest_contrastive": HARDEST_CONTRASTIVE,
    "circle": CIRCLE,
    "hard_correspondence": HARD_CORRESPONDENCE,
    "random_correspondence": RANDOM_CORRESPONDENCE,
    "consistency": CONSISTENCY,
}
