"""Systems that compare two patches: by a network that decides, and DeepCompare's that decide by distance."""

from __future__ import annotations

from typing import Any

from .system import SCORES, VECTORS, Layer, PatchSpec, System, conv, difference, fc, l2, nearness, pool, relu, spp

_MATCHNET = "Han et al., MatchNet, CVPR 2015"
_DEEPCOMPARE = "Zagoruyko and Komodakis, DeepCompare, CVPR 2015"
_GLOSS = "Kumar et al., Global Loss, CVPR 2016"

MATCHNET = (
    *(conv(24, 7, bias=True), relu(), pool("max", 3, 2, ceil=True)),
    *(conv(64, 5, bias=True), relu(), pool("max", 3, 2, ceil=True)),
    *(conv(96, bias=True), relu(), conv(96, bias=True), relu()),
    *(conv(64, bias=True), relu(), pool("max", 3, 2, ceil=True)),
)
METRIC = (fc(1024), relu(), fc(1024), relu(), fc(2), difference())  # MatchNet's metric network


def _valid(channels: int, side: int, stride: int = 1) -> tuple[Layer, Layer]:
    return conv(channels, side, "valid", stride, bias=True), relu()


_FIRST = (*_valid(96, 7, 3), pool("max", 2), *_valid(192, 5))  # of most branches of DeepCompare
BRANCH = (*_FIRST, pool("max", 2), *_valid(256, 3))
# At 64 pixels the last map is 4 x 4: the pyramid takes the place of the second pooling, which would leave one pixel.
PYRAMID = (*_FIRST, *_valid(256, 3), spp(4))
DEEP = (
    *(*_valid(96, 4, 3), *_valid(96, 3), *_valid(96, 3), *_valid(96, 3), pool("max", 2, ceil=True)),
    *(*_valid(192, 3), *_valid(192, 3), *_valid(192, 3)),
)
STREAM = (  # one of two, of two patches of 32 pixels seen together
    *(*_valid(96, 5), pool("max", 2)),
    *(*_valid(96, 3), pool("max", 2)),
    *(*_valid(192, 3), *_valid(192, 3)),
)
SIAMESE_STREAM = (  # one of two, of one patch of 32 pixels; nothing is cut off at zero at its end
    *(*_valid(96, 4, 2), pool("max", 2)),
    *(*_valid(192, 3), *_valid(256, 3)),
    conv(256, 3, "valid", bias=True),
)
TWO_STREAMS = "centre and whole"


def _matchnet(*bottleneck: Layer) -> System:
    spec = PatchSpec(64, "grey 128 over 160", (*MATCHNET, *bottleneck), head=METRIC, start="relu")
    return System(_MATCHNET, spec, "patches", ("cross_entropy",), SCORES)


def _deepcompare(*layers: Layer, **rest: Any) -> System:
    """Return a network of DeepCompare: with a head it gives scores, else vectors of unit length."""
    spec = PatchSpec(64, "minus mean", layers, start="relu", **rest)
    loss, gives = ("hinge", SCORES) if spec.head else ("pair_hinge", VECTORS)
    return System(_DEEPCOMPARE, spec, "patches", (loss,), gives)


def _global(layers: tuple[Layer, ...], streams: str, head: tuple[Layer, ...]) -> System:
    spec = PatchSpec(64, "mean image", layers, "two channels", streams, head=head, start="relu")
    return System(_GLOSS, spec, "patches", ("global",), SCORES)


def _decision(channels: int) -> tuple[Layer, ...]:
    return fc(channels), relu(), fc(1)


PAIR_SYSTEMS = {
    "matchnet": _matchnet(),
    **{f"matchnet-{size}": _matchnet(fc(size), relu()) for size in (64, 128, 256, 512)},
    "2ch": _deepcompare(*BRANCH, branches="two channels", head=_decision(256)),
    "2ch-deep": _deepcompare(*DEEP, branches="two channels", head=_decision(768)),
    "2ch-2stream": _deepcompare(*STREAM, branches="two channels", streams=TWO_STREAMS, head=_decision(768)),
    "2ch-spp": _deepcompare(*PYRAMID, branches="two channels", head=_decision(256)),
    "siam": _deepcompare(*BRANCH, head=_decision(512)),
    "siam-l2": _deepcompare(*BRANCH, l2()),
    "pseudo-siam": _deepcompare(*BRANCH, branches="untied", head=_decision(512)),
    "pseudo-siam-l2": _deepcompare(*BRANCH, l2(), branches="untied", head=(nearness(),)),
    "siam-2stream": _deepcompare(*SIAMESE_STREAM, streams=TWO_STREAMS, head=_decision(1024)),
    "siam-2stream-l2": _deepcompare(*SIAMESE_STREAM, streams=TWO_STREAMS, join=(l2(),)),
    "siam-spp": _deepcompare(*PYRAMID, head=_decision(512)),
    "snet-gloss": _global(BRANCH, "one", _decision(256)),
    "cs-snet-gloss": _global(STREAM, TWO_STREAMS, _decision(768)),
}
