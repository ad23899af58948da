from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from superpoint_tf.config import Config, ConfigError, DetectionConfig
from superpoint_tf.config.config_files import build_config, config_to_yaml, deciding_settings, load_config
from superpoint_tf.config.differences import differences

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.yaml"))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "some.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_shipped_config_loads_and_says_in_its_header_what_it_is(path: Path):
    assert load_config(path).name == path.stem
    assert path.read_text().startswith("# ")


def test_the_resolved_config_reads_back_equal():
    config = build_config({"joint": {"steps": 7}, "photographs": {"image_shape": [120, 160]}, "name": "x"})
    assert build_config(yaml.safe_load(config_to_yaml(config))) == config


def test_an_unknown_key_is_answered_with_file_key_and_nearest_known(tmp_path: Path):
    path = write(tmp_path, "joint:\n  learning_rte: 0.1\n")
    with pytest.raises(
        ConfigError, match=r"some\.yaml: unknown key `joint\.learning_rte`; did you mean `joint\.learning_rate`"
    ):
        load_config(path)


@pytest.mark.parametrize(
    "text, words",
    [
        ("joint: {steps: many}", "expected a whole number"),
        ("joint: {steps: 0}", "below the minimum 1"),
        ("joint: {steps: 1.5}", "expected a whole number"),
        ("joint: {learning_rate: .inf}", "finite"),
        ("joint: {schedule: stairs}", "not one of cosine, constant"),
        ("photographs: {image_shape: [240, 321]}", "not a multiple of 8"),
        ("photographs: {image_shape: [240]}", "expected a list of 2"),
        ("synthetic: {draw: {primitives: []}}", "expected a list"),
        ("synthetic: {draw: {primitives: [square]}}", "not one of lines"),
        ("synthetic: {draw: {primitives: [star], frequencies: {star: 0}}}", "one of them above 0"),
        ("joint: 3", "is a section"),
        ("- a", "expected sections"),
        ("joint: {steps: 1, steps: 2}", "given twice"),
        ("joint: {steps: [", "not valid YAML"),
        ("joint: !!python/object/apply:os.system [ls]", "not valid YAML"),
        ("joint: {negative_margin: 2}", "must be below"),
        ("seed: true", "expected a whole number"),
        ("synthetic: {photometric: {contrast: [1.5, 0.5]}}", "is above"),
    ],
)
def test_what_cannot_be_used_is_refused_in_one_line_naming_the_file(tmp_path: Path, text: str, words: str):
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    assert "some.yaml" in str(caught.value) and words in str(caught.value) and "\n" not in str(caught.value)


def test_scientific_notation_is_a_number_although_yaml_reads_a_string(tmp_path: Path):
    config = load_config(write(tmp_path, "detector: {learning_rate: 1e-3, steps: 2e5}"))
    assert (config.detector.learning_rate, config.detector.steps) == (1e-3, 200_000)


def test_overrides_win_over_the_file(tmp_path: Path):
    path = write(tmp_path, "detector: {batch_size: 4, steps: 5}")
    config = load_config(path, ["detector.batch_size=8", "network.width=0.5"])
    assert (config.detector.batch_size, config.detector.steps, config.network.width) == (8, 5, 0.5)


@pytest.mark.parametrize("override", ["detector.batch_size", "=3", "detector.nothing=3", "seed.x=1"])
def test_a_wrong_override_is_refused(tmp_path: Path, override: str):
    with pytest.raises(ConfigError):
        load_config(write(tmp_path, "seed: 1"), [override])


def test_a_scale_of_adaptation_that_is_given_twice_is_refused_before_anything_is_trained(tmp_path: Path):
    for text in ("adaptation: {scales: [1, 1]}", "adaptation: {detection: {scales: [1, 1]}}"):
        with pytest.raises(ConfigError, match=r"`adaptation\.detection\.scales`: 1 is given twice"):
            load_config(write(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "overrides"),
    [
        ("adaptation: {scales: [1, 1.5], phases: 4}", []),
        ("adaptation: {scales: [1.5, 1], detection: {phases: 4}}", []),
        ("adaptation: {phases: 2, detection: }", ["adaptation.scales=[1, 1.5]", "adaptation.phases=4"]),
        ("adaptation: {scales: [2], phases: 4}", ["adaptation.detection.scales=[1, 1.5]"]),
        ("adaptation: {detection: {scales: [2], phases: 4}}", ["adaptation.scales=[1, 1.5]"]),
    ],
)
def test_scales_and_phases_are_found_where_earlier_versions_had_them(tmp_path: Path, text: str, overrides: list[str]):
    detection = load_config(write(tmp_path, text), overrides).adaptation.detection
    assert detection == DetectionConfig(border_px=8, scales=(1.0, 1.5), phases=4)  # the section's own border stays


def test_scales_given_at_both_places_are_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"`adaptation\.scales` is `adaptation\.detection\.scales`, and both"):
        load_config(write(tmp_path, "adaptation: {scales: [1], detection: {scales: [2]}}"))


def test_a_config_written_by_an_earlier_version_equals_todays():
    values = {"adaptation": {"scales": [1.0, 1.5], "phases": 2, "detection": {"border_px": 4}}}
    now = {"adaptation": {"detection": {"border_px": 4, "scales": [1.0, 1.5], "phases": 2}}}
    assert build_config(values) == build_config(now)
    assert "scales" in values["adaptation"]  # what was given stays as it is


def test_a_missing_config_names_those_beside_it(tmp_path: Path):
    write(tmp_path, "")
    with pytest.raises(ConfigError, match=r"other\.yaml: cannot be read .*some\.yaml"):
        load_config(tmp_path / "other.yaml")


def test_a_misspelt_config_is_answered_with_what_was_meant(tmp_path: Path):
    for name in ("small", "coco"):
        (tmp_path / f"{name}.yaml").write_text("seed: 1")
    with pytest.raises(ConfigError, match=r"did you mean .*/small\.yaml\?"):
        load_config(tmp_path / "smal.yaml")


def test_steps_may_change_on_resume_but_batch_size_and_image_shape_may_not():
    old = Config()
    longer = build_config({"joint": {"steps": 5, "log_every": 2}, "workers": 0, "name": "other"})
    sections = ["joint", "photographs", "workers"]
    assert deciding_settings(old, sections) == deciding_settings(longer, sections)
    other = build_config({"joint": {"batch_size": 3}, "photographs": {"image_shape": [120, 160]}})
    assert differences(deciding_settings(old, sections), deciding_settings(other, sections)) == [
        "photographs.image_shape: [240, 320] -> [120, 160]",
        "joint.batch_size: 8 -> 3",
    ]
    assert deciding_settings(old, ["detector"]) == deciding_settings(other, ["detector"])
