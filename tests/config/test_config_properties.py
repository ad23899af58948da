"""Configs that somebody got wrong, by the thousand: one clear line, exit code 2, nothing created."""

from __future__ import annotations

import copy
import math
import runpy
import string
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import config_to_dict, flatten, load_config

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = {path.name: yaml.safe_load(path.read_text()) for path in sorted((ROOT / "configs").glob("*.yaml"))}
KNOWN = {key: value for key, value, _ in flatten(Config())}
TOOLS_WITH_CONFIG = ("train_superpoint", "generate_synthetic", "homographic_adapt", "evaluate", "benchmark")
LONGEST_LINE = 1200  # that of an unknown key lists the known ones

many = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def with_value(values: dict[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """Return a copy of a config in which one setting is another."""
    values = copy.deepcopy(values)
    *parents, last = dotted.split(".")
    node = values
    for parent in parents:
        node = node.setdefault(parent, {})
    node[last] = value
    return values


def refusal(folder: Path, content: str | bytes) -> str:
    """Return the one line by which a config is refused; it must name the file."""
    path = folder / "some.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    message = str(caught.value)
    assert message.startswith(str(path)) and len(message.splitlines()) == 1, message
    assert message.isprintable() and len(message) - len(str(path)) < LONGEST_LINE, message
    return message


def is_refused(value: Any, current: Any) -> bool:
    """Tell whether a value is of a type that no setting like `current` takes."""
    if isinstance(current, bool):
        return not isinstance(value, bool)
    if current is None or isinstance(current, int | float):  # None: a number that another setting decides
        return isinstance(value, bool | list | dict | str)
    if isinstance(current, str):
        return isinstance(value, bool | int | float | list | dict)
    if isinstance(current, dict):
        return not isinstance(value, dict) or value == {"a": [1]}  # {}: all keep their defaults
    return isinstance(value, bool | int | float | str) or value in ([], {})


words = st.text(string.ascii_letters + "_", min_size=1, max_size=20)
shipped = st.sampled_from(sorted(SHIPPED))
known = st.sampled_from(sorted(KNOWN))
values_of_any_type = st.one_of(
    st.booleans(), st.integers(), st.floats(), words.map("no ".__add__), st.just([]), st.just({}), st.just({"a": [1]})
)


@many
@given(
    name=shipped, section=st.sampled_from(["", *sorted(config_to_dict(Config()))]), key=words, value=values_of_any_type
)
def test_an_unknown_key_is_named_with_its_section(folder: Path, name: str, section: str, key: str, value: Any):
    whole = f"{section}.{key}" if isinstance(config_to_dict(Config()).get(section), dict) else key
    known_here = {each[: len(whole)] for each in KNOWN}
    if whole in known_here:
        return
    message = refusal(folder, yaml.safe_dump(with_value(SHIPPED[name], whole, value)))
    assert f"unknown key `{whole}`" in message and ("did you mean `" in message or "known here: " in message)


@many
@given(name=shipped, key=known, value=values_of_any_type)
def test_a_value_of_another_type_is_refused_with_its_key(folder: Path, name: str, key: str, value: Any):
    if not is_refused(value, KNOWN[key]):
        return
    message = refusal(folder, yaml.safe_dump(with_value(SHIPPED[name], key, value)))
    assert f"`{key}`" in message and ("expected" in message or "is not one of" in message or "cannot name" in message)


NUMBERS = sorted(key for key, value in KNOWN.items() if isinstance(value, int | float) and not isinstance(value, bool))
TOO_FAR = ["-1e30", "1e30", "-5", "9" * 400, "0x" + "f" * 5000, "9" * 5000, ".inf", "-.inf", ".nan", "1e400"]


@pytest.mark.parametrize("text", TOO_FAR, ids=lambda text: text[:10])
def test_every_number_has_a_range(folder: Path, text: str):
    for key in NUMBERS:
        if (key, text) == ("joint.negative_margin", "-5"):
            continue  # below every cosine: harmless
        *sections, last = key.split(".")
        content = f"{last}: {text}"
        for section in reversed(sections):
            content = f"{section}: {{{content}}}"
        message = refusal(folder, content)
        assert f"`{key}`" in message or "too many digits" in message or "border_px: 1e+30; give" in message, message


def test_a_number_that_is_not_one_is_refused_by_its_range_too():
    assert not math.nan >= 0
    with pytest.raises(ConfigError, match="threshold: nan is below the minimum 0"):
        type(Config().adaptation.detection)(threshold=math.nan)


SHAPES = ["synthetic.draw.image_shape", "photographs.image_shape", "photographs.crop_shape"]


@many
@given(name=shipped, key=st.sampled_from(SHAPES), sides=st.lists(st.integers(-9, 9000), max_size=4))
def test_image_shapes_are_two_multiples_of_eight_within_bounds(folder: Path, name: str, key: str, sides: list[int]):
    fits = len(sides) == 2 and all(32 <= side <= 8192 and side % 8 == 0 for side in sides)
    if fits or (key.endswith("crop_shape") and sides in ([0, 0], SHIPPED[name].get("photographs"))):
        return
    assert f"`{key}`" in refusal(folder, yaml.safe_dump(with_value(SHIPPED[name], key, sides)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("joint: {negative_margin: 0.5, positive_margin: 0.5}", "`joint.negative_margin` must be below"),
        ("detector: {batch_size: 8, accumulate: 3}", "`detector.batch_size`: 8 does not divide"),
        ("photographs: {image_shape: [64, 64], crop_shape: [64, 72]}", "`photographs.crop_shape`"),
        (
            "photographs: {image_shape: [64, 64]}\nadaptation: {detection: {border_px: 32}}",
            "`adaptation.detection.border_px`",
        ),
        ("photographs: {image_shape: [64, 64]}\nadaptation: {erosion_px: 40}", "give at most 31"),
        ("photographs: {crop_shape: [32, 32], homography: {valid_border_px: 16}}", "leaves nothing of [32, 32]"),
        ("synthetic: {homography: {valid_border_px: 60}}", "`synthetic.homography.valid_border_px`"),
        ("synthetic: {draw: {border_px: 60}}", "border_px: 60.0; give 0 or more"),
        ("synthetic: {photometric: {shade: [0.5, -0.5]}}", "give [low, high]"),
        ('synthetic: {root: ""}', "`synthetic.root`: is empty"),
        ('synthetic: {root: "a\\0b"}', "holds control characters"),
        ("adaptation: {detection: {max_keypoints: 0}}", "`adaptation.detection.max_keypoints`: 0 leaves no labels"),
        ('name: ""', "`name`"),
        ("name: ../../etc", "cannot name a folder"),
        ("name: .hidden", "not beginning with a dot"),
        (f"name: {'long' * 100}", "give 1 to 100 characters"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(folder: Path, text: str, words: str):
    assert words in refusal(folder, text)


BILLION_LAUGHS = "a: &a [x, x]\n" + "".join(
    f"{chr(b + 1)}: &{chr(b + 1)} [{', '.join([f'*{chr(b)}'] * 9)}]\n" for b in range(ord("a"), ord("m"))
)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("joint: &a {steps: 3}\ndetector: *a\n", "line 1, column 8: configs take no anchors and aliases (`'a'`)"),
        (BILLION_LAUGHS, "line 1, column 4: configs take no anchors"),
        ("joint: {<<: {steps: 3}}", "no merge keys"),
        ("seed: !!int 3", "no tags (`'tag:yaml.org,2002:int'`)"),
        ("name: !!python/object/apply:os.system [ls]", "no tags"),
        ("name: !!timestamp x", "no tags"),
        ("seed: 1\nseed: 2\n", "line 2, column 1: key 'seed' is given twice"),
        ("joint: {steps: 1, steps: 2}", "line 1, column 19: key 'steps' is given twice"),
        ("joint: {1: 2, 1: 3}", "given twice"),
        ("? [a, b]\n: 1", "key ['a', 'b'] is given twice"),
        ("joint: {2: 3}", "unknown key 2 in `joint`"),
        ('"a\\nb": 3', "unknown key 'a\\nb' in `the file`"),
        ("k" * 900 + ": 3", "unknown key 'kkkk"),
        ("joint: [1, 2]", "`joint` is a section"),
        ("[" * 2000, "nested too deeply"),
        ("{a: " * 500 + "1" + "}" * 500, "nested too deeply"),
        ("joint: {steps: " + "[" * 80 + "]" * 80 + "}", "expected a whole number, found [["),
        ("seed:\t1\n\tname: x", "not valid YAML: line"),
        ("\tseed: 1", "not valid YAML: line 1, column 1"),
        (b"seed: 1 # \xff", "not a UTF-8 text file (invalid start byte at byte 10)"),
        ("seed: 1\0", "not valid YAML"),
        ("seed: 1\n---\nseed: 2\n", "not valid YAML: line 2"),
        ("- seed: 1", "expected sections such as `joint:`, found list"),
        ("seed", "expected sections such as `joint:`, found str"),
        ("seed: 2001-13-41", "not valid YAML: month must be in 1..12"),
        ("# " + "x" * 2**20, "above 256 KiB"),
    ],
)
def test_yaml_that_is_none_of_ours_is_refused_with_its_place(folder: Path, content: str | bytes, words: str):
    assert words in refusal(folder, content)


@pytest.mark.parametrize("content", ["", "# nothing\n", "joint:\nnetwork:\n", "---\n", "{}"])
def test_an_empty_file_and_empty_sections_are_the_defaults(tmp_path: Path, content: str):
    (tmp_path / "default.yaml").write_text(content)
    assert load_config(tmp_path / "default.yaml") == Config()


def test_a_folder_and_an_empty_name_are_no_configs(tmp_path: Path):
    for path in (tmp_path, ""):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(path)


@many
@given(
    override=st.one_of(
        st.text(max_size=60),
        st.tuples(known, st.text(max_size=30)).map("=".join),
        st.tuples(words, words, words).map(lambda parts: f"{parts[0]}.{parts[1]}={parts[2]}"),
    )
)
def test_an_override_is_taken_or_refused_in_one_line(folder: Path, override: str):
    path = folder / "plain.yaml"
    path.write_text("seed: 1\n")
    try:
        load_config(path, [override])
    except ConfigError as error:
        message = str(error)
        assert "--set" in message and len(message.splitlines()) == 1 and message.isprintable(), message


def test_options_of_a_tool_are_plain_values_and_win_over_overrides(tmp_path: Path):
    (tmp_path / "some.yaml").write_text("synthetic:\n")
    given_path = "data # 1: 'ü\u202f😀'"  # what YAML would read as a comment and a mapping
    config = load_config(tmp_path / "some.yaml", ["synthetic.root=x"], {"synthetic.root": given_path})
    assert config.synthetic.root == given_path


BAD_CONFIGS = {
    "unknown key": b"jont: {steps: 3}",
    "wrong type": b"seed: [1]",
    "out of range": b"joint: {steps: 0}",
    "no YAML": b"joint: {",
    "no text": b"\xff\xfe\x00",
    "code": b"name: !!python/object/apply:os.mkdir [made]",
    "laughs": BILLION_LAUGHS.encode(),
}


@pytest.mark.parametrize("kind", BAD_CONFIGS)
@pytest.mark.parametrize("tool", TOOLS_WITH_CONFIG)
def test_every_tool_ends_with_code_2_one_line_and_nothing_created(
    tool: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "bad.yaml").write_bytes(BAD_CONFIGS[kind])
    monkeypatch.chdir(tmp_path)
    given_config = ["bad.yaml"] if tool == "train_superpoint" else ["--config", "bad.yaml"]
    given_config += ["hpatches", "--data", "."] if tool == "evaluate" else []
    monkeypatch.setattr(sys, "argv", [tool, *given_config])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools" / f"{tool}.py"), run_name="__main__")
    captured = capsys.readouterr()
    assert end.value.code == 2 and captured.out == ""
    assert captured.err.startswith("error: bad.yaml: ") and len(captured.err.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["bad.yaml"]
