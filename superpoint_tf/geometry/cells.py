"""The detector's 8x8 cells: pixels to cell labels, masks to cells, cell centres (paper section 3.2)."""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.config import CELL

NO_KEYPOINT = CELL * CELL  # the label of an empty cell, 64
_NUM_PRIORITIES = 2**24  # times 64 labels is within int32


def keypoints_to_cell_labels(keypoints: tf.Tensor, image_shape: tuple[int, int], seeds: tf.Tensor) -> tf.Tensor:
    """Encode keypoints xy float32 (B, K, 2) as one label a cell, int32 (B, ceil(H/8), ceil(W/8)) in 0..64.

    Label dy * 8 + dx is the nearest pixel's place in its cell, the channel order of `depth_to_space`; 64 is none. NaN
    rows and keypoints outside the frame are left out. Of several in a cell `seeds` (B, 2) choose one, all alike;
    each row is a pure function of its keypoints and its row of seeds, however many NaN rows follow.
    """
    keypoints = tf.convert_to_tensor(keypoints, tf.float32)
    rows, columns = _grid_shape(image_shape)
    pixel, inside = nearest_pixels(keypoints, image_shape)
    x, y = pixel[..., 0], pixel[..., 1]
    label = (y % CELL) * CELL + x % CELL
    # The greatest random number of a cell wins; it carries the label in its last digits.
    ticket = tf.where(inside, _priorities(keypoints, seeds) * NO_KEYPOINT + label, -1)
    batch = tf.shape(keypoints)[0]
    cell = (tf.range(batch)[:, None] * rows + y // CELL) * columns + x // CELL
    winner = tf.math.unsorted_segment_max(tf.reshape(ticket, [-1]), tf.reshape(cell, [-1]), batch * rows * columns)
    labels = tf.where(winner >= 0, winner % NO_KEYPOINT, NO_KEYPOINT)
    return tf.ensure_shape(tf.reshape(labels, (batch, rows, columns)), (keypoints.shape[0], rows, columns))


def keypoints_to_cell_targets(keypoints: tf.Tensor, image_shape: tuple[int, int]) -> tf.Tensor:
    """Encode keypoints xy float32 (B, K, 2) as a distribution a cell, float32 (B, ceil(H/8), ceil(W/8), 65).

    A keypoint gives its four pixels bilinear weights, across cells too; one on a pixel gives it all. A cell whose
    weights sum to w <= 1 keeps them, and 1 - w is "no keypoint"; where keypoints compete (w > 1) they share by weight:
    all are divided by w. NaN rows and keypoints outside the frame are left out, as by `keypoints_to_cell_labels`; what
    lies up to half a pixel beyond the outer pixels' centres counts as on them. With keypoints on pixels, one a cell,
    this is the one-hot form of those labels.
    """
    keypoints = tf.convert_to_tensor(keypoints, tf.float32)
    rows, columns = _grid_shape(image_shape)
    pixels = _bilinear_sums(keypoints, image_shape, (rows * CELL, columns * CELL))
    weights = tf.nn.space_to_depth(pixels[..., None], CELL)
    total = tf.reduce_sum(weights, axis=-1, keepdims=True)
    targets = tf.concat([weights / tf.maximum(total, 1.0), tf.maximum(1.0 - total, 0.0)], axis=-1)
    return tf.ensure_shape(targets, (keypoints.shape[0], rows, columns, NO_KEYPOINT + 1))


def _bilinear_sums(keypoints: tf.Tensor, image_shape: tuple[int, int], padded_shape: tuple[int, int]) -> tf.Tensor:
    """Add up the bilinear weights of keypoints (B, K, 2) on the pixels of a padded frame: float32 (B, H', W')."""
    height, width = padded_shape
    _, inside = nearest_pixels(keypoints, image_shape)
    last = tf.constant([image_shape[1] - 1, image_shape[0] - 1], tf.float32)
    place = tf.clip_by_value(tf.where(inside[..., None], keypoints, tf.zeros_like(keypoints)), 0.0, last)
    low = tf.floor(place)
    high = tf.minimum(low + 1.0, last)  # weight 0 where it is the same pixel
    fraction = place - low
    batch = tf.shape(keypoints)[0]
    first = tf.range(batch)[:, None] * height
    total = tf.zeros([batch * height * width])
    for y, weight_y in ((low, 1.0 - fraction), (high, fraction)):
        for x, weight_x in ((low, 1.0 - fraction), (high, fraction)):
            weight = tf.where(inside, weight_x[..., 0] * weight_y[..., 1], 0.0)
            pixel = (first + tf.cast(y[..., 1], tf.int32)) * width + tf.cast(x[..., 0], tf.int32)
            total += tf.math.unsorted_segment_sum(tf.reshape(weight, [-1]), tf.reshape(pixel, [-1]), tf.size(total))
    return tf.reshape(total, (batch, height, width))


def nearest_pixels(points: tf.Tensor, image_shape: tuple[int, int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the nearest pixels xy int32 (B, K, 2) of points float32, and whether they lie in the frame, bool (B, K).

    Where not, or where a point is NaN, the pixel is (0, 0).
    """
    height, width = image_shape
    nearest = tf.floor(points + 0.5)
    inside = tf.reduce_all((nearest >= 0) & (nearest < tf.constant([width, height], tf.float32)), axis=-1)  # NaN: False
    return tf.cast(tf.where(inside[..., None], nearest, tf.zeros_like(nearest)), tf.int32), inside


def cells_valid(valid_mask: tf.Tensor) -> tf.Tensor:
    """Tell which cells have all their 64 pixels valid: bool (B, H, W) to bool (B, ceil(H/8), ceil(W/8))."""
    height, width = valid_mask.shape[1], valid_mask.shape[2]
    rows, columns = _grid_shape((height, width))
    padded = tf.pad(valid_mask, ((0, 0), (0, rows * CELL - height), (0, columns * CELL - width)))
    return tf.reduce_all(tf.reshape(padded, (-1, rows, CELL, columns, CELL)), axis=(2, 4))


def cell_centres(image_shape: tuple[int, int]) -> tf.Tensor:
    """Return the centres of all cells, row by row, xy pixels float32 (Hc * Wc, 2): 8 i + 3.5."""
    rows, columns = _grid_shape(image_shape)
    x, y = tf.meshgrid(tf.range(columns), tf.range(rows))
    index = tf.cast(tf.reshape(tf.stack([x, y], axis=-1), (-1, 2)), tf.float32)
    return index * CELL + (CELL - 1) / 2


def _grid_shape(image_shape: tuple[int, int]) -> tuple[int, int]:
    height, width = image_shape
    return -(-height // CELL), -(-width // CELL)


def _priorities(keypoints: tf.Tensor, seeds: tf.Tensor) -> tf.Tensor:
    """Draw int32 (B, K); Philox fills in order, so a longer K only adds numbers."""
    count = tf.shape(keypoints)[1]

    def row(seed: tf.Tensor) -> tf.Tensor:
        return tf.random.stateless_uniform([count], seed, 0, _NUM_PRIORITIES, dtype=tf.int32, alg="philox")

    return tf.map_fn(row, seeds, fn_output_signature=tf.TensorSpec([None], tf.int32))
