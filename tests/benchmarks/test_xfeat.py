"""The network of others that ours is timed beside: as many weights as its layers have."""

from __future__ import annotations

import numpy as np

from superpoint_tf.benchmarks.xfeat import build_xfeat


def test_it_has_the_weights_of_its_layers_and_gives_three_maps() -> None:
    network = build_xfeat()
    # by hand from the published layers; the matcher after it would have 886,848 more: 1.5 million in all
    assert sum(int(np.prod(weight.shape)) for weight in network.trainable_weights) == 657_910
    shapes = [tuple(each.shape) for each in network(np.zeros((1, 64, 96, 1), np.float32), training=False)]
    assert shapes == [(1, 8, 12, 64), (1, 8, 12, 65), (1, 8, 12, 1)]
