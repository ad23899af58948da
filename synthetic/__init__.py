"""Synthetic shapes with exact corner labels; NumPy and OpenCV only."""

from .config import DEFAULT_FREQUENCIES, PRIMITIVES, SyntheticConfig
from .sample import draw_sample, primitive_of

__all__ = ["DEFAULT_FREQUENCIES", "PRIMITIVES", "SyntheticConfig", "draw_sample", "primitive_of"]
