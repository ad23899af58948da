"""HardNet as a row of the table: from a config to steps on patches of labelled photographs."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import build_config, load_config
from superpoint_tf.data.labels.label_sets import LabelFiles
from superpoint_tf.data.labels.labels import Label, label_path, save_label
from superpoint_tf.data.photographs.labelled_photographs import LabelledPhotographs
from superpoint_tf.losses.descriptor_loss import DESCRIPTOR_LOSSES
from superpoint_tf.losses.keypoint_loss import KEYPOINT_LOSSES
from superpoint_tf.models import SuperPoint
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.weights import WeightsError, get_weights, initial_network, load_network, load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.systems import MAPS, SCORES, SYSTEMS, VECTORS, DenseSpec, PatchSpec, System
from superpoint_tf.systems.system import bn, conv, fc, l2, relu
from superpoint_tf.training.input_statistics import first_patches
from superpoint_tf.training.objectives.objectives import OBJECTIVES
from superpoint_tf.training.objectives.patch_objective import VectorObjective
from superpoint_tf.training.optimizers import OPTIMIZERS, Momentum
from superpoint_tf.training.patch_validation import PatchValidator, cut_from_photographs
from superpoint_tf.training.replicas import single_replica
from superpoint_tf.training.schedule import SCHEDULES, learning_rate
from superpoint_tf.training.tasks import Task, make_task
from superpoint_tf.training.trainer import train

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "zoo" / "hardnet.yaml"
FRAME = (96, 128)


def config(system: str = "hardnet", **patches: Any) -> Config:
    settings = {"batch_size": 16, "points_per_picture": 8, "half_side_px": 8.0, "steps": 3, "warmup_steps": 0}
    intervals = {"log_every": 1, "validate_every": 3, "checkpoint_every": 2}
    return build_config(
        {
            "train": "patches",
            "workers": 0,
            "network": {"system": system},
            "photographs": {"image_shape": list(FRAME), "homography": {"max_angle_deg": 10.0}},
            "patches": {**settings, **intervals, **patches},
        }
    )


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures of blurred noise, with labels on a grid."""
    folder, random = tmp_path_factory.mktemp("labelled"), np.random.default_rng(0)
    grid = np.array([[x, y] for y in range(16, 96, 12) for x in range(16, 128, 12)], np.float32)
    (folder / "images").mkdir()
    for name in ("a.png", "b.png", "c.png"):
        image = cv2.GaussianBlur(random.integers(0, 256, FRAME, np.uint8), (0, 0), 2.0)
        image = cv2.normalize(image, None, 0, 255, cv2.NORM_MINMAX)
        cv2.imwrite(str(folder / "images" / name), image)
        digest = storage.sha256_file(folder / "images" / name)
        label = Label(grid, np.ones(len(grid), np.float32), FRAME, np.eye(3), digest)
        save_label(label_path(str(folder / "labels"), 1, name), label)
    return folder


def task_of(labelled: Path, settings: Config) -> Task:
    source = LabelledPhotographs(
        settings,
        str(labelled / "images"),
        LabelFiles(str(labelled / "labels"), 1, ("a.png", "b.png", "c.png")),
        with_pairs=True,
    )
    cut = functools.partial(cut_from_photographs, settings, str(labelled / "images"), ("c.png",))
    return make_task(settings, source, PatchValidator(settings, cut))


def test_the_shipped_config_loads_and_its_loss_is_one_of_its_system():
    settings = load_config(CONFIG)
    assert settings.network.system == "hardnet" and settings.training is settings.patches
    row = SYSTEMS["hardnet"]
    assert settings.patches.loss in row.losses and row.gives == VECTORS


def test_the_choices_of_the_loss_are_those_of_the_systems_that_patches_trains():
    systems = {loss: name for name, row in SYSTEMS.items() if row.train == "patches" for loss in row.losses}
    for loss, system in systems.items():
        assert config(system, loss=loss).patches.loss == loss
    with pytest.raises(ConfigError, match="loss"):
        config(loss="triplets")


@pytest.mark.parametrize(
    ("system", "settings", "words"),
    [
        ("hardnet", {"loss": "difference_hinge"}, "difference_hinge does not train hardnet, .*; use hardest_triplet"),
        ("convex", {"loss": "softmax"}, "softmax does not train convex, .*; use difference_hinge"),
        ("2ch", {"gor_weight": 1.0}, "gor_weight.*2ch has none"),
        ("convex", {"gor_weight": 1.0}, "gor_weight.*convex has none"),
        ("convex", {"init": "hardnet"}, "`patches.init`: convex is solved for"),
    ],
)
def test_settings_that_a_system_cannot_follow_are_refused(system: str, settings: dict[str, Any], words: str):
    with pytest.raises(ConfigError, match=words):
        config(system, **settings)


