"""The objectives by the section of the config that trains by them."""

from __future__ import annotations

from collections.abc import Callable

from superpoint_tf.config import Config
from superpoint_tf.training.objectives.class_objective import ClassObjective
from superpoint_tf.training.objectives.dense_objective import DenseObjective
from superpoint_tf.training.objectives.detector_objective import DetectorObjective
from superpoint_tf.training.objectives.digit_objective import DigitObjective
from superpoint_tf.training.objectives.joint_objective import JointObjective
from superpoint_tf.training.objectives.lfnet_objective import LfnetObjective
from superpoint_tf.training.objectives.lift_objective import LiftObjective
from superpoint_tf.training.objectives.objective import Objective
from superpoint_tf.training.objectives.patch_objective import patch_objective
from superpoint_tf.training.objectives.stereo_objective import StereoObjective

OBJECTIVES: dict[str, Callable[[Config], Objective]] = {
    "detector": DetectorObjective,
    "joint": JointObjective,
    "lfnet": LfnetObjective,
    "lift": LiftObjective,
    "patches": patch_objective,
    "dense": DenseObjective,
    "digits": DigitObjective,
    "classes": ClassObjective,
    "stereo": StereoObjective,
}
