"""The descriptor loss over all pairs of cells, block by block with its own gradient (paper section 3.4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from superpoint_tf.config import CELL, JointSection
from superpoint_tf.geometry.cells import cell_centres
from superpoint_tf.geometry.warp import warp_points
from superpoint_tf.networks.superpoint import normalize_descriptors

REFERENCE_CELLS = 1200  # 240x320: what positive_weight is quoted for
RADIUS_SLACK_PX = 0.001  # at exactly 8 px float32 and float64 disagree
BLOCK_ELEMENTS = 2**19  # pairs of cells held at once: 2 MB a tensor; twice that is no faster on a CPU

_Grid = tuple[int | tf.Tensor, int | tf.Tensor]  # (Hc, Wc)


class _Cells(NamedTuple):
    """What decides which cells correspond and count; N = Hc * Wc cells, row by row."""

    warped: tf.Tensor  # (B, N, 2) centres of view 0 in view 1, xy; NaN behind the camera
    valid0: tf.Tensor  # (B, N) 1 or 0
    valid1: tf.Tensor  # (B, N)


def descriptor_loss(
    descriptors0: tf.Tensor,
    descriptors1: tf.Tensor,
    homography_0to1: tf.Tensor,
    cells_valid0: tf.Tensor,
    cells_valid1: tf.Tensor,
    config: JointSection,
) -> tf.Tensor:
    """Return the loss added up over all pairs of valid cells (paper section 3.4, equations 4 to 6).

    descriptors (B, Hc, Wc, D) as they leave the network, homography_0to1 (B, 3, 3) in pixels, cells_valid
    (B, Hc, Wc) bool. Cells correspond if the centre of the one, warped, lies within `positive_radius_px` of the centre
    of the other. The result is a float32 scalar (float64 for float64 descriptors), to be divided by `count_pairs`.

    `hinge` keeps memory linear in the number of cells; `doubly_normalized` holds matrices of all pairs of one image.
    """
    grid = _grid_shape(cells_valid0)
    unit0, unit1 = (_flatten_cells(normalize_descriptors(d)) for d in (descriptors0, descriptors1))
    cells = _prepare_cells(homography_0to1, cells_valid0, cells_valid1, unit0.dtype)
    return DESCRIPTOR_LOSSES[config.descriptor_loss].sum(unit0, unit1, cells, grid, config)


def count_pairs(cells_valid0: tf.Tensor, cells_valid1: tf.Tensor) -> tf.Tensor:
    """Return the number by which `descriptor_loss` is divided, float32, from the masks bool (B, Hc, Wc) alone."""
    num0, num1 = (
        tf.reduce_sum(tf.cast(_flatten_cells(valid), tf.float32), axis=1) for valid in (cells_valid0, cells_valid1)
    )
    return tf.reduce_sum(num0 * num1)


def scaled_positive_weight(config: JointSection, grid: _Grid, dtype: tf.DType = tf.float32) -> tf.Tensor:
    """Return lambda_d for a grid (Hc, Wc): it grows with the cells, as negatives outnumber positives the more."""
    return tf.constant(config.positive_weight / REFERENCE_CELLS, dtype) * tf.cast(grid[0] * grid[1], dtype)


def collapsed_descriptor_loss(
    homography_0to1: tf.Tensor, cells_valid0: tf.Tensor, cells_valid1: tf.Tensor, config: JointSection
) -> tf.Tensor:
    """Return the mean loss that a network reaches whose descriptors are all equal; 0 without a valid pair.

    Arguments as in `descriptor_loss`. A training loss that sits at this value has learnt nothing.
    """
    grid = _grid_shape(cells_valid0)
    cells = _prepare_cells(homography_0to1, cells_valid0, cells_valid1, tf.float32)
    positives = _count_positives(cells, grid, config.positive_radius_px)
    num0, num1 = tf.reduce_sum(cells.valid0, axis=1), tf.reduce_sum(cells.valid1, axis=1)
    similarity = DESCRIPTOR_LOSSES[config.descriptor_loss].collapsed_similarity(num0)
    positive = scaled_positive_weight(config, grid) * tf.maximum(config.positive_margin - similarity, 0.0)
    negative = tf.maximum(similarity - config.negative_margin, 0.0)
    total = tf.reduce_sum(positives * positive + (num0 * num1 - positives) * negative)
    return tf.math.divide_no_nan(total, tf.reduce_sum(num0 * num1))


# ---------------------------------------------------------------------------------------------- correspondence


def _grid_shape(cells: tf.Tensor) -> _Grid:
    """Return (Hc, Wc), as Python numbers where they are known: XLA wants them so."""
    dynamic = tf.shape(cells)
    height, width = (cells.shape[axis] if cells.shape[axis] is not None else dynamic[axis] for axis in (1, 2))
    return height, width


def _flatten_cells(cells: tf.Tensor) -> tf.Tensor:
    height, width = _grid_shape(cells)
    return tf.reshape(cells, [tf.shape(cells)[0], height * width, *cells.shape[3:]])


def _prepare_cells(homography: tf.Tensor, cells_valid0: tf.Tensor, cells_valid1: tf.Tensor, dtype: tf.DType) -> _Cells:
    height, width = _grid_shape(cells_valid0)
    centres = cell_centres((height * CELL, width * CELL))
    valid0, valid1 = (tf.cast(_flatten_cells(valid), dtype) for valid in (cells_valid0, cells_valid1))
    return _Cells(warp_points(centres, homography), valid0, valid1)


def _correspond(warped: tf.Tensor, grid: _Grid, radius_px: float) -> tf.Tensor:
    """Say for warped centres (R, 2) and all N cells which lie within the radius; NaN lies nowhere. Bool (R, N)."""
    height, width = grid
    centre_x, centre_y = ((tf.range(side, dtype=tf.float32) * CELL + (CELL - 1) / 2) for side in (width, height))
    # Squared distances are a sum over the two axes: R x (Hc + Wc) numbers decide R x N pairs.
    squared_x = tf.square(warped[:, 0:1] - centre_x)
    squared_y = tf.square(warped[:, 1:2] - centre_y)
    near = squared_y[:, :, tf.newaxis] + squared_x[:, tf.newaxis, :] <= (radius_px + RADIUS_SLACK_PX) ** 2
    return tf.reshape(near, [tf.shape(warped)[0], height * width])


def _count_positives(cells: _Cells, grid: _Grid, radius_px: float) -> tf.Tensor:
    """Count the pairs of valid cells that correspond, float32 (B,)."""

    def count_in_image(image: _Cells) -> tf.Tensor:
        warped, valid0 = _split_rows((image.warped, image.valid0), grid)

        def count_in_block(block: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
            near = tf.cast(_correspond(block[0], grid, radius_px), tf.float32)
            return tf.reduce_sum(tf.linalg.matvec(near, image.valid1) * block[1])

        counts = tf.map_fn(count_in_block, (warped, valid0), fn_output_signature=tf.float32, parallel_iterations=1)
        return tf.reduce_sum(counts)

    return tf.map_fn(count_in_image, cells, fn_output_signature=tf.float32, parallel_iterations=1)


# ---------------------------------------------------------------------------------------------- hinge, by blocks


def _hinge_sum(unit0: tf.Tensor, unit1: tf.Tensor, cells: _Cells, grid: _Grid, config: JointSection) -> tf.Tensor:
    """Add up the hinge loss of unit descriptors (B, N, D); forward also finds the gradients, which backward scales."""

    @tf.custom_gradient
    def hinge(unit0: tf.Tensor, unit1: tf.Tensor) -> tuple[tf.Tensor, Callable[..., tuple[tf.Tensor, tf.Tensor]]]:
        sums, gradient0, gradient1 = tf.map_fn(
            lambda image: _hinge_of_image(image[0], image[1], _Cells(*image[2:]), grid, config),
            (unit0, unit1, *cells),
            fn_output_signature=(unit0.dtype,) * 3,
            parallel_iterations=1,  # one image's blocks in memory
        )
        return tf.reduce_sum(sums), lambda upstream: (upstream * gradient0, upstream * gradient1)

    total: tf.Tensor = hinge(unit0, unit1)
    return total


def _hinge_of_image(
    unit0: tf.Tensor, unit1: tf.Tensor, cells: _Cells, grid: _Grid, config: JointSection
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Return the loss of one image's pairs and its gradients with respect to the descriptors (N, D)."""
    # Zeroed descriptors keep invalid cells out of every product below; only the sum needs the masks once more.
    unit1 = unit1 * cells.valid1[:, tf.newaxis]
    blocks = _split_rows((unit0 * cells.valid0[:, tf.newaxis], cells.warped, cells.valid0), grid)
    num_blocks = tf.shape(blocks[0])[0]

    def add_block(index: tf.Tensor, total: tf.Tensor, gradient0: tf.TensorArray, gradient1: tf.Tensor) -> tuple:
        rows, warped, valid0 = (tf.gather(block, index) for block in blocks)
        positive = _correspond(warped, grid, config.positive_radius_px)
        excess = tf.matmul(rows, unit1, transpose_b=True)
        excess -= tf.where(positive, tf.cast(config.positive_margin, dtype), tf.cast(config.negative_margin, dtype))
        # A pair's loss is linear where it is not zero: slope * excess.
        slope = tf.where(positive, tf.minimum(tf.sign(excess), 0) * positive_weight, tf.maximum(tf.sign(excess), 0))
        total += tf.reduce_sum(tf.linalg.matvec(slope * excess, cells.valid1) * valid0)
        gradient0 = gradient0.write(index, tf.matmul(slope, unit1))
        return index + 1, total, gradient0, gradient1 + tf.matmul(slope, rows, transpose_a=True)

    dtype = unit0.dtype
    positive_weight = scaled_positive_weight(config, grid, dtype)
    start = (0, tf.zeros((), dtype), tf.TensorArray(dtype, num_blocks), tf.zeros_like(unit1))
    _, total, written, gradient1 = tf.while_loop(
        lambda index, *_: index < num_blocks, add_block, start, parallel_iterations=1
    )
    gradient0 = _join_rows(written.stack(), grid)
    return total, gradient0 * cells.valid0[:, tf.newaxis], gradient1 * cells.valid1[:, tf.newaxis]


