"""Systems that describe patches."""

from __future__ import annotations

from .system import VECTORS, PatchSpec, System, bn, conv, dropout, l2, relu

L2NET_BODY = (  # Tian et al., L2-Net, CVPR 2017: six of its seven convolutions, all but the last
    *(conv(32), bn(), relu()),
    *(conv(32), bn(), relu()),
    *(conv(64, stride=2), bn(), relu()),
    *(conv(64), bn(), relu()),
    *(conv(128, stride=2), bn(), relu()),
    *(conv(128), bn(), relu()),
)

PATCH_SYSTEMS = {
    "hardnet": System(
        "Mishchuk et al., HardNet, NIPS 2017",
        PatchSpec(32, "standardised", (*L2NET_BODY, dropout(0.3), conv(128, 8, "valid"), bn(), l2())),
        "patches",
        ("hardest_triplet", "softmax", "contrastive"),
        VECTORS,
    ),
}
