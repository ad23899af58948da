"""DELF: a residual body that tells photographs apart, a score of attention, and reduced descriptors."""

from __future__ import annotations

from .system import MAPS, Layer, MapSpec, System, bn, conv, pool, relu

_DELF = "Noh et al., DELF, ICCV 2017"

RESNET_STEM = (conv(64, 7, stride=2), bn(affine=True), relu(), pool("max", 3, 2, ceil=True))


def _encoder(width: int) -> tuple[Layer, ...]:
    """Return SuperPoint's encoder, whose weights it may begin with."""
    step = (relu(), bn(affine=True))
    first, second = conv(width, bias=True), conv(2 * width, bias=True)
    return (
        *(*((first, *step) * 2), pool("max", 2)),
        *(*((first, *step) * 2), pool("max", 2)),
        *(*((second, *step) * 2), pool("max", 2)),
        *((second, *step) * 2),
    )


def _delf(layers: tuple[Layer, ...], first_px: float, stages: tuple[tuple[int, int, int], ...], narrow: int) -> System:
    """Return a system; `stages` are channels, stride and number of residual blocks, inside `narrow` times narrower."""
    options = {"layers": layers, "stages": stages, "narrow": narrow}
    spec = MapSpec("residual", "attention", 40, stride=16, first_px=first_px, options=options)
    return System(_DELF, spec, "classes", ("cross_entropy",), MAPS)


DELF_SYSTEMS = {
    # ResNet-50 to its third stage, without the last pooling
    "delf": _delf(RESNET_STEM, 2.0, ((256, 1, 3), (512, 2, 4), (1024, 2, 6)), 4),
    # on the encoder of SuperPoint at half its width, of the weights `superpoint-small`
    "delf-small": _delf(_encoder(32), 3.5, ((256, 2, 1),), 1),
}