def _split_rows(tensors: tuple[tf.Tensor, ...], grid: _Grid) -> tuple[tf.Tensor, ...]:
    """Cut tensors (N, ...) into equal blocks (K, R, ...), R * N about BLOCK_ELEMENTS; zeros fill the last."""
    num_cells = grid[0] * grid[1]
    num_blocks = -(-num_cells // (1 + BLOCK_ELEMENTS // num_cells))
    num_rows = -(-num_cells // num_blocks)
    missing = num_blocks * num_rows - num_cells
    padded = (tf.pad(tensor, [[0, missing]] + [[0, 0]] * (tensor.shape.rank - 1)) for tensor in tensors)
    return tuple(tf.reshape(tensor, [num_blocks, num_rows, *tensor.shape[1:]]) for tensor in padded)


def _join_rows(blocks: tf.Tensor, grid: _Grid) -> tf.Tensor:
    return tf.reshape(blocks, [-1, *blocks.shape[2:]])[: grid[0] * grid[1]]


# ---------------------------------------------------------------------------------------------- doubly normalised


def _doubly_normalized_sum(
    unit0: tf.Tensor, unit1: tf.Tensor, cells: _Cells, grid: _Grid, config: JointSection
) -> tf.Tensor:
    """Add up the hinge loss of rectified similarities, L2-normalised over view 1 and then over view 0."""
    dtype = unit0.dtype
    positive_weight = scaled_positive_weight(config, grid, dtype)

    def sum_of_image(image: tuple[tf.Tensor, ...]) -> tf.Tensor:
        row, column, warped, valid0, valid1 = image
        both_valid = valid0[:, tf.newaxis] * valid1
        similarity = tf.nn.relu(tf.matmul(row, column, transpose_b=True)) * both_valid
        similarity = tf.math.l2_normalize(tf.math.l2_normalize(similarity, axis=1), axis=0)
        positive = tf.cast(_correspond(warped, grid, config.positive_radius_px), dtype)
        attract = positive_weight * tf.nn.relu(config.positive_margin - similarity)
        repel = tf.nn.relu(similarity - config.negative_margin)
        return tf.reduce_sum(both_valid * (positive * attract + (1 - positive) * repel))

    sums = tf.map_fn(sum_of_image, (unit0, unit1, *cells), fn_output_signature=dtype, parallel_iterations=1)
    return tf.reduce_sum(sums)


# ---------------------------------------------------------------------------------------------- the table


class _Form(NamedTuple):
    """One of the losses."""

    sum: Callable[[tf.Tensor, tf.Tensor, _Cells, _Grid, JointSection], tf.Tensor]
    collapsed_similarity: Callable[[tf.Tensor], tf.Tensor]  # of equal descriptors, from the valid cells (B,) of view 0


DESCRIPTOR_LOSSES: dict[str, _Form] = {
    "hinge": _Form(_hinge_sum, tf.ones_like),
    # the second normalisation, over view 0, undoes the first
    "doubly_normalized": _Form(_doubly_normalized_sum, lambda num0: tf.math.rsqrt(tf.maximum(num0, 1.0))),
}
