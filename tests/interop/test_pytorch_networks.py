"""Networks that PyTorch computes from files like the public checkpoints, and ours from what was imported."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superpoint_tf import SuperPoint
from superpoint_tf.config.config_files import build_config
from superpoint_tf.interop.pytorch import load_pytorch
from superpoint_tf.interop.pytorch_layouts import MAGIC_LEAP, RPAUTRAT
from superpoint_tf.networks.superpoint import normalize_descriptors
from superpoint_tf.networks.weights import WeightsError, load_network
from superpoint_tf.training.state import TrainingState
from superpoint_tf.training.tasks import make_task

torch = pytest.importorskip("torch", reason="needs PyTorch, which is not part of `dev`: pip install -e '.[import]'")
nn = torch.nn

ENCODER = [1, 64, 64, 64, 64, 128, 128, 128, 128]
POOLED = (1, 3, 5)  # encoder convolutions with a max-pool behind them
MAGIC_LEAP_ENCODER = ["conv1a", "conv1b", "conv2a", "conv2b", "conv3a", "conv3b", "conv4a", "conv4b"]


class Block(nn.Module):
    """A convolution, its ReLU unless it is the last of a head, and batch norm behind that."""

    def __init__(self, channels_in: int, channels_out: int, side: int, batch_norm: bool, activated: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, side, padding=side // 2)
        self.bn = nn.BatchNorm2d(channels_out, eps=1e-3) if batch_norm else None
        self.activated = activated

    def forward(self, features: Any) -> Any:
        features = self.conv(features)
        if self.activated:
            features = torch.relu(features)
        return features if self.bn is None else self.bn(features)


class Network(nn.Module):
    """SuperPoint as the paper describes it, for images (B, 1, H, W); random weights, as if it had been trained."""

    def __init__(self, batch_norm: bool) -> None:
        super().__init__()
        torch.manual_seed(int(batch_norm))
        pairs = itertools.pairwise(ENCODER)
        self.encoder = nn.ModuleList(Block(before, after, 3, batch_norm, True) for before, after in pairs)
        self.detector, self.descriptor = (
            nn.ModuleList([Block(128, 256, 3, batch_norm, True), Block(256, channels, 1, batch_norm, False)])
            for channels in (65, 256)
        )
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
                nn.init.normal_(module.bias, std=0.1)
            if isinstance(module, nn.BatchNorm2d):
                for values in (module.weight, module.running_var):
                    nn.init.uniform_(values, 0.5, 1.5)
                for values in (module.bias, module.running_mean):
                    nn.init.normal_(values, std=0.3)
        self.eval()

    @torch.no_grad()
    def forward(self, images: Any) -> tuple[Any, Any]:
        """Return logits (B, 65, H/8, W/8) and descriptors (B, 256, H/8, W/8) of unit length."""
        features = images
        for place, block in enumerate(self.encoder):
            features = block(features)
            if place in POOLED:
                features = nn.functional.max_pool2d(features, 2)
        logits, descriptors = (head[1](head[0](features)) for head in (self.detector, self.descriptor))
        return logits, nn.functional.normalize(descriptors, dim=1)


def magic_leap_state(network: Network) -> OrderedDict[str, Any]:
    """Return the weights of a network without batch norm under Magic Leap's names."""
    blocks = dict(zip(MAGIC_LEAP_ENCODER, network.encoder, strict=True))
    blocks |= {"convPa": network.detector[0], "convPb": network.detector[1]}
    blocks |= {"convDa": network.descriptor[0], "convDb": network.descriptor[1]}
    return OrderedDict(
        (f"{name}.{variable}", value)
        for name, block in blocks.items()
        for variable, value in block.conv.state_dict().items()
    )


def rpautrat_state(network: Network) -> dict[str, Any]:
    """Return the weights of a network with batch norm under rpautrat's names, without counters as in his file."""
    blocks = {f"backbone.{place // 2}.{place % 2}": block for place, block in enumerate(network.encoder)}
    for head in ("detector", "descriptor"):
        blocks |= {f"{head}.{place}": block for place, block in enumerate(getattr(network, head))}
    return {
        f"{name}.{variable}": value
        for name, block in blocks.items()
        for variable, value in block.state_dict().items()
        if "num_batches_tracked" not in variable
    }


