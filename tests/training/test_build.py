from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superpoint_tf.config import Config, ConfigError, NetworkConfig
from superpoint_tf.config.config_files import build_config, config_to_dict
from superpoint_tf.data.labels.label_chunks import write_chunk
from superpoint_tf.data.labels.label_folders import find_labels
from superpoint_tf.data.labels.label_places import archive_path
from superpoint_tf.data.labels.labels import IDENTITY_FILE, LabelManifest, write_manifest
from superpoint_tf.data.photographs.labelled_photographs import LabelledPhotographs
from superpoint_tf.data.random_streams import stage_key
from superpoint_tf.data.shapes.record_folder import record_settings
from superpoint_tf.data.shapes.record_reader import RecordError
from superpoint_tf.networks.build import weight_shapes
from superpoint_tf.networks.weights import Weights, WeightsError
from superpoint_tf.runtime import storage
from superpoint_tf.training.build import build_task
from superpoint_tf.training.builders.detector_tasks import (
    build_adapted_task,
    build_joint_task,
    build_shapes_task,
    records_manifest,
    resolve_source,
)
from superpoint_tf.training.builders.inputs import init_input
from superpoint_tf.training.validation import PairsValidator

NETWORK = NetworkConfig(width=1 / 16, batch_norm=False, system="magicpoint")
ARRAYS = {name: np.zeros(shape, np.float32) for name, shape in weight_shapes(NETWORK).items()}
WEIGHTS = Weights(NETWORK, ARRAYS)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which every path of these tests lies, as if a user worked there; photographs are named alone."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(LabelledPhotographs, "check_photographs", lambda source: None)
    return tmp_path


def config(**settings: Any) -> Config:
    return build_config({"name": "mine", "workers": 0, "photographs": {"image_shape": [40, 48]}, **settings})


def write_labels(root: str, rounds: int = 2, done: int = 2, **changes: Any) -> LabelManifest:
    """Write what adaptation leaves, without any label; `done` rounds of `rounds` are finished."""
    WEIGHTS.save("detector.npz")
    values: dict[str, Any] = {
        "image_root": "images",
        "final_round": done,
        "rounds": tuple(range(1, done + 1)),
        "detector": {"path": "detector.npz", "sha256": WEIGHTS.fingerprint()},
        "config": config_to_dict(config()),
        "counts": {
            "photographs": 2,
            "keypoints": 6,
            "keypoints_per_image": 3.0,
            "labels_sha256": "0" * 64,
            "left_out": [],
            "num_left_out": 0,
        },
        "validation": ("c.png",),
        "chunks": (1, 1),
    }
    manifest = LabelManifest(**{**values, **changes})
    for number, name in enumerate(("a.png", "b.png")):
        write_chunk(archive_path(root, done, number), "0" * 64, {name: b"no label"}, [3], {})
    plan = {"rounds": rounds, "detector_sha256": "0" * 64, "photographs_sha256": "0" * 64, "config": {}}
    storage.write_json(f"{root}/{IDENTITY_FILE}", plan)
    if done:
        write_manifest(root, manifest)
    return manifest


def write_records(root: str, made_with: Config) -> None:
    storage.write_json(f"{root}/manifest.json", {**record_settings(made_with), "files": []})


# ------------------------------------------------------------------------------------------------ labels


def labels_of(config: Config) -> str:
    return find_labels(config, config.joint.labels)


def test_the_labels_of_a_config_lie_under_its_name():
    write_labels("labels/mine")
    write_labels("labels/coco")
    assert labels_of(config()) == "labels/mine"


def test_without_labels_of_its_own_a_config_takes_those_of_coco():
    write_labels("labels/coco")
    assert labels_of(config()) == "labels/coco"


def test_named_labels_are_taken_and_no_others():
    write_labels("labels/mine")
    write_labels("elsewhere")
    assert labels_of(config(joint={"labels": "elsewhere"})) == "elsewhere"
    with pytest.raises(ConfigError, match=r"no labels in nowhere; run `python tools/homographic_adapt\.py"):
        labels_of(config(joint={"labels": "nowhere"}))


