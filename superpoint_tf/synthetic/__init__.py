"""Synthetic shapes: wheels hold the repository's folder `synthetic` here, a checkout is sent there by this file."""

from pathlib import Path
from typing import TYPE_CHECKING

__path__ = [str(Path(__file__).resolve().parents[2] / "synthetic")]

if TYPE_CHECKING:
    from synthetic import DEFAULT_FREQUENCIES, PRIMITIVES, SyntheticConfig, draw_sample, primitive_of
else:
    from superpoint_tf.synthetic.config import DEFAULT_FREQUENCIES, PRIMITIVES, SyntheticConfig
    from superpoint_tf.synthetic.sample import draw_sample, primitive_of

__all__ = ["DEFAULT_FREQUENCIES", "PRIMITIVES", "SyntheticConfig", "draw_sample", "primitive_of"]
