"""Every setting of the pipeline with its default and meaning; `config_files` reads and writes YAML."""

from superpoint_tf.config.detection import AdaptationSection, DetectionConfig
from superpoint_tf.config.fields import CELL, PRECISIONS, ConfigError
from superpoint_tf.config.patch_trainings import DOG, ConvexSection, LiftSection, PatchesSection
from superpoint_tf.config.picture_trainings import (
    ClassesSection,
    DenseSection,
    DigitsSection,
    LfnetSection,
    StereoChanges,
    StereoSection,
)
from superpoint_tf.config.pictures import (
    IMGAUG_RUNS,
    NO_IMGAUG,
    SYNTHETIC_PHOTOMETRIC,
    HomographyConfig,
    LaterViews,
    PhotographsSection,
    PhotometricConfig,
    PlanesConfig,
    SyntheticSection,
)
from superpoint_tf.config.sections import TRAININGS, Config, EvaluationSection, NetworkConfig
from superpoint_tf.config.trainings import JointSection, TrainingConfig

__all__ = [
    "CELL",
    "DOG",
    "IMGAUG_RUNS",
    "NO_IMGAUG",
    "PRECISIONS",
    "SYNTHETIC_PHOTOMETRIC",
    "TRAININGS",
    "AdaptationSection",
    "ClassesSection",
    "Config",
    "ConfigError",
    "ConvexSection",
    "DenseSection",
    "DetectionConfig",
    "DigitsSection",
    "EvaluationSection",
    "HomographyConfig",
    "JointSection",
    "LaterViews",
    "LfnetSection",
    "LiftSection",
    "NetworkConfig",
    "PatchesSection",
    "PhotographsSection",
    "PhotometricConfig",
    "PlanesConfig",
    "StereoChanges",
    "StereoSection",
    "SyntheticSection",
    "TrainingConfig",
]
