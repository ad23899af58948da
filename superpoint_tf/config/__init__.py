"""Every setting of the pipeline: `sections` has them with default and meaning, `config_files` reads and writes YAML."""

from superpoint_tf.config.sections import (
    CELL,
    PRECISIONS,
    SYNTHETIC_PHOTOMETRIC,
    AdaptationSection,
    Config,
    ConfigError,
    DetectionConfig,
    EvaluationSection,
    HomographyConfig,
    JointSection,
    LaterViews,
    NetworkConfig,
    PhotographsSection,
    PhotometricConfig,
    SyntheticSection,
    TrainingConfig,
)

__all__ = [
    "CELL",
    "PRECISIONS",
    "SYNTHETIC_PHOTOMETRIC",
    "AdaptationSection",
    "Config",
    "ConfigError",
    "DetectionConfig",
    "EvaluationSection",
    "HomographyConfig",
    "JointSection",
    "LaterViews",
    "NetworkConfig",
    "PhotographsSection",
    "PhotometricConfig",
    "SyntheticSection",
    "TrainingConfig",
]
