"""All rows of the table that see patches: numbers of weights, shapes, what they give, files, and pairs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import build_network, weight_shapes
from superpoint_tf.networks.patch_network import build_patch_network
from superpoint_tf.networks.superpoint import named_variables, precision_policy
from superpoint_tf.networks.weights import get_weights, load_network, load_weights
from superpoint_tf.systems import SCORES, SYSTEMS, VECTORS, PatchSpec

ROWS = [name for name, row in SYSTEMS.items() if isinstance(row.network, PatchSpec)]
PAIRS = [name for name in ROWS if SYSTEMS[name].gives == SCORES]
VECTORS_ONLY = [name for name in ROWS if SYSTEMS[name].gives == VECTORS]
COUNTS = {  # trainable weights, by the published files or layer lists
    "matchnet": 233_456 + 9_441_282,
    "2ch": 979_169,
    "2ch-deep": 1_673_665,
    "2ch-2stream": 2_353_153,
    "siam": 908_416 + 263_169,
    "siam-l2": 908_416,
    "pseudo-siam": 2 * 908_416 + 263_169,
    "pseudo-siam-l2": 2 * 908_416,
    "siam-2stream": 2_400_832 + 1_050_625,
    "siam-2stream-l2": 2_400_832,
    "tnet-tloss": 1_040_000,
    "tnet-tgloss": 1_040_000,
    "snet-gloss": 979_169,
    "cs-snet-gloss": 2_353_153,
    "deepdesc": 280_320,
    "tfeat": 599_808,
    "l2net": 1_334_560,
    "cs-l2net": 2 * 1_334_560,
    "hardnet": 1_334_560,
}
DIMENSIONS = {"l2net": 128, "cs-l2net": 256, "tfeat": 128, "deepdesc": 128, "tnet-tgloss": 256, "siam-2stream-l2": 512}


@cache
def network_of(name: str) -> Any:
    return build_network(NetworkConfig(system=name), seed=1)


def spec_of(name: str) -> PatchSpec:
    spec = SYSTEMS[name].network
    assert isinstance(spec, PatchSpec)
    return spec


def patches(name: str, count: int = 3, seed: int = 0) -> np.ndarray:
    side = spec_of(name).side_px
    values: np.ndarray = np.random.default_rng(seed).random((count, side, side, 1), np.float32)
    return values


def output_of(network: Any, name: str) -> np.ndarray:
    """Return the vectors of three patches, or the scores of three pairs."""
    if SYSTEMS[name].gives == VECTORS:
        result: np.ndarray = network(patches(name))["vector"].numpy()
    else:
        result = network([patches(name), patches(name, seed=1)])["score"].numpy()
    return result


@pytest.mark.parametrize("name", COUNTS)
def test_a_row_has_the_published_number_of_weights(name: str) -> None:
    trainable = named_variables(network_of(name), only_trainable=True).values()
    assert sum(int(np.prod(variable.shape)) for variable in trainable) == COUNTS[name]


@pytest.mark.parametrize("name", ROWS)
def test_the_shapes_of_a_rows_weights_are_known_without_building_it(name: str) -> None:
    variables = named_variables(network_of(name))
    assert len(variables) == len(network_of(name).weights)  # no two of one name
    assert weight_shapes(NetworkConfig(system=name)) == {key: tuple(v.shape) for key, v in variables.items()}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_gives_finite_numbers_that_differ_between_patches(name: str) -> None:
    output = output_of(network_of(name), name)
    assert output.dtype == np.float32 and np.isfinite(output).all() and output.std(0).max() > 0


@pytest.mark.parametrize("name", ["deepdesc", "tfeat", "2ch-2stream", "pseudo-siam-l2"])
def test_weights_are_a_function_of_the_seed_and_keep_what_they_give_through_a_file(name: str, tmp_path: Path) -> None:
    network, config = network_of(name), NetworkConfig(system=name)
    get_weights(network, config).save(tmp_path / "weights.npz")
    assert load_weights(tmp_path / "weights.npz").network.system == name
    again, _ = load_network(tmp_path / "weights.npz", gives=SYSTEMS[name].gives)
    output = output_of(network, name)
    np.testing.assert_array_equal(output_of(again, name), output)
    np.testing.assert_array_equal(output_of(build_network(config, seed=1), name), output)
    assert not np.allclose(output_of(build_network(config, seed=2), name), output)


@pytest.mark.parametrize("name", DIMENSIONS)
def test_vectors_have_the_papers_length(name: str) -> None:
    assert network_of(name).output["vector"].shape == (None, DIMENSIONS[name])


@pytest.mark.parametrize("name", ["l2net", "cs-l2net", "tnet-tgloss", "siam-l2", "siam-2stream-l2"])
def test_rows_that_end_so_have_vectors_of_unit_length(name: str) -> None:
    np.testing.assert_allclose(np.linalg.norm(output_of(network_of(name), name), axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", ["hardnet", "siam-2stream-l2", "matchnet-64", "2ch-2stream", "pseudo-siam-l2"])
def test_under_mixed_precision_the_answer_is_float32_and_near(name: str) -> None:
    with precision_policy("mixed_bfloat16"):
        mixed = build_network(NetworkConfig(system=name), seed=1)
    output, exact = output_of(mixed, name), output_of(network_of(name), name)
    assert output.dtype == np.float32
    np.testing.assert_allclose(output, exact, atol=0.3 * np.abs(exact).max())


# ------------------------------------------------------------------------------------------------ vectors


@pytest.mark.parametrize("name", ["binary-l2net", "binary-cs-l2net"])
def test_binary_vectors_are_the_signs_of_the_plain_ones_and_in_training_these_themselves(name: str) -> None:
    plain = name.removeprefix("binary-")
    assert weight_shapes(NetworkConfig(system=name)) == weight_shapes(NetworkConfig(system=plain))
    vectors = output_of(network_of(plain), plain)
    np.testing.assert_array_equal(output_of(network_of(name), name), np.where(vectors > 0, 1, -1))
    assert spec_of(name).binary and not spec_of(plain).binary
    trained = build_network(NetworkConfig(system=name), seed=1)(patches(name), training=True)["vector"]
    np.testing.assert_allclose(np.linalg.norm(trained, axis=1), 1, rtol=1e-5)


def test_the_taps_of_l2net_are_its_first_and_last_or_all_its_normalised_features() -> None:
    taps = network_of("l2net")(patches("l2net"))["taps"]
    every = network_of("l2net-all-taps")(patches("l2net"))["taps"]
    assert [tuple(tap.shape) for tap in taps] == [(3, 32, 32, 32), (3, 1, 1, 128)]
    assert len(every) == 7
    for tap, same in zip(taps, (every[0], every[-1]), strict=True):
        np.testing.assert_array_equal(tap, same)
    last = tf.reshape(taps[1], (3, 128))
    expected = last / tf.norm(last, axis=1, keepdims=True)
    np.testing.assert_allclose(network_of("l2net")(patches("l2net"))["vector"], expected, atol=1e-5)


def test_the_two_towers_of_central_surround_are_l2net_on_the_middle_and_on_the_halved_whole() -> None:
    network, tower = network_of("cs-l2net"), build_network(NetworkConfig(system="l2net"))
    whole = patches("cs-l2net")
    views = {"centre": whole[:, 16:48, 16:48], "whole": whole.reshape(3, 32, 2, 32, 2, 1).mean((2, 4))}
    parts = []
    for stream, view in views.items():
        for name, variable in named_variables(tower).items():
            variable.assign(named_variables(network)[f"{stream}_{name}"])
        parts.append(tower(view)["vector"].numpy())
    expected = np.concatenate(parts, 1) / np.sqrt(2)
    np.testing.assert_allclose(network(whole)["vector"], expected, atol=1e-5)


# ------------------------------------------------------------------------------------------------ pairs

TWO_STEPS = [name for name in PAIRS if spec_of(name).branches != "two channels"]


@pytest.mark.parametrize("name", TWO_STEPS)
def test_patches_described_once_and_compared_later_score_as_pairs(name: str) -> None:
    network = network_of(name)
    branch0 = network.get_layer("branch0")
    branch1 = network.get_layer("branch1") if spec_of(name).branches == "untied" else branch0
    vectors = [branch0(patches(name)), branch1(patches(name, seed=1))]
    np.testing.assert_allclose(network.get_layer("head")(vectors), output_of(network, name), rtol=1e-4, atol=1e-6)


def test_two_branches_without_ties_begin_with_different_weights() -> None:
    variables = named_variables(network_of("pseudo-siam"))
    first, second = (variables[f"branch{number}/conv_1/kernel"] for number in (0, 1))
    assert not np.allclose(first, second)


def test_two_patches_seen_together_are_two_channels_of_one_picture() -> None:
    kernel = named_variables(network_of("2ch"))["conv_1/kernel"]
    assert tuple(kernel.shape) == (7, 7, 2, 96)


def test_equal_patches_have_the_highest_score_of_a_distance() -> None:
    network = network_of("pseudo-siam-l2")
    variables = named_variables(network)
    twin = build_network(NetworkConfig(system="pseudo-siam-l2"))
    for name, variable in named_variables(twin).items():
        variable.assign(variables[name.replace("branch1", "branch0")])
    some = patches("siam")
    np.testing.assert_allclose(twin([some, some])["score"], 1, atol=1e-4)
    assert (twin([some, some[::-1]])["score"].numpy()[[0, 2]] < 1 - 1e-4).all()


def test_deepcompare_subtracts_the_mean_of_the_whole_patch_before_its_streams_part() -> None:
    network = network_of("siam-2stream-l2")
    some = patches("siam-2stream-l2")
    np.testing.assert_allclose(network(some + 0.2)["vector"], network(some)["vector"], atol=1e-4)
    brighter_rim = some.copy()
    brighter_rim[:, :16] += 0.4  # what the centre sees is the same but for the mean
    assert not np.allclose(network(brighter_rim)["vector"][:, :256], network(some)["vector"][:, :256], atol=1e-3)


@pytest.mark.parametrize("name", ["2ch-spp", "siam-spp"])
def test_a_pyramid_lets_patches_of_other_sides_be_compared(name: str) -> None:
    assert spec_of(name).any_side
    for height, width in ((64, 64), (91, 70), (48, 48)):
        pair = np.random.default_rng(0).random((2, 3, height, width, 1), np.float32)
        assert network_of(name)([pair[0], pair[1]])["score"].shape == (3,)


def test_a_start_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="start 'zeros' of odd is not known; use orthogonal, relu, tanh"):
        build_patch_network(PatchSpec(8, "unit", (), start="zeros"), "odd")
