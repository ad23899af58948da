"""Random homographies: the one sampler, in graph and stateless, and the 3x3 algebra it needs in closed form."""

from __future__ import annotations

import math

import tensorflow as tf

from superpoint_tf.config import HomographyConfig

NUM_ATTEMPTS = 16  # homographies drawn for a row; the first acceptable one is taken
NUM_CANDIDATES = 16  # draws of a stage without artifacts; the first that keeps the patch in the frame is taken
_ROW_NUMBERS = 2  # of a row, after those of its attempts: whether it exchanges its axes, and its zoom
_UNIT_SQUARE = ((0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0))  # tl, bl, br, tr: the corner order of every quad here


def sample_homographies(seeds: tf.Tensor, image_shape: tuple[int, int], config: HomographyConfig) -> tf.Tensor:
    """Sample random homographies as the paper does (section 5.2): a perturbed patch becomes the central one.

    `seeds` int32 or int64 (B, 2), `image_shape` (height, width). Returns homography_0to1 float32 (B, 3, 3) between
    pixels, with H[2, 2] = 1, det > 0, and w > 0 all over both frames in both directions; the identity where no attempt
    gave such a matrix. Every row is a pure function of its row of seeds, the shape and the config. `symmetric_axes` and
    `max_zoom` take numbers of their own: with and without them a row shares everything else.
    """
    seeds = tf.cast(tf.convert_to_tensor(seeds), tf.int64)  # the same numbers as int32
    patches = _perturbed_patches(*_uniforms(seeds, config), image_shape, config)
    margin = (1.0 - config.patch_ratio) / 2.0
    central = _to_pixels(margin + config.patch_ratio * tf.constant(_UNIT_SQUARE, tf.float64), image_shape)
    attempts = homography_between_quads(patches, tf.broadcast_to(central, tf.shape(patches)))
    accepted = _is_acceptable(attempts, image_shape)
    first = tf.argmax(tf.cast(accepted, tf.int32), axis=1)
    chosen = tf.gather(attempts, first, axis=1, batch_dims=1)
    identity = tf.eye(3, batch_shape=tf.shape(chosen)[:1], dtype=tf.float64)
    chosen = tf.where(tf.reduce_any(accepted, axis=1)[:, None, None], _normalise(chosen), identity)
    return tf.ensure_shape(tf.cast(chosen, tf.float32), (seeds.shape[0], 3, 3))


def invert_homographies(homographies: tf.Tensor) -> tf.Tensor:
    """Invert homographies (..., 3, 3) in closed form, scaled to H[2, 2] = 1.

    The scale is positive, so w keeps its sign: H[2, 2] = -1 says that pixel (0, 0) lies behind the camera.
    """
    matrices = tf.convert_to_tensor(homographies)
    return tf.cast(_normalise(exact_inverse(tf.cast(matrices, tf.float64))), matrices.dtype)


def homography_between_quads(quads0: tf.Tensor, quads1: tf.Tensor) -> tf.Tensor:
    """Return the homographies float64 (..., 3, 3) that map four corners (..., 4, 2) to four others of the same shape.

    Corners go round the quad in order tl, bl, br, tr. No three of a quad may be in line: the result is not finite then.
    w is positive inside convex quads. Closed form by way of the unit square, so a GPU needs no solver library.
    """
    from_square = _unit_square_to_quad(tf.cast(quads0, tf.float64))
    return tf.matmul(_unit_square_to_quad(tf.cast(quads1, tf.float64)), exact_inverse(from_square))


def exact_inverse(matrices: tf.Tensor) -> tf.Tensor:
    """Return the inverses of (..., 3, 3) matrices, unscaled, so that w of a point and of its image agree in sign."""
    row0, row1, row2 = tf.unstack(matrices, axis=-2)
    adjugate = tf.stack(
        [tf.linalg.cross(row1, row2), tf.linalg.cross(row2, row0), tf.linalg.cross(row0, row1)], axis=-1
    )
    return adjugate / _determinant(matrices)[..., None, None]


def _determinant(matrices: tf.Tensor) -> tf.Tensor:
    row0, row1, row2 = tf.unstack(matrices, axis=-2)
    return tf.reduce_sum(row0 * tf.linalg.cross(row1, row2), axis=-1)