def test_without_any_labels_both_folders_and_the_command_are_named():
    with pytest.raises(ConfigError, match=r"no labels in labels/mine or labels/coco; run `python tools/homographic"):
        labels_of(config())


@pytest.mark.parametrize("done", [0, 1])
def test_labels_whose_rounds_are_not_done_are_refused_even_if_cocos_are(done: int):
    write_labels("labels/mine", rounds=2, done=done)
    write_labels("labels/coco")
    with pytest.raises(ConfigError, match=rf"labels/mine: {done} of 2 rounds are done; start the `python tools/homogr"):
        labels_of(config())


def test_labels_made_for_another_frame_are_refused_with_both_sizes():
    write_labels("labels/mine")
    with pytest.raises(
        ConfigError, match=r"labels/mine: made for .*image_shape \[40, 48\], the config says \[48, 64\]"
    ):
        build_joint_task(config(photographs={"image_shape": [48, 64]}))


def test_a_joint_task_reads_the_last_round_and_validates_on_held_out_photographs():
    manifest = write_labels("labels/mine")
    task = build_task(config())
    assert (task.config.network.system, task.config.train) == ("superpoint", "joint")
    assert "2 photographs of images with the labels of round 2 in labels/mine" in task.source.description
    assert isinstance(task.validator, PairsValidator) and task.validator.key == "matching_score"
    assert task.inputs == {"labels": manifest.fingerprint()}
    assert task.source.key == stage_key(0, task.inputs)


def test_a_training_on_labels_without_votes_says_what_it_does_not_learn():
    write_labels("labels/mine", schema_version=1, photographs=("a.png", "b.png"))
    assert "nothing is learnt within 16 px" in build_joint_task(config()).source.description
    write_labels("labels/mine")
    assert "16 px" not in build_joint_task(config()).source.description


@pytest.mark.parametrize("schema_version", [1, 2])
def test_folders_of_before_with_a_file_a_label_are_trained_on(schema_version: int):
    manifest = write_labels("labels/mine", schema_version=schema_version, photographs=("a.png", "b.png"), chunks=())
    source = build_joint_task(config()).source
    assert "2 photographs of images with the labels of round 2 in labels/mine" in source.description
    assert sorted(source.picture_name(number) for number in range(2)) == ["images/a.png", "images/b.png"]
    (place,) = {payload[1] for payload in source.payloads([0])}
    assert place.path == f"labels/mine/round_2/{place.photograph}.npz"
    assert build_joint_task(config()).inputs == {"labels": manifest.fingerprint()}


def test_adapted_weights_are_those_of_the_detector_that_made_the_labels():
    write_labels("labels/mine")
    task = build_joint_task(config(joint={"init": "adapted"}))
    assert task.config.joint.init == "detector.npz"
    assert task.inputs["first weights"] == WEIGHTS.fingerprint()


def test_photographs_that_moved_are_read_where_the_config_says(folder: Path):
    write_labels("labels/mine")
    (folder / "moved").mkdir()
    photographs = {"image_shape": [40, 48], "root": "moved"}
    assert build_joint_task(config(photographs=photographs)).source.picture_name(0).startswith("moved/")
    (folder / "images").mkdir()
    assert build_joint_task(config(photographs=photographs)).source.picture_name(0).startswith("images/")


def test_labels_without_a_photograph_to_validate_on_are_refused():
    write_labels("labels/mine", validation=())
    with pytest.raises(ConfigError, match="too few photographs to hold any out for validation"):
        build_joint_task(config())


def test_labels_of_no_photograph_are_refused():
    write_labels("labels/mine", chunks=(0, 0))
    with pytest.raises(ValueError, match="round 2 has no labelled photographs"):
        build_joint_task(config())


