"""Networks of maps: shapes before they are built, patch bodies over pictures, the first feature, beginnings."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf.config import NetworkConfig
from superpoint_tf.detection.score_maps import SCORE_MAPS
from superpoint_tf.networks.beginnings import first_layers
from superpoint_tf.networks.build import build_network, weight_shapes
from superpoint_tf.networks.map_networks import build_map_network, map_weight_shapes
from superpoint_tf.networks.patch_network import build_patch_network
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.networks.weights import Weights, WeightsError, get_weights, load_weights
from superpoint_tf.systems import SYSTEMS, MapSpec, PatchSpec
from superpoint_tf.systems.map_systems import MAP_SYSTEMS
from superpoint_tf.systems.patch_systems import L2NET_BODY, TNET
from superpoint_tf.systems.system import Layer, bn, coarse_conv, coarse_pool, conv, pool

LIGHT = [name for name in MAP_SYSTEMS if name not in ("d2net", "d2net-superpoint")]


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


@functools.cache
def network_of(name: str) -> tf.keras.Model:
    return build_network(NetworkConfig(system=name))


def spec_of_layers(layers: tuple[Layer, ...], **options: object) -> MapSpec:
    return MapSpec("layers", "d2", 8, stride=4, options={"layers": layers, **options})


@pytest.mark.parametrize("name", LIGHT)
def test_weight_shapes_are_known_before_a_network_is_built(name: str) -> None:
    spec = MAP_SYSTEMS[name].network
    assert isinstance(spec, MapSpec) and spec.score_map in SCORE_MAPS
    variables = named_variables(network_of(name))
    assert {key: tuple(value.shape) for key, value in variables.items()} == map_weight_shapes(spec)


def test_aslfeat_and_d2net_have_as_many_weights_as_the_papers() -> None:
    def count(name: str) -> int:
        shapes = weight_shapes(NetworkConfig(system=name))
        return sum(int(np.prod(shape)) for key, shape in shapes.items() if "moving" not in key)

    assert count("aslfeat-plain") == 728_352 and count("aslfeat") - count("aslfeat-plain") == 93_393
    assert count("d2net") == 7_635_264 - 2 * 9 * 64  # one channel of grey, not three


@pytest.mark.parametrize("name", LIGHT)
@pytest.mark.parametrize("shape", [(16, 24), (13, 18), (1, 9)])
def test_outputs_cover_pictures_of_any_side(name: str, shape: tuple[int, int]) -> None:
    spec = MAP_SYSTEMS[name].network
    assert isinstance(spec, MapSpec)
    outputs = network_of(name)(noise(2, *shape, 1), training=False)
    assert outputs["descriptors"].shape[-1] == spec.dimension and np.isfinite(outputs["descriptors"]).all()
    maps = SCORE_MAPS[spec.score_map].maps(outputs, shape, spec)
    assert maps.heatmap.shape == (2, *shape) and np.isfinite(maps.heatmap).all()


def test_a_body_without_padding_sees_a_picture_patch_by_patch() -> None:
    layers = TNET[:-1]  # all of its convolutions and poolings, and no length
    patch_network = build_patch_network(PatchSpec(64, "unit", layers, start="relu"), "patches")
    network = build_map_network(spec_of_layers(layers), "maps")
    for name, variable in named_variables(network).items():
        variable.assign(named_variables(patch_network)[name])
    picture = noise(1, 96, 84, 1)
    dense = network(picture, training=False)["descriptors"][0].numpy()
    assert dense.shape[:2] == (3, 2)
    for row in range(3):
        for column in range(2):
            patch = picture[:, 12 * row : 12 * row + 64, 12 * column : 12 * column + 64]
            vector = patch_network(patch, training=False)["vector"][0]
            np.testing.assert_allclose(dense[row, column], vector, atol=1e-5)


def test_l2_nets_body_on_one_patch_is_the_patch_network() -> None:
    layers = (*L2NET_BODY, conv(128, 8, "valid"), bn())
    patch_network = build_patch_network(PatchSpec(32, "unit", layers), "patches")
    network = build_map_network(spec_of_layers(layers, start="orthogonal"), "maps")
    patches = noise(3, 32, 32, 1)
    dense = network(patches, training=False)["descriptors"]
    assert dense.shape == (3, 1, 1, 128)
    np.testing.assert_allclose(dense[:, 0, 0], patch_network(patches, training=False)["vector"], atol=1e-5)


D2_LIKE = (conv(1), pool("max", 2), conv(1), pool("max", 2), conv(1), coarse_pool(), coarse_conv(1))


@pytest.mark.parametrize(
    ("layers", "training", "stride", "first_px"),
    [
        (D2_LIKE, True, 8, 3.5),
        (D2_LIKE, False, 4, 3.5),
        ((conv(1), conv(1, stride=2), conv(1), conv(1, stride=2)), False, 4, 0.0),
        ((conv(1), pool("max", 2), conv(1), pool("max", 2), conv(1)), False, 4, 1.5),
    ],
)
def test_a_feature_sees_pixels_about_the_place_that_rows_give(
    layers: tuple[Layer, ...], training: bool, stride: int, first_px: float
) -> None:
    network = build_map_network(spec_of_layers(layers), "maps")
    for variable in named_variables(network).values():
        variable.assign(tf.ones_like(variable))  # all pixels count alike
    side, place = 40, 16 // stride
    brighter = np.ones((side * side, side, side, 1), np.float32)  # one pixel of each
    brighter.reshape(side * side, -1)[np.arange(side * side), np.arange(side * side)] += 1.0
    found = network(brighter, training=training)["descriptors"][:, place, place, 0].numpy()
    flat = network(np.ones((1, side, side, 1), np.float32), training=training)["descriptors"][0, place, place, 0]
    seen = (found - float(flat)).reshape(side, side)
    rows, columns = np.mgrid[:side, :side]
    centre = (rows * seen).sum() / seen.sum(), (columns * seen).sum() / seen.sum()
    np.testing.assert_allclose(centre, [first_px + stride * place] * 2, atol=1e-2)


def test_rows_of_d2_net_and_aslfeat_say_the_places_that_their_layers_have() -> None:
    for name, row in MAP_SYSTEMS.items():
        spec = row.network
        assert isinstance(spec, MapSpec)
        assert (spec.stride, spec.first_px) == ((4, 3.5) if name.startswith("d2net") else (4, 0.0))


def weights_of(system: str, seed: int = 0) -> Weights:
    config = NetworkConfig(system=system)
    return get_weights(build_network(config, seed), config)


def test_d2net_begins_with_the_encoder_of_superpoint() -> None:
    shipped = load_weights("superpoint-small")
    taken, said = first_layers(shipped, NetworkConfig(system="d2net-small"), "superpoint-small")
    assert said == "conv_1 to conv_8"
    np.testing.assert_array_equal(taken["conv_8/kernel"], shipped.arrays["encoder_4b/kernel"])
    np.testing.assert_array_equal(taken["conv_3_bn/gamma"], shipped.arrays["encoder_2a_bn/gamma"])
    assert taken.keys() == weight_shapes(NetworkConfig(system="d2net-small")).keys()


def test_aslfeat_begins_with_six_layers_of_hardnet() -> None:
    taken, said = first_layers(load_weights("hardnet"), NetworkConfig(system="aslfeat"), "hardnet")
    assert said == "conv_1 to conv_6" and not any(name.startswith("conv_7") for name in taken)


@pytest.mark.parametrize("system", ["aslfeat", "aslfeat-affine", "aslfeat-homography"])
def test_the_second_stage_begins_as_the_first_one_ended(system: str) -> None:
    first = build_network(NetworkConfig(system="aslfeat-plain"), seed=3)
    second = build_network(NetworkConfig(system=system))
    taken, said = first_layers(
        get_weights(first, NetworkConfig(system="aslfeat-plain")), NetworkConfig(system=system), "first"
    )
    assert said == "conv_1 to conv_9" and "level_2_scale/moving_maximum" in taken
    variables = named_variables(second)
    for name, array in taken.items():
        variables[name].assign(array)
    image = noise(1, 24, 32, 1)
    expected, found = first(image, training=False), second(image, training=False)
    for name in expected:
        np.testing.assert_allclose(found[name], expected[name], atol=1e-4, err_msg=name)


def test_weights_of_other_layers_are_refused_as_a_beginning() -> None:
    with pytest.raises(WeightsError, match="tfeat of other layers, none of which fits aslfeat"):
        first_layers(weights_of("tfeat"), NetworkConfig(system="aslfeat"), "weights.npz")


def test_a_weights_file_is_judged_before_its_network_is_built(tmp_path) -> None:
    weights = weights_of("aslfeat-plain")
    weights.save(tmp_path / "good.npz")
    assert load_weights(tmp_path / "good.npz").network.system == "aslfeat-plain"
    arrays = {**weights.arrays, "conv_9/kernel": np.zeros((3, 3, 128, 4), np.float32)}
    dataclasses.replace(weights, arrays=arrays).save(tmp_path / "bad.npz")
    with pytest.raises(WeightsError, match="does not hold what its own header describes"):
        load_weights(tmp_path / "bad.npz")


def test_a_body_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="body 'unet' is not known; use layers"):
        build_map_network(MapSpec("unet", "d2", 8, 4), "maps")


def test_the_moving_maximum_is_set_by_the_first_batch_and_moves_slowly() -> None:
    network = build_network(NetworkConfig(system="aslfeat-one-level"))
    average = named_variables(network)["level_2_scale/moving_maximum"]
    first = network(noise(2, 16, 16, 1), training=True)["level_2"]
    np.testing.assert_allclose(tf.reduce_max(first), 1.0, rtol=1e-5)
    before = float(average[0])
    network(0.01 * noise(2, 16, 16, 1), training=True)
    assert before > 0 and abs(float(average[0]) / before - 1) < 0.05
    assert SYSTEMS["aslfeat-one-level"].train == "dense"
