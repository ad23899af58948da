from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.data.photographs.photograph_sets import list_photographs
from superpoint_tf.data.photographs.reading import read_photograph
from superpoint_tf.data.photographs.videos import VideoReader
from superpoint_tf.demonstration.samples import write_samples
from superpoint_tf.models.dense_model import SuperPoint


def test_the_names_of_the_readme_are_written_and_the_two_views_match(tmp_path: Path):
    names = ["a.jpg", "b.jpg", "clip.mp4", "photographs", "thermal.png"]
    assert [path.name for path in write_samples(tmp_path)] == names
    model = SuperPoint.from_pretrained("superpoint-small")
    features = [model.extract(cv2.imread(str(tmp_path / name), cv2.IMREAD_GRAYSCALE)) for name in ("a.jpg", "b.jpg")]
    matches = model.match(*features)
    assert len(matches) > 100
    with VideoReader(tmp_path / "clip.mp4") as video:
        assert len(list(video.frames())) == 20
    assert len(list_photographs(tmp_path / "photographs")) == 17
    grey = cv2.imread(str(tmp_path / "thermal.png"), cv2.IMREAD_UNCHANGED)
    assert grey.dtype == np.uint16 and grey.min() >= 7600 and grey.max() <= 8620
    stretched = read_photograph(tmp_path / "thermal.png", "7600,8620")  # as docs/using.md has it
    assert (
        len(model.extract(stretched).keypoints)
        > 100
        > len(model.extract(read_photograph(tmp_path / "thermal.png")).keypoints)
    )


@pytest.mark.parametrize("name", ["b.jpg", "photographs"])
def test_what_is_there_stays_and_nothing_else_is_written(name: str, tmp_path: Path):
    (tmp_path / name).mkdir()
    with pytest.raises(FileExistsError, match=f"{name}: is there already; name another folder"):
        write_samples(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