def test_every_stage_of_a_chain_has_a_key_of_its_own():
    """Shapes, the retraining on the first round's labels, and the joint training, of one seed."""
    first = write_labels("labels/mine", rounds=2, done=1)
    shapes_key = build_shapes_task(config(train="detector", synthetic={"source": "generator"})).source.key
    adapted = build_adapted_task(config(detector={"init": "detector.npz"}), "labels/mine", first)
    write_labels("labels/mine", counts={**first.counts, "labels_sha256": "1" * 64})
    joint, begun = (build_joint_task(config(joint={"init": init})) for init in ("", "adapted"))
    keys = [shapes_key, adapted.source.key, joint.source.key, begun.source.key]
    assert shapes_key == 0 and len(set(keys)) == 4
    assert build_joint_task(config()).source.key == joint.source.key


def test_a_key_stays_when_the_same_weights_lie_elsewhere(folder: Path):
    write_labels("labels/mine")
    WEIGHTS.save("moved.npz")
    one, other = (build_joint_task(config(joint={"init": init})) for init in ("detector.npz", "moved.npz"))
    assert one.source.key == other.source.key


# ------------------------------------------------------------------------------------------------ first weights


def test_first_weights_are_known_by_their_content_not_their_place():
    assert init_input("") == {}
    for path in ("a.npz", "b.npz"):
        WEIGHTS.save(path)
        assert init_input(path) == {"first weights": WEIGHTS.fingerprint()}
    with pytest.raises(WeightsError, match=r"nowhere\.npz"):
        init_input("nowhere.npz")


# ------------------------------------------------------------------------------------------------ synthetic shapes


def shapes(source: str, **settings: Any) -> Config:
    return config(train="detector", synthetic={"source": source, "root": "shapes", **settings})


def test_auto_draws_where_there_are_no_records():
    assert resolve_source(shapes("auto")).source == "generator"


def test_auto_takes_records_that_hold_what_the_config_draws():
    write_records("shapes", shapes("auto"))
    assert resolve_source(shapes("auto")).source == "records"


def test_the_generator_is_taken_where_it_is_asked_for_whatever_lies_there():
    write_records("shapes", shapes("auto"))
    assert resolve_source(shapes("generator")).source == "generator"


def test_records_that_are_asked_for_and_missing_are_refused_with_the_command():
    with pytest.raises(ConfigError, match=r"shapes/manifest\.json: missing; run `python tools/generate_synthetic\.py`"):
        resolve_source(shapes("records"))


@pytest.mark.parametrize("draw", [{"frequencies": {"lines": 0}}, {"image_shape": [40, 48]}, {"min_contrast": 20}])
def test_records_of_other_pictures_are_refused_or_with_auto_not_taken(draw: dict[str, Any]):
    write_records("shapes", shapes("auto"))
    assert resolve_source(shapes("auto", draw=draw)).source == "generator"
    with pytest.raises(ConfigError, match=r"shapes: holds other pictures than synthetic\.draw .*-> .*; generate with"):
        resolve_source(shapes("records", draw=draw))


def test_more_records_than_the_config_asks_for_are_the_same_pictures():
    write_records("shapes", shapes("auto", num_train=5))
    assert resolve_source(shapes("records", num_train=3)).source == "records"


def test_a_damaged_manifest_of_records_is_refused_not_passed_over(folder: Path):
    (folder / "shapes").mkdir()
    (folder / "shapes/manifest.json").write_text(json.dumps({"files": [], "schema_version": 99}))
    with pytest.raises(RecordError, match="schema 99"):
        resolve_source(shapes("auto"))


def test_a_detectors_task_keeps_what_auto_was_decided_to_be():
    task = build_task(shapes("auto"))
    assert (task.config.train, task.config.synthetic.source) == ("detector", "generator")
    assert task.inputs == {} and task.config.network.system == "magicpoint" and task.validator.key == "map_noisy"


def test_the_shapes_of_a_joint_config_train_a_detector_that_starts_from_the_weights_named():
    WEIGHTS.save("first.npz")
    task = build_shapes_task(config(train="joint", detector={"init": "first.npz"}))
    assert task.config.train == "detector"
    assert task.inputs == {"first weights": WEIGHTS.fingerprint()}


def test_the_manifest_of_records_lies_in_their_folder():
    assert records_manifest(shapes("auto")) == Path("shapes/manifest.json")
