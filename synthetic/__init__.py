"""Synthetic shapes with exact corner labels; NumPy and OpenCV only."""

from synthetic.config import DEFAULT_FREQUENCIES, PRIMITIVES, SyntheticConfig
from synthetic.sample import draw_sample, primitive_of

__all__ = ["DEFAULT_FREQUENCIES", "PRIMITIVES", "SyntheticConfig", "draw_sample", "primitive_of"]