def test_the_layers_of_a_patch_network_are_not_a_setting():
    network = {"system": "hardnet", "descriptor_dim": 64}
    with pytest.raises(ConfigError, match=r"`network\.descriptor_dim`: the layers of hardnet are fixed"):
        build_config({"train": "patches", "network": network})


@pytest.mark.parametrize("system", [name for name, row in SYSTEMS.items() if row.train == "patches"])
def test_every_system_of_patches_has_an_objective(system: str):
    assert bool(OBJECTIVES["patches"](config(system)).term_names) != SYSTEMS[system].solved


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_run_writes_weights_that_load_as_the_system_and_refuses_to_give_maps(
    labelled: Path, tmp_path: Path, accumulate: int
):
    weights = train(task_of(labelled, config(accumulate=accumulate)), tmp_path / "run")
    loaded = load_weights(weights)
    assert loaded.network.system == "hardnet"
    network, _ = load_network(weights, gives=VECTORS)
    vectors = network(np.random.default_rng(0).random((3, 32, 32, 1), np.float32), training=False)["vector"]
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    with pytest.raises(WeightsError, match="hardnet gives vectors, not maps; name one of magicpoint or superpoint"):
        SuperPoint.from_pretrained(weights)
    assert (tmp_path / "run" / "figures" / "validation_patches.png").is_file()


SMALL = {  # in place of the rows of these names: a resumed run reads its config, which names the system
    "2ch": PatchSpec(16, "unit", (conv(4), relu(), fc(8)), "two channels", head=(fc(1),)),
    "tnet-tloss": PatchSpec(16, "mean image", (conv(4), bn(), relu(), fc(8), l2())),
}


@pytest.mark.parametrize(("system", "loss", "gives"), [("2ch", "hinge", SCORES), ("tnet-tloss", "triplet", VECTORS)])
def test_a_network_of_scores_and_one_of_mean_images_train_to_a_file_and_go_on(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str, loss: str, gives: str
):
    monkeypatch.setitem(SYSTEMS, system, System("a test", SMALL[system], "patches", (loss,), gives))
    states = []
    for name, ends in (("whole", (2,)), ("parts", (1, 2))):
        for steps in ends:
            settings = config(system, steps=steps, schedule="constant", flips=True)
            train(task_of(labelled, settings), tmp_path / name)
        reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(tmp_path / name / "checkpoints")))
        names = [each for each in reader.get_variable_to_shape_map() if each.startswith("model/")]
        states.append({each: reader.get_tensor(each) for each in names})
    assert states[0].keys() == states[1].keys() and states[0]
    for name, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][name])
    if system == "tnet-tloss":
        image = next(value for name, value in states[0].items() if "mean_image" in name)
        assert np.ptp(image) > 0.0  # of patches; before it was grey


def test_pictures_without_a_point_are_refused_where_a_mean_image_is_asked_for(labelled: Path):
    sizes = {"batch_size": 512, "points_per_picture": 256}
    task = task_of(labelled, config("l2net", half_side_px=46.0, **sizes))  # no label is so far from the edges
    with pytest.raises(ConfigError, match="the first 2 samples have no patch to take the mean image of; lower"):
        first_patches(task)


def test_weights_of_a_system_keep_their_bytes_through_a_file(tmp_path: Path):
    settings = config().network
    weights = get_weights(build_network(settings, 3), settings, step=5)
    weights.save(tmp_path / "weights.npz")
    again = load_weights(tmp_path / "weights.npz")
    assert (again.network.system, again.step) == ("hardnet", 5)
    assert again.fingerprint() == weights.fingerprint()


@pytest.mark.parametrize("system, train", [("hardnet", "joint"), ("superpoint", "patches"), ("magicpoint", "joint")])
def test_a_section_trains_its_own_systems_alone(system: str, train: str):
    with pytest.raises(ConfigError, match=f"`train: {train}` trains .*; {system} is trained by `train: "):
        build_config({"train": train, "network": {"system": system}})


def test_points_come_from_whole_pictures():
    with pytest.raises(ConfigError, match=r"100 points do not come from whole pictures; make it a multiple of .*, 64"):
        build_config({"train": "patches", "network": {"system": "hardnet"}, "patches": {"batch_size": 100}})
    with pytest.raises(ConfigError, match="equal micro-batches"):  # of pictures, not of points
        config(batch_size=24, accumulate=2)
    single_replica().check(config(batch_size=32, accumulate=4).patches)


def test_equal_descriptors_are_warned_of_and_good_ones_are_not():
    objective, rows = VectorObjective(config()), np.arange(4)
    batch = {
        "point": tf.constant(rows, tf.int64),
        "picture": tf.constant(rows, tf.int64),
        "position": tf.zeros((4, 2)),
    }
    assert "sits at 1.0000" in objective.warning({"desc": 1.0}, batch)
    assert objective.warning({"desc": 0.5}, batch) == ""


