"""Distillation against sums in float64, closed forms, and gradients that reach the student alone."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.losses.distillation_loss import descriptor_distillation, detector_distillation

SHAPE = (2, 3, 4)
RANDOM = np.random.default_rng(0)
VALID = RANDOM.random(SHAPE) < 0.6


def maps(channels: int) -> tuple[np.ndarray, np.ndarray]:
    student, teacher = (RANDOM.normal(0, 2, (*SHAPE, channels)).astype(np.float32) for _ in range(2))
    return student, teacher


def softmax(logits: np.ndarray) -> np.ndarray:
    exponentials = np.exp(logits.astype(np.float64) - logits.max())
    return exponentials / exponentials.sum()


def test_the_detectors_part_is_the_divergence_of_each_valid_cell() -> None:
    student, teacher = maps(65)
    expected = 0.0
    for cell in zip(*np.nonzero(VALID), strict=True):
        p, q = softmax(teacher[cell]), softmax(student[cell])
        expected += float((p * np.log(p / q)).sum())
    assert float(detector_distillation(student, teacher, VALID)) == pytest.approx(expected, rel=1e-5)


def test_the_descriptors_part_is_the_cosine_distance_of_each_valid_cell() -> None:
    student, teacher = maps(8)
    expected = 0.0
    for cell in zip(*np.nonzero(VALID), strict=True):
        a, b = student[cell].astype(np.float64), teacher[cell].astype(np.float64)
        expected += 1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert float(descriptor_distillation(student, teacher, VALID)) == pytest.approx(expected, rel=1e-5)


def test_who_answers_as_the_teacher_does_pays_nothing_and_the_opposite_direction_two_a_cell() -> None:
    _, teacher = maps(65)
    assert float(detector_distillation(teacher + 3.0, teacher, VALID)) == pytest.approx(0.0, abs=1e-4)
    assert float(descriptor_distillation(0.1 * teacher, teacher, VALID)) == pytest.approx(0.0, abs=1e-4)
    assert float(descriptor_distillation(-teacher, teacher, VALID)) == pytest.approx(2 * VALID.sum(), rel=1e-5)


@pytest.mark.parametrize("loss", [detector_distillation, descriptor_distillation])
def test_no_gradient_reaches_the_teacher_nor_a_cell_that_does_not_count(loss) -> None:
    student, teacher = map(tf.constant, maps(65))
    with tf.GradientTape() as tape:
        tape.watch([student, teacher])
        value = loss(student, teacher, VALID)
    to_student, to_teacher = tape.gradient(value, [student, teacher])
    assert to_teacher is None
    reached = np.abs(to_student.numpy()).sum(-1) > 0
    np.testing.assert_array_equal(reached, VALID)


@pytest.mark.parametrize("loss", [detector_distillation, descriptor_distillation])
def test_extreme_and_zero_maps_stay_finite(loss) -> None:
    for student, teacher in ((0.0, 0.0), (1e4, -1e4), (0.0, 1e4)):
        ours = tf.Variable(np.full((*SHAPE, 65), student, np.float32))
        with tf.GradientTape() as tape:
            value = loss(ours, np.full((*SHAPE, 65), teacher, np.float32), VALID)
        assert np.isfinite(value) and np.isfinite(tape.gradient(value, ours)).all()
