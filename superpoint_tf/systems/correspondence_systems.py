"""Systems that describe every place of a picture for dense correspondence, and detect nothing: UCN and FCSS."""

from __future__ import annotations

from .system import MAPS, Layer, MapSpec, System, bn, conv, pool, relu, transformer

_UCN = "Choy et al., UCN, NIPS 2016"
_FCSS = "Kim et al., FCSS, CVPR 2017"
_UCN_LOSSES = ("hard_correspondence", "random_correspondence")


def _step(channels: int) -> tuple[Layer, ...]:
    return conv(channels, bias=True), relu(), bn(affine=True)


def trunk(width: int) -> tuple[Layer, ...]:
    """Return the first six convolutions of SuperPoint's encoder, to 3b: one feature in 4 x 4 pixels."""
    return (
        *(*_step(width), *_step(width), pool("max", 2)),
        *(*_step(width), *_step(width), pool("max", 2)),
        *(*_step(2 * width), *_step(2 * width)),
    )


def _small_ucn(last: Layer) -> System:
    layers = (*trunk(32), *_step(64), *_step(64), last)
    spec = MapSpec("layers", "", 128, stride=4, first_px=1.5, options={"layers": layers})
    return System(_UCN, spec, "dense", _UCN_LOSSES, MAPS)


def _ucn(transformed: bool) -> System:
    spec = MapSpec("googlenet", "", 128, stride=4, first_px=2.0, options={"transformed": transformed})
    return System(_UCN, spec, "dense", _UCN_LOSSES, MAPS)


def _fcss(width: int, similarity: bool = True) -> System:
    # conv2_2, conv3_2 and conv3_4 of VGG-19 are the ends of 2b, 3a and 3b here: as deep, and of the same strides
    layers = trunk(width)
    norms = [number for number, layer in enumerate(layers) if layer.kind == "bn"]
    options = {
        "layers": layers,
        "taps": (norms[3], norms[4], norms[5]),
        "strides": (2, 4, 4),
        "deviations_px": (9.0, 7.0, 5.0),
        "pairs": 64 if similarity else 0,
    }
    dimension = 3 * 64 if similarity else 5 * width
    # pooling at stride 1 moves a level by half of its pixel: by 1, 2 and 2 of the picture
    first_px = 0.5 + 5 / 3 if similarity else 0.5
    spec = MapSpec("self similarity", "", dimension, 2, first_px, options)
    return System(_FCSS, spec, "dense", ("consistency",), MAPS)


CORRESPONDENCE_SYSTEMS = {
    "ucn": _ucn(transformed=False),
    "ucn-st": _ucn(transformed=True),
    # on SuperPoint's encoder, of the weights `superpoint-small`, without its third pooling
    "ucn-small": _small_ucn(conv(128, 5, bias=True)),
    "ucn-small-st": _small_ucn(transformer(128, 5)),
    "fcss": _fcss(64),
    "fcss-small": _fcss(32),
    # what FCSS compares with itself, as it is: the same levels of the backbone, joined
    "fcss-backbone": _fcss(64, similarity=False),
    "fcss-backbone-small": _fcss(32, similarity=False),
}
