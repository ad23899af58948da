"""One synthetic picture with its keypoints, as a pure function of (seed, number)."""

from __future__ import annotations

import bisect
import itertools
import threading
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from .background import draw_background
from .canvas import Canvas
from .checkerboard import draw_checkerboard
from .config import PRIMITIVES, SyntheticConfig
from .cube import draw_cube
from .ellipses import draw_ellipses
from .greys import margin_for
from .lines import draw_lines
from .noise import draw_noise
from .polygons import draw_polygon, draw_polygons
from .star import draw_star
from .stripes import draw_stripes
from .visibility import Corners, visible_keypoints

Primitive = Callable[[Canvas, np.random.Generator, float], Corners]
_DRAW: dict[str, Primitive] = {
    "lines": draw_lines,
    "polygon": draw_polygon,
    "polygons": draw_polygons,
    "ellipses": draw_ellipses,
    "star": draw_star,
    "checkerboard": draw_checkerboard,
    "stripes": draw_stripes,
    "cube": draw_cube,
    "noise": draw_noise,
}
_DEFAULT = SyntheticConfig()
_RIGHT_ANGLED = ("checkerboard", "stripes")  # as accurate at half the scale: only sharp tips need more
_BLUR_PX = (0.3, 0.75)  # sigma, like the lens of a sharp camera


def draw_sample(seed: int, number: int, config: SyntheticConfig = _DEFAULT) -> tuple[np.ndarray, np.ndarray]:
    """Draw picture `number` of the set `seed`, before any augmentation (paper section 4).

    Returns the image, uint8 (H, W), and its keypoints, float32 (N, 2) xy, the centre of the top-left pixel at (0, 0).
    Raises ValueError if seed or number is not in 0 .. 2**63 - 1.
    """
    generator = _generator(seed, number)
    primitive = _choose_primitive(generator, config)
    background = draw_background(generator, config.image_shape)
    scale = config.supersampling if primitive not in _RIGHT_ANGLED else max(config.supersampling // 2, 1)
    canvas = _own_canvas(threading.get_ident(), config.image_shape, scale)
    canvas.cover(background)
    low, high = _BLUR_PX
    blur = low + (high - low) * generator.random()
    corners = _DRAW[primitive](canvas, generator, margin_for(config.min_contrast))
    image = canvas.finish(blur)
    return image, visible_keypoints(image, corners, config.min_contrast, config.border_px)


@lru_cache(maxsize=16)
def _own_canvas(thread: int, image_shape: tuple[int, int], scale: int) -> Canvas:
    """Return the canvas of a thread: each picture covers the last one, because fresh memory costs more than paint."""
    return Canvas(image_shape, scale)


def primitive_of(seed: int, number: int, config: SyntheticConfig = _DEFAULT) -> str:
    """Return the name of the primitive that `draw_sample` draws for these arguments, without drawing."""
    return _choose_primitive(_generator(seed, number), config)


def _generator(seed: int, number: int) -> np.random.Generator:
    for name, value in (("seed", seed), ("number", number)):
        if not 0 <= value < 2**63:
            raise ValueError(f"{name} {value} is out of range; give 0 to 2**63 - 1")
    return np.random.Generator(np.random.Philox(key=(int(seed) << 64) | int(number)))


def _choose_primitive(generator: np.random.Generator, config: SyntheticConfig) -> str:
    limits = list(itertools.accumulate(config.weight(name) for name in PRIMITIVES))
    return PRIMITIVES[bisect.bisect_right(limits, generator.random() * limits[-1])]