def run(network: Network, image: np.ndarray) -> tuple[Any, Any]:
    """Return logits and unit descriptors, channels first, of a picture (H, W) in [0, 1]."""
    return network(torch.from_numpy(image)[None, None])


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    return {"superpoint_v1.pth": Network(batch_norm=False), "superpoint_v6_from_tf.pth": Network(batch_norm=True)}


@pytest.fixture(scope="module")
def files(networks: dict[str, Network], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with both checkpoints, Magic Leap's in the old format as in 2018."""
    folder = tmp_path_factory.mktemp("public")
    old, new = folder / "superpoint_v1.pth", folder / "superpoint_v6_from_tf.pth"
    torch.save(magic_leap_state(networks[old.name]), old, _use_new_zipfile_serialization=False)
    torch.save(rpautrat_state(networks[new.name]), new)
    return folder


PUBLIC = pytest.mark.parametrize(
    ("name", "layout"), [("superpoint_v1.pth", MAGIC_LEAP), ("superpoint_v6_from_tf.pth", RPAUTRAT)]
)


@PUBLIC
def test_the_imported_network_gives_what_pytorch_gives(
    name: str, layout: Any, networks: dict[str, Network], files: Path, tmp_path: Path
):
    weights, found = load_pytorch(files / name)
    assert found is layout
    weights.save(tmp_path / "weights.npz")
    image = np.random.default_rng(0).random((40, 56), np.float32)
    ours = load_network(tmp_path / "weights.npz")[0](image[None, ..., None], training=False)
    logits, descriptors = (tensor.numpy().transpose(0, 2, 3, 1) for tensor in run(networks[name], image))
    assert logits.std() > 0.5 and descriptors.std(axis=(1, 2)).mean() > 0.01
    np.testing.assert_allclose(ours["logits"], logits, atol=1e-4)
    np.testing.assert_allclose(normalize_descriptors(ours["descriptors"]), descriptors, atol=1e-4)


@PUBLIC
def test_keypoints_and_descriptors_of_the_imported_model_are_those_of_pytorchs_maps(
    name: str, layout: Any, networks: dict[str, Network], files: Path, tmp_path: Path
):
    load_pytorch(files / name)[0].save(tmp_path / "weights.npz")
    image = np.random.default_rng(1).integers(0, 256, (40, 56), dtype=np.uint8)
    features = SuperPoint.from_pretrained(tmp_path / "weights.npz").extract(image, detection_threshold=0.02)
    logits, descriptors = run(networks[name], image.astype(np.float32) / 255)
    heatmap = nn.functional.pixel_shuffle(torch.softmax(logits, 1)[:, :64], 8)[0, 0].numpy()
    assert len(features.keypoints) > 5
    columns, rows = features.keypoints.astype(int).T
    np.testing.assert_allclose(features.scores, heatmap[rows, columns], atol=1e-4)
    # grid_sample: -1 and 1 are the frame's edges; ours clamps beyond the centres of the outer cells, as "border" does
    grid = (features.keypoints + 0.5) / np.array([56, 40], np.float32) * 2 - 1
    sampled = nn.functional.grid_sample(
        descriptors, torch.from_numpy(grid)[None, None], align_corners=False, padding_mode="border"
    )
    expected = nn.functional.normalize(sampled[0, :, 0], dim=0).numpy().T
    np.testing.assert_allclose(features.descriptors, expected, atol=1e-4)


@PUBLIC
def test_a_training_starts_from_the_imported_file_with_its_network_section(
    name: str, layout: Any, files: Path, tmp_path: Path
):
    weights = load_pytorch(files / name)[0]
    weights.save(tmp_path / "weights.npz")
    joint = {"init": str(tmp_path / "weights.npz")}

    def start(batch_norm: bool) -> TrainingState:
        config = build_config({"train": "joint", "joint": joint, "network": {"batch_norm": batch_norm}})
        return TrainingState(make_task(config, None, None))  # type: ignore[arg-type]

    kernel = start(layout.network.batch_norm).model.get_layer("descriptor_b").kernel
    np.testing.assert_array_equal(kernel, weights.arrays["descriptor_b/kernel"])
    with pytest.raises(WeightsError, match="set the `network` section to match"):
        start(not layout.network.batch_norm)
