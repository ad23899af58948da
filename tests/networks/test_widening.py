import dataclasses

import numpy as np
import pytest

from superpoint_tf.config import NetworkConfig
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.networks.weights import Weights, WeightsError, assign_weights, get_weights
from superpoint_tf.networks.widening import can_widen, widen_weights

NARROW = NetworkConfig(width=0.25, descriptor_dim=32)


def trained(network: NetworkConfig) -> Weights:
    """Weights whose batch norms are not what they begin with."""
    model = build_network(network, seed=3)
    generator = np.random.default_rng(0)
    for name, variable in named_variables(model).items():
        if "_bn/" in name:
            variable.assign(generator.uniform(0.5, 1.5, variable.shape))
    return get_weights(model, network, step=7)


@pytest.mark.parametrize("width", [0.5, 0.375, 1.0])  # every channel twice, some twice, every one four times
@pytest.mark.parametrize("batch_norm", [True, False])
def test_a_widened_network_computes_what_the_narrow_one_does(width: float, batch_norm: bool):
    narrow = trained(dataclasses.replace(NARROW, batch_norm=batch_norm))
    wide = widen_weights(narrow, dataclasses.replace(narrow.network, width=width))
    image = np.random.default_rng(1).random((1, 24, 32, 1), np.float32)
    outputs = []
    for weights in (narrow, wide):
        model = build_network(weights.network)
        assign_weights(model, weights, "here")
        outputs.append(model(image, training=False))
    for name in ("logits", "descriptors"):
        expected = outputs[0][name].numpy()
        np.testing.assert_allclose(outputs[1][name], expected, atol=1e-5 * np.abs(expected).max())
    assert wide.step == 7 and wide.network.width == width


def test_the_copies_of_a_channel_pass_on_different_shares_so_that_training_parts_them():
    wide = widen_weights(trained(NARROW), dataclasses.replace(NARROW, width=0.5))
    kernel = wide.arrays["encoder_2a/kernel"]
    np.testing.assert_array_equal(
        wide.arrays["encoder_1a/kernel"][..., :16], wide.arrays["encoder_1a/kernel"][..., 16:]
    )
    first, second = kernel[:, :, :16], kernel[:, :, 16:]
    assert np.abs(first - second).max() > 0.1 * np.abs(kernel).max()


def test_a_seed_gives_the_same_shares():
    narrow, wide = trained(NARROW), dataclasses.replace(NARROW, width=0.5)
    first, again, other = (widen_weights(narrow, wide, seed).fingerprint() for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize("change", [{"width": 0.25}, {"width": 0.125}, {"width": 0.5, "batch_norm": False}])
def test_only_a_greater_width_is_widened(change: dict):
    other = dataclasses.replace(NARROW, **change)
    assert not can_widen(trained(NARROW), other)
    with pytest.raises(WeightsError, match="only a greater width"):
        widen_weights(trained(NARROW), other)


def test_a_detector_is_widened_for_descriptors_of_any_dimension_and_a_joint_model_for_its_own_alone():
    wide = dataclasses.replace(NARROW, width=0.5, descriptor_dim=8)
    detector = get_weights(build_network(NARROW.with_system("magicpoint")), NARROW.with_system("magicpoint"))
    assert widen_weights(detector, wide).network == wide.with_system("magicpoint")
    assert not can_widen(trained(NARROW), wide)
