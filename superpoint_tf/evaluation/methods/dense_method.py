"""A row of the tables of dense correspondence: what describes every place of a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from superpoint_tf.evaluation.methods.methods import NamedMethod
from superpoint_tf.evaluation.pck_metrics import DescriptorMap

Describe = Callable[[np.ndarray], DescriptorMap]
"""From a grey picture uint8 (H, W) to its map."""


@dataclass(frozen=True)
class DenseMethod(NamedMethod):
    """One row of the tables."""

    describe: Describe
