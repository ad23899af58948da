"""Published patch networks: TFeat's and TNet's weights give the distances that others computed with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io

from superpoint_tf.interop.matconvnet import load_matconvnet
from superpoint_tf.interop.pytorch_layouts import HARDNET, TFEAT, convert
from superpoint_tf.networks.build import build_network, weight_shapes
from superpoint_tf.networks.weights import Weights, WeightsError, assign_weights, load_network, load_weights
from superpoint_tf.systems import VECTORS

TFEAT_DISTANCES = [12.4898, 11.5861, 4.3077, 5.0439, 7.4223, 13.8054, 5.0181, 8.7490, 7.6986, 12.2023]
TNET_SQUARES = [2.1417, 1.8929, 0.2978, 0.3389, 0.8027, 2.0893, 0.2406, 0.7746, 0.6897, 2.0154]
TNET_FIRST = [0.01271659, 0.07145599, 0.05936608, 0.09745864, 0.03762668]
PATTERN_FIRST = [-0.983363, -0.274419, 0.992866, 0.995383, -1.0]  # TFeat of the pattern 37 k mod 256


@pytest.fixture(scope="module")
def zoo() -> Path:
    folder = Path(__file__).resolve().parents[3] / "shared" / "data" / "zoo"
    if not folder.is_dir():
        pytest.skip("needs published weights and patches of the Brown set, which a public checkout does not have")
    return folder


@pytest.fixture(scope="module")
def pairs(zoo: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return twenty patches (20, 64, 64, 1) in [0, 1] and both numbers of ten pairs."""
    data = np.load(zoo / "brown20.npz")
    return data["patches"][..., None].astype(np.float32) / 255.0, data["index0"], data["index1"]


def vectors_of(weights: Weights, patches: np.ndarray) -> np.ndarray:
    network = build_network(weights.network)
    assign_weights(network, weights, "published")
    vectors: np.ndarray = network(patches)["vector"].numpy()
    return vectors


def tfeat_state(zoo: Path) -> dict[str, np.ndarray]:
    """Return the published weights by PyTorch's names, laid out as PyTorch does."""
    data = np.load(zoo / "tfeat-liberty.npz")
    state = {"descr.0.weight": data["dense_kernel"].T, "descr.0.bias": data["dense_bias"]}
    for name, place in (("conv1", 1), ("conv2", 4)):
        state[f"features.{place}.weight"] = data[f"{name}_kernel"].transpose(3, 2, 0, 1)
        state[f"features.{place}.bias"] = data[f"{name}_bias"]
    return state


def tnet_file(zoo: Path, path: Path, **changes: Any) -> Path:
    """Write the published weights as MatConvNet's users save a network."""
    data = np.load(zoo / "tnet-liberty.npz")
    layers: list[dict[str, Any]] = []
    for number in range(1, 6):
        cell = np.empty((1, 2), object)
        cell[0, 0], cell[0, 1] = data[f"conv{number}_kernel"], data[f"conv{number}_bias"][None]
        layers += [{"type": "conv", "weights": cell, "stride": 1.0}, {"type": "relu"}]
    contents = {"net": {"layers": np.array([layers], object)}, "averageImage": data["average_image"]} | changes
    scipy.io.savemat(path, contents)
    return path


def test_the_published_tfeat_gives_its_ten_distances(
    zoo: Path, pairs: tuple[np.ndarray, np.ndarray, np.ndarray]
) -> None:
    patches, first, second = pairs
    weights, layout = convert(tfeat_state(zoo), "tfeat-liberty.params")
    assert layout is TFEAT and weights.network.system == "tfeat"
    vectors = vectors_of(weights, patches.reshape(20, 32, 2, 32, 2, 1).mean((2, 4)))
    np.testing.assert_allclose(np.linalg.norm(vectors[first] - vectors[second], axis=1), TFEAT_DISTANCES, atol=1e-3)


def test_the_published_tfeat_of_a_pattern(zoo: Path) -> None:
    pattern = (37 * np.arange(1024) % 256).astype(np.float32).reshape(1, 32, 32, 1) / 255.0
    vector = vectors_of(convert(tfeat_state(zoo), "tfeat-liberty.params")[0], pattern)[0]
    np.testing.assert_allclose(vector[:5], PATTERN_FIRST, atol=1e-4)
    assert np.linalg.norm(vector) == pytest.approx(9.68858, abs=1e-3)


