"""Systems that tell distorted digits apart: full and convolutional networks, with and without a spatial transformer."""

from __future__ import annotations

from .system import CLASSES, DigitSpec, Layer, System, conv, fc, pool, relu

_PAPER = "Jaderberg et al., Spatial Transformer Networks, NIPS 2015"
DIGIT_SIDE_PX = 20  # of the pictures of digits
TRANSFORMERS = ("affine", "projective", "spline", "attention")  # the paper compares the first three

FCN = (fc(48), relu(), fc(48), relu(), fc(10))
CNN = (
    *(conv(8, 5, "valid", bias=True), relu(), pool("max", 2)),
    *(conv(16, 5, "valid", bias=True), relu(), pool("max", 2)),
    *(fc(64), relu(), fc(10)),
)
FCN_LOCALISATION = (fc(32), relu(), fc(32), relu())
CNN_LOCALISATION = (
    *(conv(8, 5, "valid", stride=2, bias=True), relu()),
    *(conv(16, 3, "valid", stride=2, bias=True), relu()),
    *(fc(32), relu()),
)


def _digits(layers: tuple[Layer, ...], front: str = "", localisation: tuple[Layer, ...] = ()) -> System:
    return System(_PAPER, DigitSpec(layers, front, localisation), "digits", ("cross_entropy",), CLASSES)


DIGIT_SYSTEMS = {
    "digits-cnn": _digits(CNN),  # the first of those that `train: digits` trains: its default
    "digits-fcn": _digits(FCN),
    **{f"st-cnn-{front}": _digits(CNN, front, CNN_LOCALISATION) for front in TRANSFORMERS},
    **{f"st-fcn-{front}": _digits(FCN, front, FCN_LOCALISATION) for front in TRANSFORMERS},
}
