"""The table of systems: what its rows say, and that it can be read without TensorFlow."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import pytest

from superpoint_tf.config import JointSection
from superpoint_tf.systems import (
    CLASSES,
    COSTS,
    MAPS,
    SCORES,
    SYSTEMS,
    VECTORS,
    DenseSpec,
    DigitSpec,
    PatchSpec,
    StereoSpec,
)
from superpoint_tf.systems.system import conv


def test_reading_the_table_does_not_import_tensorflow() -> None:
    code = "import sys, superpoint_tf.systems; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_has_a_paper_a_loss_and_gives_what_its_kind_of_network_can(name: str) -> None:
    system = SYSTEMS[name]
    assert system.paper[-4:].isdigit() and system.losses
    if isinstance(system.network, PatchSpec):
        assert system.gives == (SCORES if system.network.head else VECTORS)
    elif isinstance(system.network, StereoSpec):
        assert system.gives == COSTS
    else:
        assert system.gives == (CLASSES if isinstance(system.network, DigitSpec) else MAPS)


def test_magicpoint_is_superpoint_without_its_descriptor() -> None:
    assert SYSTEMS["magicpoint"].network == DenseSpec("cells", descriptor=False)
    assert SYSTEMS["superpoint"].network == DenseSpec("cells", descriptor=True)
    assert [SYSTEMS[name].train for name in ("magicpoint", "superpoint")] == ["detector", "joint"]


def test_the_losses_of_superpoint_are_those_of_its_section_with_the_papers_first() -> None:
    field = next(f for f in dataclasses.fields(JointSection) if f.name == "descriptor_loss")
    assert SYSTEMS["superpoint"].losses == field.metadata["choices"]
    assert SYSTEMS["superpoint"].losses[0] == field.default


def test_hardnet_has_seven_convolutions_each_followed_by_batch_norm_and_ends_at_unit_length() -> None:
    network = SYSTEMS["hardnet"].network
    assert isinstance(network, PatchSpec)
    kinds = [layer.kind for layer in network.layers]
    assert kinds == ["conv", "bn", "relu"] * 6 + ["dropout", "conv", "bn", "l2"]
    channels = [layer.values["channels"] for layer in network.layers if layer.kind == "conv"]
    assert channels == [32, 32, 64, 64, 128, 128, 128]


def test_a_padding_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="'full' is not known; use 'same' or 'valid'"):
        conv(32, padding="full")
