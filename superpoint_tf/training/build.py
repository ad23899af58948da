"""From a config to its training task: a builder a kind of training."""

from __future__ import annotations

from superpoint_tf.config import Config
from superpoint_tf.training.builders.detector_tasks import build_joint_task, build_shapes_task
from superpoint_tf.training.builders.patch_tasks import build_lift_task, build_patches_task
from superpoint_tf.training.builders.picture_tasks import (
    build_classes_task,
    build_dense_task,
    build_digits_task,
    build_lfnet_task,
)
from superpoint_tf.training.builders.stereo_tasks import build_stereo_task
from superpoint_tf.training.tasks import Task

BUILDERS = {
    "detector": build_shapes_task,
    "joint": build_joint_task,
    "patches": build_patches_task,
    "dense": build_dense_task,
    "digits": build_digits_task,
    "lift": build_lift_task,
    "lfnet": build_lfnet_task,
    "classes": build_classes_task,
    "stereo": build_stereo_task,
}


def build_task(config: Config) -> Task:
    """Build what the config's `train` says."""
    return BUILDERS[config.train](config)
