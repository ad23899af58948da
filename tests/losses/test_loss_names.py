"""The tables of losses have exactly the names that a config may give."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest

from superpoint_tf.config import JointSection
from superpoint_tf.losses import descriptor_loss, keypoint_loss


@pytest.mark.parametrize(
    "field, losses", [("descriptor_loss", descriptor_loss.LOSSES), ("keypoint_loss", keypoint_loss.LOSSES)]
)
def test_each_name_that_a_config_may_give_has_its_loss(field: str, losses: Mapping[str, Any]):
    choices = {f.name: f.metadata.get("choices") for f in dataclasses.fields(JointSection)}
    assert tuple(losses) == choices[field]
