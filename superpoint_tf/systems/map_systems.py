"""Systems that detect and describe in the same maps of features, beside SuperPoint: D2-Net and ASLFeat."""

from __future__ import annotations

from .patch_systems import L2NET_BODY
from .system import (
    MAPS,
    Layer,
    MapSpec,
    System,
    bn,
    coarse_conv,
    coarse_pool,
    conv,
    deformable_conv,
    pool,
    relu,
)

_D2NET = "Dusmanu et al., D2-Net, CVPR 2019"
_ASLFEAT = "Luo et al., ASLFeat, CVPR 2020"


def _vgg(channels: int, count: int) -> tuple[Layer, ...]:
    return (conv(channels, bias=True), relu()) * count


VGG16 = (  # to its convolution 4_3
    *(*_vgg(64, 2), pool("max", 2)),
    *(*_vgg(128, 2), pool("max", 2)),
    *(*_vgg(256, 3), coarse_pool()),
    *((coarse_conv(512, bias=True), relu()) * 3),
)


def _encoder(width: int) -> tuple[Layer, ...]:
    """Return SuperPoint's encoder, rectified at its end, as D2-Net's scores need it."""
    step = (relu(), bn(affine=True))
    first, second = conv(width, bias=True), conv(2 * width, bias=True)
    return (
        *(*((first, *step) * 2), pool("max", 2)),
        *(*((first, *step) * 2), pool("max", 2)),
        *(*((second, *step) * 2), coarse_pool()),
        *((coarse_conv(2 * width, bias=True), *step) * 2),
        relu(),
    )


def _d2net(layers: tuple[Layer, ...], dimension: int) -> System:
    # one descriptor in 8 pixels in training, one in 4 at use; the first sees the same pixels about (3.5, 3.5) in both
    spec = MapSpec("layers", "d2", dimension, stride=4, first_px=3.5, options={"layers": layers})
    return System(_D2NET, spec, "dense", ("d2", "softmax"), MAPS)


_SECOND, _FOURTH = (
    [number for number, layer in enumerate(L2NET_BODY) if layer.kind == "conv"][place] for place in (1, 3)
)  # its convolutions 2 and 4 are the last at full and at half resolution


def _aslfeat(last: Layer, *, levels: tuple[str, ...] = ("level_0", "level_1", "level_2")) -> System:
    """Return L2-Net's body with three such last layers in place of its 8 x 8 one; it detects in three of its maps."""
    layers = (*L2NET_BODY, last, bn(), relu(), last, bn(), relu(), last)
    maps = {"level_0": _SECOND, "level_1": _FOURTH, "level_2": len(layers) - 1}
    options = {
        "layers": layers,
        "input": "instance",
        "start": "orthogonal",
        "levels": {name: maps[name] for name in levels},
    }
    spec = MapSpec("layers", "peaks", 128, stride=4, options=options)
    return System(_ASLFEAT, spec, "dense", ("hardest_contrastive", "circle", "softmax"), MAPS)


MAP_SYSTEMS = {
    "d2net": _d2net(VGG16, 512),
    # on the encoders of SuperPoint, of the weights `superpoint` and `superpoint-small`
    "d2net-superpoint": _d2net(_encoder(64), 128),
    "d2net-small": _d2net(_encoder(32), 64),
    "aslfeat": _aslfeat(deformable_conv(128, "free")),
    "aslfeat-affine": _aslfeat(deformable_conv(128, "affine")),
    "aslfeat-homography": _aslfeat(deformable_conv(128, "homography")),
    "aslfeat-plain": _aslfeat(conv(128)),
    "aslfeat-one-level": _aslfeat(conv(128), levels=("level_2",)),
}
