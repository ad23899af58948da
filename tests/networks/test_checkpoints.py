from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import ConfigError, NetworkConfig
from superpoint_tf.config.config_files import build_config, config_to_yaml
from superpoint_tf.networks.build import build_network, weight_shapes
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.networks.weights import (
    Weights,
    WeightsError,
    assign_weights,
    get_weights,
    load_network,
    load_weights,
)
from superpoint_tf.runtime import storage

NETWORK = NetworkConfig(width=1 / 16, batch_norm=False, descriptor_dim=8)
BIAS = "detector_b/bias"


@pytest.fixture(scope="module")
def network() -> tf.keras.Model:
    return build_network(NETWORK, seed=3)


@pytest.fixture(scope="module")
def weights(network: tf.keras.Model) -> Weights:
    return get_weights(network, NETWORK, step=12)


def without_descriptor(weights: Weights) -> Weights:
    arrays = {name: array for name, array in weights.arrays.items() if not name.startswith("descriptor_")}
    return dataclasses.replace(weights, network=NETWORK.with_system("magicpoint"), arrays=arrays)


def changed(weights: Weights, **arrays: np.ndarray) -> Weights:
    return dataclasses.replace(weights, arrays={**weights.arrays, **arrays})


def values(model: tf.keras.Model) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in get_weights(model, NETWORK).arrays.items()}


def write_npz(path: Path, header: Any, **arrays: np.ndarray) -> Path:
    storage.write_bytes(path, storage.npz_bytes(__header__=np.array(json.dumps(header)), **arrays))
    return path


# ------------------------------------------------------------------------------------------------ files


def test_weights_that_were_read_and_written_again_have_equal_bytes(weights: Weights, tmp_path: Path):
    weights.save(tmp_path / "a.npz")
    again = load_weights(tmp_path / "a.npz")
    again.save(tmp_path / "b.npz")
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (again.network, again.step) == (NETWORK, 12)
    assert again.fingerprint() == weights.fingerprint() == storage.sha256_file(tmp_path / "a.npz")


def test_one_changed_weight_changes_the_fingerprint(weights: Weights):
    bias = weights.arrays[BIAS].copy()
    bias[0] = np.nextafter(bias[0], np.float32(1))
    assert changed(weights, **{BIAS: bias}).fingerprint() != weights.fingerprint()


def test_numpy_alone_reads_the_file_and_names_are_layer_and_variable(weights: Weights, tmp_path: Path):
    weights.save(tmp_path / "weights.npz")
    with np.load(tmp_path / "weights.npz") as file:
        assert file["encoder_1a/kernel"].shape == (3, 3, 1, 8)
        assert file["descriptor_b/bias"].shape == (8,)
        assert json.loads(str(file["__header__"]))["network"]["width"] == 1 / 16


def test_a_run_folder_stands_for_its_best_weights(weights: Weights, tmp_path: Path):
    weights.save(tmp_path / "run" / "weights.npz")
    assert load_weights(tmp_path / "run").fingerprint() == weights.fingerprint()
    model, loaded = load_network(str(tmp_path / "run"))
    assert loaded.network.system == "superpoint"
    assert values(model) == {name: array.tobytes() for name, array in weights.arrays.items()}


