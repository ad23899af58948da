"""A tiny network, and the tools run in this process, where TensorFlow is imported already."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of 1/16 width that nothing has trained: with a threshold of .001 they find plenty."""
    return save_weights(
        tmp_path_factory.mktemp("weights") / "tiny.npz", width=1 / 16, batch_norm=False, descriptor_dim=8
    )


@pytest.fixture(scope="session")
def patch_weights(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Weights of patch systems that nothing has trained, by the system's name."""
    folder = tmp_path_factory.mktemp("weights")
    return {system: save_weights(folder / f"{system}.npz", system=system) for system in ("hardnet", "siam")}


def save_weights(path: Path, **network: Any) -> str:
    from superpoint_tf.config import NetworkConfig
    from superpoint_tf.networks.build import build_network
    from superpoint_tf.networks.weights import get_weights

    config = NetworkConfig(**network)
    get_weights(build_network(config, seed=5), config).save(path)
    return str(path)


@pytest.fixture
def run_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Return a function that runs a tool in the folder of the test and returns its exit code."""
    monkeypatch.chdir(tmp_path)

    def run(tool: str, *arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", [tool, *arguments])
        try:
            runpy.run_path(str(TOOLS / tool), run_name="__main__")
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


@pytest.fixture(scope="session")
def stereo_weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights of MC-CNN that nothing has trained: of plain pictures they find the shift."""
    return save_weights(tmp_path_factory.mktemp("weights") / "stereo.npz", system="mc-cnn-fast")