def test_the_warning_knows_the_candidates_of_a_micro_batch_and_a_batch_without_points():
    rows = tf.range(4, dtype=tf.int64)
    batch = {"point": rows, "picture": rows, "position": tf.zeros((4, 2))}
    objective = VectorObjective(config(loss="softmax", accumulate=2))
    assert "sits at 0.6931" in objective.warning({"desc": float(np.log(2.0))}, batch)  # a point and one other
    assert "no point of this batch" in objective.warning({"desc": 0.0}, {**batch, "point": -tf.ones(4, tf.int64)})


def test_patches_that_no_picture_holds_are_refused():
    with pytest.raises(ConfigError, match=r"no patch of 96 px fits into pictures of 96 px; give less than 48"):
        config(half_side_px=48.0)


@pytest.mark.parametrize("system", list(SYSTEMS))
def test_an_untrained_network_that_gives_no_maps_is_refused_and_the_others_are_built(system: str):
    width = {"width": 1 / 16} if isinstance(SYSTEMS[system].network, DenseSpec) else {}
    settings = build_config({"train": SYSTEMS[system].train, "network": {"system": system, **width}})
    if SYSTEMS[system].gives != MAPS:
        with pytest.raises(WeightsError, match=f"{system} gives {SYSTEMS[system].gives}, not maps"):
            initial_network(settings)
    else:
        assert initial_network(settings)[1].network.system == system


def test_a_run_goes_on_with_the_best_weights_that_it_has(labelled: Path, tmp_path: Path):
    train(task_of(labelled, config(steps=2)), tmp_path / "run")
    before = load_weights(tmp_path / "run")
    train(task_of(labelled, config(steps=3)), tmp_path / "run")
    assert "damaged" not in (tmp_path / "run" / "log.txt").read_text()
    assert load_weights(tmp_path / "run").step in (before.step, 3)


def test_near_points_of_one_picture_are_no_negatives():
    objective = VectorObjective(config(radius_px=5.0))
    positions = tf.constant([[0.0, 0.0], [4.0, 0.0], [20.0, 0.0]])
    batch = {"point": tf.range(3, dtype=tf.int64), "picture": tf.zeros(3, tf.int64), "position": positions}
    expected = [[False, False, True], [False, False, True], [True, True, False]]
    np.testing.assert_array_equal(objective._negatives(batch), expected)


def test_momentum_follows_its_recurrence():
    variable = tf.Variable([1.0, 2.0])
    optimizer = Momentum({"w": variable}, config().patches)
    optimizer.learning_rate.assign(0.1)
    velocity, expected = np.zeros(2), np.array([1.0, 2.0])
    for gradient in ([1.0, -1.0], [0.5, 0.0], [2.0, 1.0]):
        optimizer.update_replica([tf.constant(gradient)])
        velocity = 0.9 * velocity + gradient
        expected = expected - 0.1 * velocity
    np.testing.assert_allclose(variable, expected, rtol=1e-6)


def test_gradient_descent_without_momentum_adds_the_decay_to_kernels_alone():
    kernel, bias = tf.Variable([[1.0, 2.0]]), tf.Variable([3.0])
    optimizer = Momentum({"kernel": kernel, "bias": bias}, config(momentum=0.0, weight_decay=0.5).patches)
    optimizer.learning_rate.assign(0.1)
    for _ in range(2):
        optimizer.update_replica(optimizer.with_decay([tf.constant([[1.0, -1.0]]), tf.constant([1.0])]))
    expected = np.array([[1.0, 2.0]])
    for _ in range(2):
        expected = expected - 0.1 * (np.array([[1.0, -1.0]]) + 0.5 * expected)
    np.testing.assert_allclose(kernel, expected, rtol=1e-6)
    np.testing.assert_allclose(bias, [2.8], rtol=1e-6)


def test_a_schedule_of_steps_falls_by_its_factor_every_so_many():
    settings = config(steps=10, learning_rate=2.0, schedule="steps", fall=0.5, fall_every=4).patches
    assert [learning_rate(settings, step) for step in range(10)] == [2.0] * 4 + [1.0] * 4 + [0.5] * 2


def test_every_choice_of_the_config_is_a_row_and_every_row_a_choice():
    def choices(section: Any, name: str) -> set[str]:
        return set(type(section).__dataclass_fields__[name].metadata["choices"])

    settings = Config()
    assert choices(settings.patches, "schedule") == set(SCHEDULES)
    assert choices(settings.patches, "optimizer") == set(OPTIMIZERS)
    assert choices(settings.joint, "descriptor_loss") == set(DESCRIPTOR_LOSSES)
    assert choices(settings.joint, "keypoint_loss") == set(KEYPOINT_LOSSES)


def test_a_linear_schedule_falls_evenly_from_the_rate_towards_zero():
    settings = config(steps=10, learning_rate=1.0, schedule="linear").patches
    np.testing.assert_allclose([learning_rate(settings, step) for step in range(10)], np.arange(10, 0, -1) / 10)
