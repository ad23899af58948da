"""Every setting is listed with its default and with what its declaration says of it."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from superpoint_tf.config import Config
from superpoint_tf.config.config_files import build_config, flatten
from superpoint_tf.config.listing import all_settings, list_settings, meanings_of
from superpoint_tf.config.strict_yaml import parse_yaml


@dataclass(frozen=True)
class Base:
    """A section."""

    beside: int = 1  # what it is
    # Above it,
    # in two lines.
    above: int = 2
    both: tuple[int, int] = (
        3,
        4,
    )  # after its end
    silent: int = 5

    # Of nothing: an empty line follows.

    after: int = 6
    text: str = "# no comment"


@dataclass(frozen=True)
class Derived(Base):
    """A section that has all of another's settings."""

    beside: int = 7
    above: int = 8  # its own meaning


def test_a_meaning_is_the_comment_beside_or_above_a_setting():
    assert meanings_of(Base) == {"beside": "what it is", "above": "Above it, in two lines.", "both": "after its end"}


def test_a_section_takes_meanings_from_the_one_it_is_made_of_unless_it_has_its_own():
    assert meanings_of(Derived) == {**meanings_of(Base), "above": "its own meaning"}


def test_every_setting_has_a_meaning():
    assert [setting.key for setting in all_settings() if not setting.meaning] == []


def test_every_setting_is_listed_once_with_a_default_that_set_takes():
    assert [setting.key for setting in all_settings()] == [key for key, _, _ in flatten(Config())]
    listed = list_settings(width=10_000)
    for setting in all_settings():
        lines = [line for line in listed.splitlines() if line.startswith(f"  {setting.key}=")]
        assert len(lines) == 1
    values: dict[str, object] = {}
    for line in list_settings("network", 10_000).splitlines()[1:]:
        key, _, value = line.split("   ")[0].strip().partition("=")
        values[key.partition(".")[2]] = parse_yaml(value)
    assert build_config({"network": values}) == Config()


def test_a_section_a_part_of_one_and_a_single_key_can_be_asked_for():
    assert list_settings("network").startswith("network: Shape of the network.\n  network.width=1.0")
    sections = {line.partition(":")[0] for line in list_settings("photographs").splitlines() if line[:1].strip()}
    assert sections >= {"photographs", "photographs.later.homography"} and "network.width" not in sections
    assert list_settings("network.width", 200).splitlines()[1:] == [
        "  network.width=1.0                             multiplies every channel count of encoder and heads"
    ]


def test_choices_are_shown_and_lines_are_as_wide_as_the_terminal():
    assert "[max, blur]" in list_settings("network.pooling", 10_000)
    own = [line for line in list_settings("joint", 100).splitlines() if not line.startswith("joint:")]
    assert max(map(len, own)) <= 100


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("jont", "did you mean joint"),
        ("joint.stepps", "did you mean joint.steps"),
        ("x!", "there are synthetic, photo"),
    ],
)
def test_what_is_no_section_is_refused_with_what_was_meant(name: str, words: str):
    with pytest.raises(ValueError, match=f"'{name}' is no section; {words}"):
        list_settings(name)
