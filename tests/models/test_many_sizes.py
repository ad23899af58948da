"""Networks over pictures of many sizes: one trace, few sizes that are fused, few counts, the same results."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from superpoint_tf import SuperPoint
from superpoint_tf.config import NetworkConfig
from superpoint_tf.evaluation.methods.dense_networks import dense_method_of
from superpoint_tf.models import inference, patch_model, stereo_costs
from superpoint_tf.models.inference import CompiledInference
from superpoint_tf.models.patch_model import PatchModel
from superpoint_tf.models.stereo_model import StereoModel
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.superpoint import normalize_descriptors

MOST = 6  # sizes that are fused, here
SIZES = [(24 + number % 10, 24 + number // 10) for number in range(60)]
Use = Callable[[np.ndarray], object]


def picture(shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(shape).integers(0, 256, shape, dtype=np.uint8)


def network_of(system: str) -> tf.keras.Model:
    sizes = {"width": 1 / 16, "descriptor_dim": 8} if system == "superpoint" else {}
    return build_network(NetworkConfig(system=system, **sizes))


def uses() -> dict[str, Callable[[], Use]]:
    """Return what looks at a picture, built when it is asked for."""

    def dense(system: str) -> Use:
        model = SuperPoint(network_of(system))

        def look(image: np.ndarray) -> object:  # by turns
            one = image.shape[1] % 2
            return model.extract(image, max_keypoints=5) if one else model.extract_batch([image], max_keypoints=5)

        return look

    def maps() -> Use:
        return dense_method_of("maps", {}, network_of("ucn-small")).describe

    def pairs() -> Use:
        model = StereoModel(network_of("mc-cnn-fast"), "mc-cnn-fast")
        return lambda image: model.volume(image, image, 2)

    return {
        "superpoint": lambda: dense("superpoint"),
        "d2net": lambda: dense("d2net-small"),
        "dense maps": maps,
        "stereo": pairs,
    }


@pytest.mark.parametrize("name", uses())
def test_of_many_sizes_few_are_fused_and_all_share_one_trace(name: str, monkeypatch: pytest.MonkeyPatch):
    use = uses()[name]()
    monkeypatch.setattr(inference, "_seen", set())
    monkeypatch.setattr(inference, "_MAX_FUSED_SIZES", MOST)
    monkeypatch.setattr(
        CompiledInference, "__init__", pytest.fail
    )  # made for each picture, it would be traced for each
    called: list[tuple[CompiledInference, tuple[int, ...]]] = []
    unfused = []
    real_call, real_guard = CompiledInference.__call__, inference._without_fusing

    def call(self: CompiledInference, images: tf.Tensor) -> object:
        called.append((self, tuple(images.shape)))
        return real_call(self, images)

    monkeypatch.setattr(CompiledInference, "__call__", call)
    monkeypatch.setattr(inference, "_without_fusing", lambda: unfused.append(1) or real_guard())
    for shape in SIZES:
        use(picture(shape))
    assert len({shape for _, shape in called}) == len(SIZES)  # every size reaches a network
    times = len(called) // len(SIZES)  # a picture: of a stereo pair twice
    assert len(unfused) == len(called) - MOST * times
    assert {self._run.experimental_get_tracing_count() for self, _ in called} == {1}


def test_full_layers_of_stereo_see_few_counts_of_pairs(monkeypatch: pytest.MonkeyPatch):
    counts: set[int] = set()
    real = inference.with_few_counts

    def watched(run: Callable[..., tf.Tensor], step: int) -> Callable[..., tf.Tensor]:
        return real(lambda pairs: counts.add(int(pairs.shape[0])) or run(pairs), step)

    monkeypatch.setattr(stereo_costs, "with_few_counts", watched)
    model = StereoModel(network_of("mc-cnn-accurate"), "mc-cnn-accurate")
    shapes = SIZES[::15]
    for shape in shapes:
        model.volume(picture(shape), picture(shape), 8)
    assert counts <= {1, 8, 32, 512, 1024} and len(shapes) * 8 > 6 * len(counts)


def test_counts_that_are_seen_are_few():
    assert len({inference._next_count(count, 32) for count in range(1, patch_model._BATCH + 1)}) == 18
    assert len({inference._next_count(count, 512) for count in range(1, 4097)}) == 11


def test_padded_counts_and_no_fusing_change_nothing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inference, "_MAX_FUSED_SIZES", 0)
    image = picture((40, 56))
    network = network_of("ucn-small")
    found = dense_method_of("maps", {}, network).describe(image).descriptors
    images = tf.constant(image[None, ..., None] / 255.0, tf.float32)
    expected = normalize_descriptors(network(images, training=False)["descriptors"])[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    stereo = network_of("mc-cnn-accurate")
    volume = StereoModel(stereo, "mc-cnn-accurate").volume(image, np.roll(image, -2, 1), 3)
    monkeypatch.setattr(stereo_costs, "with_few_counts", lambda run, step: run)
    unpadded = StereoModel(stereo, "mc-cnn-accurate").volume(image, np.roll(image, -2, 1), 3)
    np.testing.assert_allclose(volume, unpadded, atol=1e-5)
    patches = PatchModel(network_of("tfeat"), "tfeat")
    many = np.random.default_rng(0).random((41, 32, 32), np.float32)
    alone = np.concatenate([patches.describe_patches(many[row : row + 1]) for row in range(0, 41, 10)])
    np.testing.assert_allclose(patches.describe_patches(many)[::10], alone, atol=1e-5)
