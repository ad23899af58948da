"""What settings must fulfil together; the range of each one stands beside its default in `config`."""

from __future__ import annotations

from superpoint_tf.config.fields import CELL, ConfigError, shown
from superpoint_tf.config.sections import TRAININGS, Config
from superpoint_tf.config.system_rules import check_system

MAX_SAMPLES = 2**40  # of a training; other sets have the numbers from there on (data/random_streams.py)
_LONGEST_NAME = 100  # it becomes the name of folders


def check_rules(config: Config, source: str) -> None:
    """Raise ConfigError, beginning with `source`, for settings that contradict each other, naming key and remedy."""
    _check_name(config.name, source)
    _check_ranges(config, source)
    _check_planes(config, source)
    _check_shapes(config, source)
    _check_borders(config, source)
    _check_keypoints(config, source)
    check_system(config, source)
    _check_training(config, source)
    _check_views(config, source)


def _check_name(name: str, source: str) -> None:
    plain = name.strip() == name and not name.startswith(".") and not set("/\\") & set(name)
    if not name or not plain or len(name) > _LONGEST_NAME:
        raise ConfigError(
            f"{source}: `name`: {shown(name)} cannot name a folder in outputs/ and labels/; "
            f"give 1 to {_LONGEST_NAME} characters without slashes, not beginning with a dot"
        )


def _check_ranges(config: Config, source: str) -> None:
    for key, photometric in (
        ("synthetic", config.synthetic.photometric),
        ("photographs", config.photographs.photometric),
    ):
        for name in ("contrast", "shade"):
            low, high = getattr(photometric, name)
            if low > high:
                raise ConfigError(f"{source}: `{key}.photometric.{name}`: {low:g} is above {high:g}; give [low, high]")


def _check_planes(config: Config, source: str) -> None:
    for key, planes in (("dense", config.dense.planes), ("evaluation", config.evaluation.planes)):
        low, high = planes.segments
        if low > high:
            raise ConfigError(f"{source}: `{key}.planes.segments`: {low} is above {high}; give [low, high]")


def _check_shapes(config: Config, source: str) -> None:
    for key, shape in (
        ("synthetic.draw.image_shape", config.synthetic.draw.image_shape),
        ("photographs.image_shape", config.photographs.image_shape),
        ("photographs.crop_shape", config.photographs.crop_shape),
    ):
        if any(side % CELL for side in shape):
            nearest = [max(32, round(side / CELL) * CELL) for side in shape]
            raise ConfigError(
                f"{source}: `{key}`: {list(shape)} is not a multiple of {CELL}, the detector's cell; nearest: {nearest}"
            )
    frame, crop = config.photographs.image_shape, config.photographs.crop_shape
    if crop != (0, 0) and (0 in crop or crop[0] > frame[0] or crop[1] > frame[1]):
        raise ConfigError(
            f"{source}: `photographs.crop_shape`: {list(crop)} is not within image_shape {list(frame)}; [0, 0]: no crop"
        )


def _check_borders(config: Config, source: str) -> None:
    """Refuse a border that leaves nothing of the frame."""
    photographs, synthetic, adaptation = config.photographs, config.synthetic, config.adaptation
    trained = photographs.image_shape if photographs.crop_shape == (0, 0) else photographs.crop_shape
    borders: list[tuple[str, float, tuple[int, int]]] = [
        ("adaptation.detection.border_px", adaptation.detection.border_px, photographs.image_shape),
        ("adaptation.erosion_px", adaptation.erosion_px, photographs.image_shape),
        ("photographs.homography.valid_border_px", photographs.homography.valid_border_px, trained),
        ("synthetic.homography.valid_border_px", synthetic.homography.valid_border_px, synthetic.draw.image_shape),
    ]
    for key, border, shape in borders:
        if 2 * border >= min(shape):
            most = (min(shape) - 1) // 2
            raise ConfigError(f"{source}: `{key}`: {border:g} leaves nothing of {list(shape)}; give at most {most}")


def _check_keypoints(config: Config, source: str) -> None:
    if config.adaptation.detection.max_keypoints == 0:
        raise ConfigError(f"{source}: `adaptation.detection.max_keypoints`: 0 leaves no labels; give 1 or more")


def _check_training(config: Config, source: str) -> None:
    for key in TRAININGS:
        training = getattr(config, key)
        if training.num_samples % training.accumulate:
            multiple = training.accumulate * max(training.batch_size // max(training.num_samples, 1), 1)
            raise ConfigError(
                f"{source}: `{key}.batch_size`: {training.batch_size} does not divide into `{key}.accumulate`: "
                f"{training.accumulate} equal micro-batches; make it a multiple of {multiple}"
            )
        if training.steps * training.num_samples > MAX_SAMPLES:
            raise ConfigError(
                f"{source}: `{key}.steps`: {training.steps} of {training.batch_size} samples are more than "
                f"{MAX_SAMPLES}, the sample numbers of a training; give fewer"
            )
    if config.joint.negative_margin >= config.joint.positive_margin:
        raise ConfigError(f"{source}: `joint.negative_margin` must be below `joint.positive_margin`")


def _check_views(config: Config, source: str) -> None:
    """Refuse ranges that the sampler could not draw, and a later part that cannot begin."""
    photographs, later = config.photographs, config.photographs.later
    homographies = {
        "synthetic": config.synthetic.homography,
        "photographs": photographs.homography,
        "photographs.later": later.homography,
        "adaptation": config.adaptation.homography,
        "evaluation": config.evaluation.homography,
    }
    for key, homography in homographies.items():
        if key == "photographs.later" and not later.from_step:
            continue
        if homography.max_zoom > 1 and not homography.allow_artifacts:
            raise ConfigError(
                f"{source}: `{key}.homography.max_zoom`: {homography.max_zoom:g} needs allow_artifacts: true, since a "
                "smaller picture leaves empty borders; or give 1"
            )
    if later.from_step and later.homography.valid_border_px != photographs.homography.valid_border_px:
        raise ConfigError(
            f"{source}: `photographs.later.homography.valid_border_px`: {later.homography.valid_border_px} differs "
            f"from {photographs.homography.valid_border_px} of photographs.homography; all samples of a batch share it"
        )
    if later.from_step and not later.share:
        raise ConfigError(
            f"{source}: `photographs.later.share`: 0 leaves no sample to the later ranges; give more, or from_step: 0"
        )
