"""Shipped weights near the edge of the frame, on photographs never seen: no line of keypoints, and corners found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from superpoint_tf import SuperPoint
from superpoint_tf.config import DetectionConfig
from superpoint_tf.data.photographs.reading import cover_and_crop, read_photograph
from superpoint_tf.evaluation.edge_density import edge_density
from superpoint_tf.evaluation.edge_recall import edge_recall

SHAPE = (240, 320)


@pytest.fixture(scope="module", params=["superpoint-small", "superpoint"])  # superpoint-nano: its card
def model(request: pytest.FixtureRequest) -> SuperPoint:
    return SuperPoint.from_pretrained(request.param)


def pictures(photographs: Path, first: int, last: int) -> list[np.ndarray]:
    paths = sorted((photographs / "coco_val2017").iterdir())[first:last]
    return [cover_and_crop(read_photograph(path), SHAPE)[0] for path in paths]


def test_no_distance_from_the_edge_is_a_line_of_keypoints(model: SuperPoint, shared_photographs: Path):
    found = [
        model.extract(image, DetectionConfig(max_keypoints=300)).keypoints
        for image in pictures(shared_photographs, 0, 60)
    ]
    density = edge_density(found, SHAPE)
    assert max(density.ratios) < 1.5  # at 8 px there were 3.8 times as many as in the interior
    # From 4 to 7 px and at 10 and 15 px there are still fewer than two thirds (model cards); half of them are there.
    assert min(density.ratios) > 0.5


def test_strong_corners_are_found_again_where_a_crop_puts_them_near_its_edge(
    model: SuperPoint, shared_photographs: Path
):
    everywhere = DetectionConfig(max_keypoints=300, border_px=0)
    recall = edge_recall(lambda image: model.extract(image, everywhere), pictures(shared_photographs, 60, 100))
    assert recall[4.0, 8.0][0] >= 0.85 and recall[0.0, 4.0][0] >= 0.6
