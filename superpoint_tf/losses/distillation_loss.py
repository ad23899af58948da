"""What it costs to answer otherwise than a teacher: distributions over cells, and directions of descriptors.

The detector's part is the distillation of Hinton et al. 2015 (section 2, equation 4) at temperature 1; the
descriptor's is the cosine distance of the maps at each cell.
"""

from __future__ import annotations

import tensorflow as tf

from superpoint_tf.networks.superpoint import normalize_descriptors


def detector_distillation(logits: tf.Tensor, teacher_logits: tf.Tensor, cells_valid: tf.Tensor) -> tf.Tensor:
    """Return KL(teacher || student) of the 65 classes, added up over the valid cells, a float32 scalar.

    Both logits (B, Hc, Wc, 65); cells_valid (B, Hc, Wc) bool. Nothing where both agree; no gradient to the teacher.
    """
    student = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    teacher = tf.nn.log_softmax(tf.stop_gradient(tf.cast(teacher_logits, tf.float32)))
    divergence = tf.reduce_sum(tf.exp(teacher) * (teacher - student), axis=-1)
    return tf.reduce_sum(tf.where(cells_valid, divergence, 0.0))


def descriptor_distillation(descriptors: tf.Tensor, teacher: tf.Tensor, cells_valid: tf.Tensor) -> tf.Tensor:
    """Return 1 - cosine of both descriptors, added up over the valid cells, a float32 scalar between 0 and 2 a cell.

    Both maps (B, Hc, Wc, D), not normalised; cells_valid (B, Hc, Wc) bool. No gradient to the teacher.
    """
    units = normalize_descriptors(tf.cast(descriptors, tf.float32))
    wanted = normalize_descriptors(tf.stop_gradient(tf.cast(teacher, tf.float32)))
    return tf.reduce_sum(tf.where(cells_valid, 1.0 - tf.reduce_sum(units * wanted, axis=-1), 0.0))
