"""Systems that compare the pixels of rectified pairs of pictures."""

from __future__ import annotations

from .system import COSTS, Layer, StereoSpec, System, conv, relu, unit

_PAPER = "Zbontar and LeCun, MC-CNN, JMLR 2016"


def _convolutions(channels: int, count: int) -> tuple[Layer, ...]:
    """Return 3x3 convolutions with ReLU between them, none after the last."""
    return (*((conv(channels, 3, "valid", bias=True), relu()) * count)[:-1],)


def _fast(count: int) -> System:
    """Return a description of unit length: 9 px with four convolutions (KITTI), 11 px with five (Middlebury)."""
    return System(_PAPER, StereoSpec((*_convolutions(64, count), unit())), "stereo", ("margin",), COSTS)


def _accurate(count: int, hidden: int) -> System:
    """Return full layers on two descriptions: 9 px and four of them (KITTI), 11 px and three (Middlebury)."""
    head = (*((conv(384, 1, "valid", bias=True), relu()) * hidden), conv(1, 1, "valid", bias=True))
    spec = StereoSpec((*_convolutions(112, count), relu()), head)
    return System(_PAPER, spec, "stereo", ("cross_entropy",), COSTS)


STEREO_SYSTEMS = {
    "mc-cnn-fast": _fast(4),
    "mc-cnn-accurate": _accurate(4, 4),
    "mc-cnn-fast-middlebury": _fast(5),
    "mc-cnn-accurate-middlebury": _accurate(5, 3),
}
