"""Detector and descriptor together on warped pairs (paper equation 1), and the terms that the paper has not."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from superpoint_tf.config import Config, JointSection
from superpoint_tf.data.batches.batch import TensorBatch
from superpoint_tf.losses.consistency_loss import consistency_loss, count_consistency, move_images, sample_moves
from superpoint_tf.losses.correspondences import Correspondences, choose_correspondences, count_correspondences
from superpoint_tf.losses.descriptor_loss import collapsed_descriptor_loss, count_pairs, descriptor_loss
from superpoint_tf.losses.detector_loss import count_cells, detector_loss
from superpoint_tf.losses.distillation_loss import descriptor_distillation, detector_distillation
from superpoint_tf.losses.keypoint_loss import collapsed_keypoint_loss, keypoint_loss
from superpoint_tf.networks.weights import load_network
from superpoint_tf.training.objectives.objective import LossTerm, sits_at
from superpoint_tf.training.replicas import cut


class JointObjective:
    """Train both heads by the terms that the `joint` section asks for."""

    def __init__(self, config: Config) -> None:
        self._settings = config.joint
        self._at_keypoints = self._settings.keypoint_weight > 0
        self._with_moved = self._settings.consistency_weight > 0
        self._teacher = _load_teacher(self._settings)
        self._over_cells = self._settings.descriptor_weight > 0
        further = ("desc",) * self._over_cells + ("kpt",) * self._at_keypoints + ("cons",) * self._with_moved
        # what a teacher's answers cost: of the detector, and of descriptors where both have as many numbers
        self._taught: tuple[str, ...] = ()
        if self._teacher is not None:
            alike = self._teacher.output["descriptors"].shape[-1] == config.network.descriptor_dim
            self._taught = ("tdet", "tdesc") if alike else ("tdet",)
        further += self._taught
        self.term_names: tuple[str, ...] = ("det0", "det1", *further)

    def counts(self, batch: TensorBatch) -> dict[str, tf.Tensor]:
        valid0, valid1 = batch["cells_valid0"], batch["cells_valid1"]
        counts = {"det0": count_cells(valid0), "det1": count_cells(valid1)}
        if self._over_cells:
            counts["desc"] = count_pairs(valid0, valid1)
        if self._at_keypoints:
            counts["kpt"] = count_correspondences(self._correspondences(batch))
        counts |= dict.fromkeys(self._taught, count_cells(valid0) + count_cells(valid1))
        if self._with_moved:
            counts["cons"] = count_consistency(sample_moves(batch["shift_seeds"]), valid0)
        return counts

    def loss_terms(self, model: tf.keras.Model, batch: TensorBatch) -> dict[str, LossTerm]:
        # One forward pass for all views: batch normalisation then sees one set of statistics.
        images = [batch["images0"], batch["images1"]]
        if self._with_moved:  # view 0 alone: half the cost of both, and view 1 holds the same content
            images.append(move_images(batch["images0"], sample_moves(batch["shift_seeds"])))
        outputs = model(tf.concat(images, axis=0), training=True)
        logits, descriptors = (tf.split(outputs[name], len(images)) for name in ("logits", "descriptors"))
        terms = {
            f"det{view}": LossTerm(
                detector_loss(logits[view], batch[f"cell_labels{view}"], batch[f"cells_valid{view}"]), 0.5
            )
            for view in (0, 1)
        }
        if self._over_cells:
            terms["desc"] = self._descriptor_term(descriptors, batch)
        if self._at_keypoints:
            terms["kpt"] = self._keypoint_term(descriptors, batch)
        if self._with_moved:
            moves = sample_moves(batch["shift_seeds"])
            disagreement = consistency_loss(logits[0], logits[2], moves, batch["cells_valid0"])
            terms["cons"] = LossTerm(disagreement, self._settings.consistency_weight)
        if self._teacher is not None:
            terms |= self._taught_terms(self._teacher, logits, descriptors, batch)
        return terms

    def _taught_terms(
        self, teacher: tf.keras.Model, logits: Sequence[tf.Tensor], descriptors: Sequence[tf.Tensor], batch: TensorBatch
    ) -> dict[str, LossTerm]:
        answers = teacher(tf.concat([batch["images0"], batch["images1"]], axis=0), training=False)
        valid = tf.concat([batch["cells_valid0"], batch["cells_valid1"]], axis=0)
        found = [tf.concat(maps[:2], axis=0) for maps in (logits, descriptors)]
        sums = {"tdet": detector_distillation(found[0], answers["logits"], valid)}
        if "tdesc" in self._taught:
            sums["tdesc"] = descriptor_distillation(found[1], answers["descriptors"], valid)
        return {name: LossTerm(each, self._settings.teacher_weight) for name, each in sums.items()}

    def _descriptor_term(self, descriptors: Sequence[tf.Tensor], batch: TensorBatch) -> LossTerm:
        valid0, valid1 = batch["cells_valid0"], batch["cells_valid1"]
        homography = batch["homography_0to1"]
        pairs = descriptor_loss(descriptors[0], descriptors[1], homography, valid0, valid1, self._settings)
        return LossTerm(pairs, self._settings.descriptor_weight)

    def _keypoint_term(self, descriptors: Sequence[tf.Tensor], batch: TensorBatch) -> LossTerm:
        valid0, valid1 = batch["cells_valid0"], batch["cells_valid1"]
        correspondences = self._correspondences(batch)
        rows = keypoint_loss(descriptors[0], descriptors[1], correspondences, valid0, valid1, self._settings)
        return LossTerm(rows, self._settings.keypoint_weight)

    def _correspondences(self, batch: TensorBatch) -> Correspondences:
        return choose_correspondences(
            batch["points0"],
            batch["points1"],
            batch["homography_0to1"],
            batch["cells_valid0"],
            batch["cells_valid1"],
            batch["shift_seeds"],
            self._settings,
        )

    def warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        found = self._cells_warning(model_losses, batch) if self._over_cells else ""
        return found or (self._keypoint_warning(model_losses, batch) if self._at_keypoints else "")

    def _cells_warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        valid0, valid1 = batch["cells_valid0"], batch["cells_valid1"]
        collapsed = float(collapsed_descriptor_loss(batch["homography_0to1"], valid0, valid1, self._settings))
        if not sits_at(model_losses["desc"], collapsed):
            return ""
        return (
            f"the descriptor loss sits at {collapsed:.4f}, what equal descriptors everywhere would cost: "
            "lower joint.positive_weight or joint.learning_rate if it stays there"
        )

    def _keypoint_warning(self, model_losses: dict[str, float], batch: TensorBatch) -> str:
        total, count = 0.0, 0.0
        # By micro-batches: with negatives from the `batch` the number of candidates depends on them.
        for index in range(self._settings.accumulate):
            part = cut(batch, index, self._settings.accumulate)
            pairs, valid0, valid1 = self._correspondences(part), part["cells_valid0"], part["cells_valid1"]
            number = float(count_correspondences(pairs))
            total += number * float(collapsed_keypoint_loss(pairs, valid0, valid1, self._settings))
            count += number
        collapsed = total / max(count, 1.0)
        if not (collapsed > 0 and sits_at(model_losses["kpt"], collapsed)):
            return ""
        return (
            f"the keypoint loss sits at {collapsed:.4f}, what equal descriptors everywhere would cost: "
            "lower joint.keypoint_weight or joint.learning_rate if it stays there"
        )


def _load_teacher(settings: JointSection) -> tf.keras.Model | None:
    if not settings.teacher or not settings.teacher_weight:
        return None
    return load_network(settings.teacher, settings.precision)[0]
