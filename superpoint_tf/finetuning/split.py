"""Which photographs a fine-tuning learns from, which choose its weights, and which judge them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from superpoint_tf.config import ConfigError, PhotographsSection
from superpoint_tf.data.photographs.photograph_sets import PhotographSet, find_photographs

_HELD_OUT_FRACTION, _MIN_HELD_OUT, _MAX_HELD_OUT = 0.3, 7, 75
_CHOOSING_PART = 3  # of those held out a third chooses, the others judge


@dataclass(frozen=True)
class Split:
    """Photographs of one folder in three parts; what judges has no part in training."""

    photographs: PhotographSet  # `train` is labelled and learnt from, `validation` chooses the best weights
    judges: tuple[str, ...]  # below the same root


def split_photographs(section: PhotographsSection, images: str) -> Split:
    """Return the photographs of a folder, `bundled` for scikit-image's, in three parts, the same at every call.

    Held out are those of `photographs.validation`, else 30 % by their content, 7 to 75. Raises FileNotFoundError
    without photographs, ConfigError for fewer than three that can be read.
    """
    found = find_photographs(section, images, _num_held_out).with_readable_validation(section.stretch)
    held_out = found.validation
    if len(held_out) < 2 or not found.train:
        raise ConfigError(
            f"{images}: {len(found.train)} photographs to learn from and {len(held_out)} held out; give a folder with "
            "more of them: one at least to learn from and two to hold out, some dozen for a verdict"
        )
    choosing = max(1, len(held_out) // _CHOOSING_PART)
    # by name, not by turns: neighbours in a folder are often of one scene, which should not be on both sides
    return Split(replace(found, validation=held_out[:choosing]), held_out[choosing:])


def _num_held_out(count: int) -> int:
    return min(max(_MIN_HELD_OUT, round(_HELD_OUT_FRACTION * count)), _MAX_HELD_OUT, (count + 1) // 2)
