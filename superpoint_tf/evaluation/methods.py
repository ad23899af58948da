"""What can be evaluated, by name: classical methods, blind controls, and weights of our own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from superpoint_tf.evaluation.baselines import CLASSICAL
from superpoint_tf.evaluation.controls import CONTROLS
from superpoint_tf.evaluation.protocols import Extractor, suppressed
from superpoint_tf.features import Features

if TYPE_CHECKING:
    from superpoint_tf.model import SuperPoint

GROUPS = {"classical": tuple(CLASSICAL), "controls": tuple(CONTROLS)}


def extractor_of(model: SuperPoint, threshold: float = 1e-4, border_px: int = 4) -> Extractor:
    """Give a network the form that the protocols run: everything above `threshold`, suppressed, strongest first.

    The budget of a protocol over pairs is reached long before so low a threshold; it only spares the sorting of noise.
    The mean average precision on synthetic shapes has no budget: it wants threshold 0 and no border.
    """

    def extract(image: np.ndarray, nms_radius_px: int) -> Features:
        return model.extract(image, detection_threshold=threshold, nms_radius_px=nms_radius_px, border_px=border_px)

    return extract


def load_methods(names: Sequence[str]) -> dict[str, Extractor]:
    """Return extractors by the names of their rows.

    A name is `classical`, `controls`, one of either (`Harris`, `grid (control)`), or weights: `path` or `row
    name=path`. Raises ValueError listing what there is, or WeightsError.
    """
    methods: dict[str, Extractor] = {}
    for name in (part for given in names for part in GROUPS.get(given, (given,))):
        if name in CLASSICAL or name in CONTROLS:
            methods[name] = suppressed((CLASSICAL | CONTROLS)[name])
            continue
        title, _, path = name.rpartition("=")
        if not Path(path).exists() and not Path(f"{path}.index").exists():
            known = ", ".join([*GROUPS, *CLASSICAL, *CONTROLS])
            raise ValueError(f"--methods {name}: neither weights nor a method; there are {known}")
        from superpoint_tf.model import SuperPoint  # TensorFlow only where a network is asked for

        methods[title or path] = extractor_of(SuperPoint.from_pretrained(path))
    return methods