def test_the_published_tnet_gives_its_ten_squared_distances_and_its_first_vector(
    zoo: Path, pairs: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    patches, first, second = pairs
    weights, origin = load_matconvnet(tnet_file(zoo, tmp_path / "tnet.mat"))
    assert weights.network.system == "tnet-tgloss" and not origin.restricted
    vectors = vectors_of(weights, patches)
    np.testing.assert_allclose(np.square(vectors[first] - vectors[second]).sum(1), TNET_SQUARES, atol=1e-3)
    np.testing.assert_allclose(vectors[0, :5], TNET_FIRST, atol=1e-5)


def test_imported_weights_keep_their_vectors_through_a_file(
    zoo: Path, pairs: tuple[np.ndarray, np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    weights, _ = load_matconvnet(tnet_file(zoo, tmp_path / "tnet.mat"))
    weights.save(tmp_path / "weights.npz")
    assert load_weights(tmp_path / "weights.npz").fingerprint() == weights.fingerprint()
    network, _ = load_network(tmp_path / "weights.npz", gives=VECTORS)
    np.testing.assert_array_equal(network(pairs[0])["vector"], vectors_of(weights, pairs[0]))


def test_a_matlab_file_that_is_not_tnet_is_refused_with_what_differs(zoo: Path, tmp_path: Path) -> None:
    small = tnet_file(zoo, tmp_path / "small.mat", averageImage=np.zeros((32, 32), np.float32))
    with pytest.raises(WeightsError, match=r"small\.mat: differs .* input/mean_image \(32, 32, 1\) instead of \(64, 6"):
        load_matconvnet(small)
    image = tnet_file(zoo, tmp_path / "nan.mat", averageImage=np.full((64, 64), np.nan, np.float32))
    with pytest.raises(WeightsError, match=r"nan\.mat: differs .* input/mean_image is not finite"):
        load_matconvnet(image)


def test_a_matlab_file_without_a_network_or_cut_short_is_refused(tmp_path: Path) -> None:
    scipy.io.savemat(tmp_path / "other.mat", {"x": np.arange(3)})
    whole = (tmp_path / "other.mat").read_bytes()
    (tmp_path / "short.mat").write_bytes(whole[:150])
    for name in ("other.mat", "short.mat"):
        with pytest.raises(WeightsError, match=rf"{name}: damaged, or no network of MatConvNet"):
            load_matconvnet(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_matconvnet(tmp_path / "nowhere.mat")


def test_a_matrix_that_reads_a_map_channel_by_channel_reads_ours_pixel_by_pixel() -> None:
    kernel = np.arange(2 * 64 * 64, dtype=np.float32).reshape(2, 64 * 64)
    ours = TFEAT.our_array("fc_1/kernel", kernel)
    assert ours.shape == (64 * 64, 2)
    row, column, channel = 3, 5, 7
    assert ours[(row * 8 + column) * 64 + channel, 1] == kernel[1, (channel * 8 + row) * 8 + column]


def test_hardnets_checkpoint_has_a_name_for_every_weight_of_ours() -> None:
    names = {HARDNET.their_name(name) for name in weight_shapes(HARDNET.network)}
    assert len(names) == 21
    assert {"features.0.weight", "features.19.weight", "features.20.running_var", "features.1.running_mean"} <= names


@pytest.mark.parametrize("layout", [TFEAT, HARDNET], ids=["tfeat", "hardnet"])
def test_kornia_with_the_same_random_weights_gives_the_same_vectors(layout: Any) -> None:
    pytest.importorskip("torch", reason="needs PyTorch, which is not part of `dev`: pip install -e '.[import]'")
    features = pytest.importorskip("kornia", reason="needs kornia, as PyTorch: pip install -e '.[import]'").feature
    import torch

    torch.manual_seed(0)
    theirs = {"tfeat": features.TFeat, "hardnet": features.HardNet}[layout.network.system](pretrained=False).eval()
    for name, values in theirs.state_dict().items():
        if "running" in name:  # as if it had been trained
            values.uniform_(0.5, 1.5)
    patches = np.random.default_rng(0).random((16, 32, 32, 1), np.float32)
    grey = 255.0 * patches.transpose(0, 3, 1, 2)  # TFeat's small number under the root is of such levels
    with torch.no_grad():
        expected = theirs(torch.from_numpy(grey)).numpy()
    state = {name: values.numpy() for name, values in theirs.state_dict().items()}
    weights, found = convert(state, "kornia")
    assert found is layout
    np.testing.assert_allclose(vectors_of(weights, patches), expected, atol=1e-4)
