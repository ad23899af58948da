"""What the generator of synthetic shapes can be told, with its defaults."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

# Relative frequencies of the reference set (the training set of the paper's followers).
DEFAULT_FREQUENCIES = {
    "lines": 1.0,
    "polygon": 1.0,
    "polygons": 1.0,
    "ellipses": 0.3,
    "star": 1.0,
    "checkerboard": 1.0,
    "stripes": 0.2,
    "cube": 1.0,
    "noise": 0.1,
}
PRIMITIVES = tuple(DEFAULT_FREQUENCIES)


@dataclass(frozen=True)
class SyntheticConfig:
    """Describe one synthetic picture; the ranges of single shapes are constants beside their drawing code."""

    image_shape: tuple[int, int] = field(
        default=(120, 160), metadata={"minimum": 32, "maximum": 8192}
    )  # (height, width)
    primitives: tuple[str, ...] = field(default=PRIMITIVES, metadata={"choices": PRIMITIVES})  # drawn from these ...
    frequencies: dict[str, float] = field(  # ... with these relative frequencies; one left out keeps its default
        default_factory=lambda: dict(DEFAULT_FREQUENCIES),
        metadata={"choices": PRIMITIVES, "minimum": 0.0, "maximum": 1e9},
    )
    min_contrast: int = field(default=10, metadata={"minimum": 0, "maximum": 80})  # grey levels across a corner
    border_px: float = field(default=2.0, metadata={"minimum": 0.0})  # a corner nearer to the frame is no label
    supersampling: int = field(default=2, metadata={"minimum": 1, "maximum": 8})  # drawing scale before area averaging

    def __post_init__(self) -> None:
        unknown = [name for name in (*self.primitives, *self.frequencies) if name not in PRIMITIVES]
        if unknown or not self.primitives:
            raise ValueError(f"primitives: {unknown or 'empty'}; choose from {', '.join(PRIMITIVES)}")
        weights = [self.weight(name) for name in self.primitives]
        if not all(math.isfinite(weight) and weight >= 0 for weight in weights) or sum(weights) <= 0:
            raise ValueError(f"frequencies: {self.frequencies}; give finite numbers >= 0, one of them above 0")
        if len(self.image_shape) != 2 or min(self.image_shape) < 32:
            raise ValueError(f"image_shape: {self.image_shape}; give (height, width), each 32 or more")
        if not 0 <= self.min_contrast <= 80:
            raise ValueError(f"min_contrast: {self.min_contrast}; give 0 to 80 grey levels")
        if not 0 <= self.border_px < min(self.image_shape) / 2:
            raise ValueError(f"border_px: {self.border_px}; give 0 or more, below half the shorter side")
        if not 1 <= self.supersampling <= 8:
            raise ValueError(f"supersampling: {self.supersampling}; give 1 to 8")

    def weight(self, primitive: str) -> float:
        """Return the relative frequency of a primitive, 0 if it is not among `primitives`."""
        if primitive not in self.primitives:
            return 0.0
        return self.frequencies.get(primitive, DEFAULT_FREQUENCIES[primitive])
