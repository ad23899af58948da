"""What patch networks do to grey levels first, and the images of the data that some subtract."""

from __future__ import annotations

import numpy as np
import pytest

from superpoint_tf.networks.patch_inputs import INPUTS
from superpoint_tf.networks.patch_network import build_patch_network, set_input_statistics
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.systems import SYSTEMS, PatchSpec
from superpoint_tf.systems.system import relu

GREY = np.random.default_rng(0).random((3, 4, 4, 1), np.float32)
MEAN = GREY.mean((1, 2, 3), keepdims=True)


def expected_of(kind: str) -> np.ndarray:
    """Return the input by its formula; images of the data are still one grey, 0.5, and one deviation, 0.2."""
    biased, unbiased = (GREY.std((1, 2, 3), ddof=ddof, keepdims=True) for ddof in (0, 1))
    formulas = {
        "unit": GREY,
        "minus mean": GREY - MEAN,
        "standardised": (GREY - MEAN) / unbiased,
        "instance": (GREY - MEAN) / biased,
        "grey 128 over 160": (255 * GREY - 128) / 160,
        "grey 111 over 62": (255 * GREY - 110.754) / 61.537,
        "mean image": GREY - 0.5,
        "mean image, standardised": (GREY - MEAN) / unbiased,
        "mean and deviation image": (GREY - 0.5) / 0.2,
    }
    result: np.ndarray = formulas[kind]
    return result


@pytest.mark.parametrize("kind", INPUTS)
def test_an_input_is_its_formula(kind: str) -> None:
    np.testing.assert_allclose(INPUTS[kind]("input")(GREY), expected_of(kind), atol=1e-5)


@pytest.mark.parametrize("kind", INPUTS)
def test_a_patch_of_one_grey_stays_finite(kind: str) -> None:
    assert np.isfinite(INPUTS[kind]("input")(np.full((2, 4, 4, 1), 0.3, np.float32))).all()


def test_the_small_number_of_tfeat_is_of_grey_levels_up_to_255() -> None:
    faint = np.float32([0.0, 1.0, 0.0, 1.0]).reshape(1, 2, 2, 1) * 1e-3 / 255.0
    np.testing.assert_allclose(
        np.ravel(INPUTS["instance"]("input")(faint)),
        np.float32([-1, 1, -1, 1]) * 5e-4 / np.sqrt(25e-8 + 1e-5),
        rtol=1e-3,
    )


def test_images_of_the_data_are_weights_that_its_patches_set_and_no_optimizer_changes() -> None:
    patches = np.random.default_rng(1).random((200, 64, 64, 1), np.float32)
    network = build_patch_network(SYSTEMS["deepdesc"].network, "deepdesc")  # type: ignore[arg-type]
    set_input_statistics(network, patches)
    variables = named_variables(network)
    np.testing.assert_allclose(variables["input/mean_image"], patches.mean(0), atol=1e-6)
    np.testing.assert_allclose(variables["input/deviation_image"], patches.std(0), atol=1e-6)
    assert "input/mean_image" not in named_variables(network, only_trainable=True)


def test_each_of_two_streams_has_the_mean_image_of_what_it_sees() -> None:
    patches = np.random.default_rng(1).random((20, 64, 64, 1), np.float32)
    network = build_patch_network(SYSTEMS["cs-snet-gloss"].network, "cs")  # type: ignore[arg-type]
    set_input_statistics(network, patches)
    variables, mean = named_variables(network), patches.mean(0)
    np.testing.assert_allclose(variables["centre_input/mean_image"], mean[16:48, 16:48], atol=1e-6)
    halves = mean.reshape(32, 2, 32, 2, 1).mean((1, 3))
    np.testing.assert_allclose(variables["whole_input/mean_image"], halves, atol=1e-6)


def test_a_network_without_images_of_the_data_stays_as_it_is() -> None:
    network = build_patch_network(PatchSpec(4, "standardised", (relu(),)), "plain")
    set_input_statistics(network, GREY)
    assert not network.weights


def test_a_pixel_that_never_changes_has_a_deviation_of_one_grey_level() -> None:
    layer = INPUTS["mean and deviation image"]("input")
    layer(GREY)
    layer.set_statistics(np.full((5, 4, 4, 1), 0.25, np.float32))
    np.testing.assert_allclose(layer(GREY), 255 * (GREY - 0.25), rtol=1e-5)
