"""Systems that describe a patch by a vector; those that compare two by a score are in `pair_systems`."""

from __future__ import annotations

from .system import (
    VECTORS,
    Layer,
    PatchSpec,
    System,
    bn,
    conv,
    dropout,
    fc,
    gradients,
    l2,
    pool,
    regions,
    relu,
    sign,
    subtract,
    tanh,
)

_HARDNET = "Mishchuk et al., HardNet, NIPS 2017"
_L2NET = "Tian et al., L2-Net, CVPR 2017"
_GLOSS = "Kumar et al., Global Loss, CVPR 2016"
_DEEPDESC = "Simo-Serra et al., DeepDesc, ICCV 2015"
_CONVEX = "Simonyan et al., Learning Local Feature Descriptors, PAMI 2014"
_TFEAT = "Balntas et al., TFeat, BMVC 2016"

L2NET_BODY = (  # six of its seven convolutions, all but the last
    *(conv(32), bn(), relu()),
    *(conv(32), bn(), relu()),
    *(conv(64, stride=2), bn(), relu()),
    *(conv(64), bn(), relu()),
    *(conv(128, stride=2), bn(), relu()),
    *(conv(128), bn(), relu()),
)
L2NET = (*L2NET_BODY, conv(128, 8, "valid"), bn(), l2())
_BATCH_NORMS = tuple(number for number, layer in enumerate(L2NET) if layer.kind == "bn")
_ENDS = (_BATCH_NORMS[0], _BATCH_NORMS[-1])  # where its loss E3 compares patches

TNET = (
    *(conv(96, 7, "valid", stride=3, bias=True), relu(), pool("max", 2)),
    *(conv(192, 5, "valid", bias=True), relu(), pool("max", 2)),
    *(conv(256, 3, "valid", bias=True), relu()),
    *(conv(256, 1, "valid", bias=True), relu()),
    *(conv(256, 1, "valid", bias=True), l2()),
)
DEEPDESC = (
    *(conv(32, 7, "valid", bias=True), tanh(), pool("l2", 2), subtract(5)),
    *(conv(64, 6, "valid", bias=True), tanh(), pool("l2", 3), subtract(5)),
    *(conv(128, 5, "valid", bias=True), tanh(), pool("l2", 4)),
)
TFEAT = (
    *(conv(32, 7, "valid", bias=True), tanh(), pool("max", 2)),
    *(conv(64, 6, "valid", bias=True), tanh()),
    *(fc(128), tanh()),
)


_L2NET_LOSSES = ("l2net", "l2net_e1_e2", "l2net_e1")


def _vectors(paper: str, spec: PatchSpec, *losses: str) -> System:
    return System(paper, spec, "patches", losses, VECTORS)


def _l2net(*end: Layer, taps: tuple[int, ...] = _ENDS) -> System:
    """Return L2-Net on one patch of 32 pixels."""
    return _vectors(_L2NET, PatchSpec(32, "mean image, standardised", (*L2NET, *end), taps=taps), *_L2NET_LOSSES)


def _central_surround(*end: Layer) -> System:
    """Return L2-Net on the middle and on the whole of 64 pixels; both vectors together have unit length."""
    spec = PatchSpec(64, "mean image, standardised", L2NET, streams="centre and whole", join=(l2(), *end), taps=_ENDS)
    return _vectors(_L2NET, spec, *_L2NET_LOSSES)


def _convex(dimension: int) -> System:
    """Return the convex descriptor: at most 72 regions of 8 directions, and a projection."""
    layers = (gradients(8, blur_px=1.4), regions(72), fc(dimension, bias=False))
    return _vectors(_CONVEX, PatchSpec(64, "unit", layers), "difference_hinge")


PATCH_SYSTEMS = {
    "hardnet": _vectors(  # the first of those that `train: patches` trains: its default
        _HARDNET,
        PatchSpec(32, "standardised", (*L2NET_BODY, dropout(0.3), conv(128, 8, "valid"), bn(), l2())),
        *("hardest_triplet", "softmax", "contrastive"),
    ),
    "l2net": _l2net(),
    "l2net-all-taps": _l2net(taps=_BATCH_NORMS),
    "cs-l2net": _central_surround(),
    # the weights of the two above; their vectors become signs where they are used
    "binary-l2net": _l2net(sign()),
    "binary-cs-l2net": _central_surround(sign()),
    "tfeat": _vectors(_TFEAT, PatchSpec(32, "instance", TFEAT, start="tanh"), "triplet", "ratio"),
    "deepdesc": _vectors(_DEEPDESC, PatchSpec(64, "mean and deviation image", DEEPDESC, start="tanh"), "mined_pairs"),
    "tnet-tloss": _vectors(_GLOSS, PatchSpec(64, "mean image", TNET, start="relu"), "triplet_ratio"),
    "tnet-tgloss": _vectors(_GLOSS, PatchSpec(64, "mean image", TNET, start="relu"), "triplet_global"),
    "convex": _convex(80),
    **{f"convex-{dimension}": _convex(dimension) for dimension in (48, 64, 120)},
}