def _normalise(matrices: tf.Tensor) -> tf.Tensor:
    scale = tf.abs(matrices[..., 2:, 2:])
    return matrices / tf.where(scale > 0, scale, tf.ones_like(scale))


def _unit_square_to_quad(quads: tf.Tensor) -> tf.Tensor:
    """Map (0,0), (0,1), (1,1), (1,0) to the corners (..., 4, 2) (Heckbert 1989, section 2.2.3)."""
    p00, p01, p11, p10 = tf.unstack(quads, axis=-2)
    along_u, along_v, bend = p10 - p11, p01 - p11, p00 - p10 + p11 - p01
    area = _cross(along_u, along_v)
    g, h = _cross(bend, along_v) / area, _cross(along_u, bend) / area
    columns = [p10 - p00 + g[..., None] * p10, p01 - p00 + h[..., None] * p01, p00]
    last_row = tf.stack([g, h, tf.ones_like(g)], axis=-1)
    return tf.concat([tf.stack(columns, axis=-1), last_row[..., None, :]], axis=-2)


def _cross(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]


# ------------------------------------------------------------------------------------------------ the sampler's stages


def _uniforms(seeds: tf.Tensor, config: HomographyConfig) -> tuple[tf.Tensor, tf.Tensor]:
    """Draw every number in [0, 1) that a row can need, row by row.

    Returns those of its attempts, (B, NUM_ATTEMPTS, 3 + 4 * candidates), and its own, (B, _ROW_NUMBERS): Philox fills
    in order, so these further ones leave the others as they are.
    """
    width = 3 + 4 * _num_candidates(config)
    count = NUM_ATTEMPTS * width + _ROW_NUMBERS

    def row(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform((count,), seed, dtype=tf.float64, alg="philox")

    drawn = tf.map_fn(row, seeds, fn_output_signature=tf.TensorSpec((count,), tf.float64))
    attempts, own = tf.split(drawn, [NUM_ATTEMPTS * width, _ROW_NUMBERS], axis=1)
    return tf.reshape(attempts, (-1, NUM_ATTEMPTS, width)), own


def _num_candidates(config: HomographyConfig) -> int:
    return 1 if config.allow_artifacts else NUM_CANDIDATES


def _perturbed_patches(
    uniforms: tf.Tensor, own: tf.Tensor, image_shape: tuple[int, int], config: HomographyConfig
) -> tf.Tensor:
    """Perturb the central patch: perspective, scale, translation, rotation. Returns pixels (B, attempts, 4, 2)."""
    count = _num_candidates(config)
    perspective, scale, shift_x, shift_y, turn = tf.split(uniforms, [3, count, count, count, count], axis=-1)
    axes, zoom = tf.unstack(own, axis=1)
    patch = _with_perspective(perspective, config)
    if config.symmetric_axes:
        patch = tf.where((axes < 0.5)[:, None, None, None], _exchange_axes(patch), patch)
    patch = _scaled(patch, scale, config.max_zoom ** (1.0 - 2.0 * zoom), config)
    patch = _translated(patch, tf.stack([shift_x, shift_y], axis=-1), config)
    return _to_pixels(_rotated(patch, turn, image_shape, config), image_shape)


def _with_perspective(uniforms: tf.Tensor, config: HomographyConfig) -> tf.Tensor:
    margin = (1.0 - config.patch_ratio) / 2.0
    limit = math.inf if config.allow_artifacts else margin
    amplitude_x, amplitude_y = (min(a, limit) for a in (config.perspective_amplitude_x, config.perspective_amplitude_y))
    normal = _truncated_normal(uniforms)
    p, left, right = amplitude_y * normal[..., 0], amplitude_x * normal[..., 1], amplitude_x * normal[..., 2]
    moves = tf.stack([left, p, left, -p, right, p, right, -p], axis=-1)
    central = margin + config.patch_ratio * tf.constant(_UNIT_SQUARE, tf.float64)
    return central + tf.reshape(moves, tf.concat([tf.shape(p), (4, 2)], axis=0))


def _exchange_axes(patch: tf.Tensor) -> tf.Tensor:
    """Mirror patches (..., 4, 2) at the diagonal of the unit square, corners still in the order tl, bl, br, tr.

    The central patch stays; what a perturbed one did across the frame, in its widths, it now does down the frame, in
    its heights: tilt, stretch, and the amplitudes of both.
    """
    return tf.gather(patch, [0, 3, 2, 1], axis=-2)[..., ::-1]


def _scaled(patch: tf.Tensor, uniforms: tf.Tensor, zoom: tf.Tensor, config: HomographyConfig) -> tf.Tensor:
    """Scale about the patch's centre, by the amplitude and by what a row's zoom (B,) makes the picture smaller."""
    scale = (1.0 + config.scale_amplitude * _truncated_normal(uniforms)) * zoom[:, None, None]
    centre = tf.reduce_mean(patch, axis=-2, keepdims=True)
    arms = (patch - centre)[..., None, :, :]
    candidates = centre[..., None, :, :] + scale[..., None, None] * arms
    return _first_inside(candidates, patch, config)


def _translated(patch: tf.Tensor, uniforms: tf.Tensor, config: HomographyConfig) -> tf.Tensor:
    overflow = config.translation_overflow
    towards_low = tf.maximum(tf.reduce_min(patch, axis=-2), 0.0) + overflow
    towards_high = tf.maximum(tf.reduce_min(1.0 - patch, axis=-2), 0.0) + overflow
    move = -towards_low[..., None, :] + uniforms * (towards_low + towards_high)[..., None, :]
    return _first_inside(patch[..., None, :, :] + move[..., None, :], patch, config)


def _rotated(
    patch: tf.Tensor, uniforms: tf.Tensor, image_shape: tuple[int, int], config: HomographyConfig
) -> tf.Tensor:
    """Turn about the patch's centre in pixel proportions: in the unit square a rotation would be a shear."""
    angle = math.radians(config.max_angle_deg) * (2.0 * uniforms - 1.0)
    cosine, sine = tf.cos(angle), tf.sin(angle)
    rotation = tf.stack([tf.stack([cosine, -sine], axis=-1), tf.stack([sine, cosine], axis=-1)], axis=-2)
    sides = tf.constant([image_shape[1], image_shape[0]], tf.float64)
    centre = tf.reduce_mean(patch, axis=-2, keepdims=True)
    arms = ((patch - centre) * sides)[..., None, :, :]
    candidates = centre[..., None, :, :] + tf.matmul(arms, rotation, transpose_b=True) / sides
    return _first_inside(candidates, patch, config)


def _first_inside(candidates: tf.Tensor, unchanged: tf.Tensor, config: HomographyConfig) -> tf.Tensor:
    """Return the first of (..., candidates, 4, 2) within the unit square, else `unchanged` (..., 4, 2)."""
    if config.allow_artifacts:
        return candidates[..., 0, :, :]
    slack = 1e-9  # a patch that fills the frame must not leave it by rounding
    inside = tf.reduce_all((candidates >= -slack) & (candidates <= 1.0 + slack), axis=(-2, -1))
    first = tf.argmax(tf.cast(inside, tf.int32), axis=-1)
    chosen = tf.gather(candidates, first, axis=2, batch_dims=2)
    return tf.where(tf.reduce_any(inside, axis=-1)[..., None, None], chosen, unchanged)


def _truncated_normal(uniforms: tf.Tensor) -> tf.Tensor:
    """Turn uniforms into a normal of sigma 1/2 truncated at 2 sigma, that is within [-1, 1]."""
    below = 0.5 * math.erfc(math.sqrt(2.0))  # the normal distribution function at -2
    return tf.math.ndtri(below + uniforms * (1.0 - 2.0 * below)) / 2.0


def _to_pixels(points: tf.Tensor, image_shape: tuple[int, int]) -> tf.Tensor:
    height, width = image_shape
    return points * tf.constant([width, height], tf.float64) - 0.5  # the unit square covers whole pixels


def _is_acceptable(homographies: tf.Tensor, image_shape: tuple[int, int]) -> tf.Tensor:
    """Tell which (..., 3, 3) keep orientation and send no point of either frame behind the camera, both ways."""
    corners = _to_pixels(tf.constant(_UNIT_SQUARE, tf.float64), image_shape)
    corners = tf.concat([corners, tf.ones((4, 1), tf.float64)], axis=-1)  # w is linear: corners speak for the frame
    accepted = _determinant(homographies) > 0
    for matrices in (homographies, exact_inverse(homographies)):
        accepted &= tf.reduce_all(tf.linalg.matvec(corners, matrices[..., 2, :]) > 0, axis=-1)
    return accepted
