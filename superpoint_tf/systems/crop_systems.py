"""Systems that detect in pictures and describe crops of them: LIFT and LF-Net."""

from __future__ import annotations

from .patch_systems import DEEPDESC
from .system import MAPS, CropSpec, PatchSpec, System, bn, conv, fc, ghh, l2, pool, relu

_LIFT = "Yi et al., LIFT, ECCV 2016"
_LFNET = "Ono et al., LF-Net, NIPS 2018"

LIFT_ORIENTATION = (
    *(conv(10, 5, "valid", bias=True), relu(), pool("max", 2)),
    *(conv(20, 5, "valid", bias=True), relu(), pool("max", 2)),
    *(conv(50, 3, "valid", bias=True), relu(), pool("max", 2)),
    *(fc(100 * 16), ghh(), fc(2 * 16), ghh(), l2()),
)
LFNET_DESCRIPTOR = (
    *(conv(64, 3, stride=2, bias=True), bn(), relu()),
    *(conv(128, 3, stride=2, bias=True), bn(), relu()),
    *(conv(256, 3, stride=2, bias=True), bn(), relu()),
    *(conv(512, 4, "valid", bias=True), bn(), relu()),  # a full layer
    *(fc(256), l2()),
)

CROP_SYSTEMS = {
    "lift": System(
        _LIFT,
        CropSpec(
            "lift",
            "lift",
            PatchSpec(64, "grey 111 over 62", DEEPDESC, start="tanh"),
            PatchSpec(64, "grey 111 over 62", LIFT_ORIENTATION, start="relu"),
        ),
        "lift",
        ("lift",),
        MAPS,
    ),
    "lfnet": System(
        _LFNET,
        CropSpec("lfnet", "scale space", PatchSpec(32, "instance", LFNET_DESCRIPTOR, start="relu")),
        "lfnet",
        ("lfnet",),
        MAPS,
    ),
}
