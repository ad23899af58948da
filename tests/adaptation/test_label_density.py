"""Labels of photographs do not crowd at any distance from the frame, over the pixels that enough warps have seen."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest

from superpoint_tf.adaptation.rounds import AdaptationRun, adapt
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.labels.label_sets import find_label
from superpoint_tf.data.labels.labels import load_label
from superpoint_tf.data.photographs.photograph_sets import PhotographSet
from superpoint_tf.evaluation.edge_density import edge_density
from superpoint_tf.export.calibration import open_photographs
from superpoint_tf.runtime.progress import Console

FRAME = (240, 320)
ENOUGH = 40  # keypoints that the interior's density would put at a distance: their number scatters by a sixth


@pytest.mark.slow
def test_fresh_labels_are_as_dense_at_every_distance_from_the_edge_as_inside_where_they_are_known(tmp_path: Path):
    names = []
    for number, frame in enumerate(open_photographs("bundled").frames(None)):
        names.append(f"{number:02d}.png")
        cv2.imwrite(str(tmp_path / names[-1]), frame)
    config = build_config({"workers": 0, "adaptation": {"num_homographies": 20, "num_figures": 0}})
    photographs = PhotographSet(str(tmp_path), tuple(names), (), "")
    adapt(AdaptationRun(config, photographs, "superpoint-small", str(tmp_path / "labels"), 1), Console())
    labels = [load_label(find_label(str(tmp_path / "labels"), 1, name)) for name in names]
    known = [label.known(config.photographs.min_votes) for label in labels]
    found = edge_density([label.keypoints for label in labels], FRAME, known)
    assert found.beyond(1.5, ENOUGH) == [], found
    assert (found.expected >= ENOUGH).sum() >= 5
