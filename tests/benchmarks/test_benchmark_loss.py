"""The matrix form that the blockwise loss is compared with is the same loss."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.benchmarks.loss import DOUBLY, HINGE, num_cells, prepare_loss
from superpoint_tf.benchmarks.matrix_loss import matrix_loss
from superpoint_tf.losses.descriptor_loss import descriptor_loss


def test_the_matrix_form_has_the_value_and_gradients_of_the_blockwise_one() -> None:
    maps = [tf.random.stateless_normal((2, 4, 5, 8), (0, view)) for view in (0, 1)]
    homographies = tf.constant([[[1.1, 0.1, -3.0], [-0.05, 0.9, 2.0], [1e-3, 2e-3, 1.0]], np.eye(3)], tf.float32)
    masks = [tf.random.stateless_uniform((2, 4, 5), (1, view)) > 0.3 for view in (0, 1)]
    found = []
    for loss in (matrix_loss, descriptor_loss):
        with tf.GradientTape() as tape:
            tape.watch(maps)
            total = loss(*maps, homographies, *masks, HINGE)
        found.append((total, *tape.gradient(total, maps)))
    for matrix, blockwise in zip(*found, strict=True):
        np.testing.assert_allclose(matrix, blockwise, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("form", ["hinge", "matrix form", "doubly normalized"])
def test_every_form_gives_a_loss_and_two_gradients(form: str) -> None:
    total, gradients = prepare_loss(form, (32, 40), pairs=2)()
    assert float(total) > 0
    assert [gradient.shape for gradient in gradients] == [(2, 4, 5, 256)] * 2


def test_cells_of_a_picture_at_240x320() -> None:
    assert num_cells((240, 320)) == 1200
    assert DOUBLY.descriptor_loss == "doubly_normalized"