@pytest.mark.parametrize("path", ["nowhere", "nowhere/weights.npz", "."])
def test_weights_that_are_not_there_are_named_with_what_would_do(path: str, tmp_path: Path):
    with pytest.raises(WeightsError, match=r"no weights there; give a weights\.npz, a run folder or a checkpoint") as e:
        load_weights(tmp_path / path)
    assert str(tmp_path / path) in str(e.value)


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "text"])
def test_a_damaged_file_is_refused_and_named(weights: Weights, tmp_path: Path, damage: str):
    content = bytearray(weights.to_bytes())
    content[len(content) // 3] ^= 0xFF
    content = {"empty": b"", "half": weights.to_bytes()[:-900], "flipped": bytes(content), "text": b"hello"}[damage]
    (tmp_path / "weights.npz").write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.npz: damaged or not an \.npz file"):
        load_weights(tmp_path)


def test_a_foreign_npz_is_refused(tmp_path: Path):
    np.savez(tmp_path / "foreign.npz", keypoints=np.zeros((3, 2)))
    with pytest.raises(WeightsError, match=r"foreign\.npz: not a weights file of this project"):
        load_weights(tmp_path / "foreign.npz")


@pytest.mark.parametrize(
    "header",
    [
        [],
        {},
        {"network": {}},
        {"network": "large", "with_descriptor": True, "step": 0},
        {"network": {"width": -1}, "with_descriptor": True, "step": 0},
        {"network": {}, "with_descriptor": True, "step": "late"},
    ],
)
def test_a_header_that_describes_no_network_is_refused(header: Any, tmp_path: Path):
    path = write_npz(tmp_path / "weights.npz", header, a=np.zeros(1, np.float32))
    with pytest.raises(WeightsError, match=r"weights\.npz: not a weights file of this project"):
        load_weights(path)


def test_a_pickle_in_the_file_is_not_executed(tmp_path: Path):
    np.savez(tmp_path / "weights.npz", __header__=np.array([print], dtype=object))
    with pytest.raises(WeightsError, match=r"weights\.npz: damaged or not an \.npz file"):
        load_weights(tmp_path)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_are_refused(weights: Weights, tmp_path: Path, value: float):
    changed(weights, **{BIAS: np.full(65, value, np.float32)}).save(tmp_path / "weights.npz")
    with pytest.raises(WeightsError, match="not finite float32"):
        load_weights(tmp_path)


def test_weights_of_another_type_are_refused(weights: Weights, tmp_path: Path):
    changed(weights, **{BIAS: np.zeros(65, np.float64)}).save(tmp_path / "weights.npz")
    with pytest.raises(WeightsError, match="not finite float32"):
        load_weights(tmp_path)


# ------------------------------------------------------------------------------------------------ architectures


def test_weights_of_another_shape_are_refused_naming_both_shapes_and_nothing_is_assigned(
    network: tf.keras.Model, weights: Weights
):
    before = values(network)
    other = {name: array + 1 for name, array in weights.arrays.items()}
    other["detector_b/bias"] = np.zeros(64, np.float32)
    with pytest.raises(WeightsError, match=r"a\.npz: .*detector_b/bias \(64,\) instead of \(65,\).*`network` section"):
        assign_weights(network, dataclasses.replace(weights, arrays=other), "a.npz")
    assert values(network) == before


def test_missing_and_unknown_layers_are_named(network: tf.keras.Model, weights: Weights):
    arrays = dict(weights.arrays)
    arrays["encoder_1a_bn/gamma"] = arrays.pop("encoder_1a/bias")
    with pytest.raises(WeightsError, match=r"missing encoder_1a/bias; unknown encoder_1a_bn/gamma"):
        assign_weights(network, dataclasses.replace(weights, arrays=arrays), "a.npz", allow_new_head=True)


def test_a_detector_fits_a_joint_network_only_where_a_new_head_is_allowed_which_is_then_kept(
    network: tf.keras.Model, weights: Weights
):
    before = values(network)
    arrays = {name: array + 1 for name, array in without_descriptor(weights).arrays.items()}
    detector = dataclasses.replace(without_descriptor(weights), arrays=arrays)
    try:
        with pytest.raises(WeightsError, match="missing descriptor_a/kernel, descriptor_a/bias, descriptor_b/kernel"):
            assign_weights(network, detector, "detector")
        assert values(network) == before
        assign_weights(network, detector, "detector", allow_new_head=True)
        after = values(network)
        assert {name for name in after if after[name] == before[name]} == {
            name for name in before if name.startswith("descriptor_")
        }
    finally:
        assign_weights(network, weights, "as it was")


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("system", ["magicpoint", "superpoint"])
def test_the_shapes_of_all_weights_are_known_without_building_the_network(batch_norm: bool, system: str):
    config = dataclasses.replace(NETWORK, system=system, batch_norm=batch_norm, width=0.3, descriptor_dim=24)
    built = get_weights(build_network(config), config)
    assert weight_shapes(config) == {name: array.shape for name, array in built.arrays.items()}


def test_a_file_whose_header_and_arrays_disagree_is_refused_before_a_network_is_built(weights: Weights, tmp_path: Path):
    dataclasses.replace(weights, network=NETWORK.with_system("magicpoint")).save(tmp_path / "weights.npz")
    with pytest.raises(WeightsError, match=r"not hold what its own header describes .*unknown descriptor_a/kernel"):
        load_weights(tmp_path)
    wide = dataclasses.replace(weights.network, width=4.0)  # gigabytes while it trains, were it built
    dataclasses.replace(weights, network=wide).save(tmp_path / "weights.npz")
    with pytest.raises(WeightsError, match=r"shape encoder_1a/kernel \(3, 3, 1, 8\) instead of \(3, 3, 1, 256\)"):
        load_network(tmp_path)


# ------------------------------------------------------------------------------------------------ checkpoints


@pytest.fixture(scope="module")
def run_folder(network: tf.keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    settings = {"width": NETWORK.width, "batch_norm": False, "descriptor_dim": 8}
    (folder / "config.yaml").write_text(config_to_yaml(build_config({"train": "joint", "network": settings})))
    step = tf.Variable(7, dtype=tf.int64)
    checkpoint = tf.train.Checkpoint(model=named_variables(network), step=step)
    manager = tf.train.CheckpointManager(checkpoint, str(folder / "checkpoints"), 2, checkpoint_name="latest")
    manager.save(checkpoint_number=7)
    return folder


def test_a_checkpoint_prefix_gives_the_weights_of_its_step(run_folder: Path, weights: Weights):
    loaded = load_weights(run_folder / "checkpoints" / "latest-7")
    assert (loaded.step, loaded.network) == (7, NETWORK)
    assert dataclasses.replace(loaded, step=12).fingerprint() == weights.fingerprint()


def copy_of(run_folder: Path, tmp_path: Path) -> Path:
    for file in (run_folder / "checkpoints").glob("latest-7.*"):
        storage.write_bytes(tmp_path / "checkpoints" / file.name, file.read_bytes())
    storage.write_bytes(tmp_path / "config.yaml", (run_folder / "config.yaml").read_bytes())
    return tmp_path / "checkpoints" / "latest-7"


def test_a_checkpoint_without_its_config_is_refused_naming_the_config(run_folder: Path, tmp_path: Path):
    prefix = copy_of(run_folder, tmp_path)
    (tmp_path / "config.yaml").unlink()
    with pytest.raises(ConfigError, match=r"config\.yaml: cannot be read"):
        load_weights(prefix)


def test_a_checkpoint_of_another_network_than_its_config_is_refused(run_folder: Path, tmp_path: Path):
    prefix = copy_of(run_folder, tmp_path)
    config = (tmp_path / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(config.replace("descriptor_dim: 8", "descriptor_dim: 16"))
    with pytest.raises(WeightsError, match=r"latest-7: damaged, or not a checkpoint of .*config\.yaml"):
        load_weights(prefix)


@pytest.mark.parametrize("name", ["latest-7.index", "latest-7.data-00000-of-00001"])
def test_a_checkpoint_cut_short_is_refused(run_folder: Path, tmp_path: Path, name: str):
    prefix = copy_of(run_folder, tmp_path)
    file = prefix.parent / name
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(WeightsError, match="latest-7: damaged"):
        load_weights(prefix)


@pytest.mark.parametrize("name", ["latest-7.index", "latest-7.data-00000-of-00001"])
def test_a_flipped_bit_in_a_checkpoint_is_noticed_or_means_nothing(
    run_folder: Path, weights: Weights, tmp_path: Path, name: str
):
    prefix = copy_of(run_folder, tmp_path)
    file = prefix.parent / name
    content = file.read_bytes()
    refused = 0
    for place in np.linspace(0, len(content) - 1, 12).astype(int):
        flipped = bytearray(content)
        flipped[place] ^= 1 << place % 8
        file.write_bytes(flipped)
        try:
            loaded = load_weights(prefix)
        except WeightsError as error:
            assert "latest-7: damaged" in str(error)
            refused += 1
        else:
            assert values_of(loaded) == values_of(weights)
    assert refused >= 6


def values_of(weights: Weights) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in weights.arrays.items()}
