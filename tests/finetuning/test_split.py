from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import ConfigError, PhotographsSection
from superpoint_tf.finetuning.split import Split, split_photographs


def fill(folder: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name), np.full((8, 8), number, np.uint8))
    return folder


def parts(split: Split) -> list[tuple[str, ...]]:
    return [split.photographs.train, split.photographs.validation, split.judges]


@pytest.mark.parametrize(("count", "sizes"), [(3, [1, 1, 1]), (8, [4, 1, 3]), (17, [10, 2, 5]), (60, [42, 6, 12])])
def test_every_photograph_has_one_part_and_always_the_same(count: int, sizes: list[int], tmp_path: Path):
    names = [f"{number:03d}.png" for number in range(count)]
    split = split_photographs(PhotographsSection(), str(fill(tmp_path, *names)))
    assert [len(part) for part in parts(split)] == sizes
    assert sorted(name for part in parts(split) for name in part) == names
    assert split == split_photographs(PhotographsSection(), str(tmp_path))


def test_a_folder_that_holds_out_is_divided_between_choosing_and_judging(tmp_path: Path):
    fill(tmp_path, *(f"train/{n}.png" for n in range(3)), *(f"val/{n}.png" for n in range(6)))
    split = split_photographs(PhotographsSection(train="train", validation="val"), str(tmp_path))
    assert parts(split)[0] == ("train/0.png", "train/1.png", "train/2.png")
    assert parts(split)[1:] == [("val/0.png", "val/1.png"), ("val/2.png", "val/3.png", "val/4.png", "val/5.png")]


def test_the_bundled_stereo_pair_stays_together():
    split = split_photographs(PhotographsSection(), "bundled")
    (with_left,) = [part for part in parts(split) if "motorcycle_left.png" in part]
    assert "motorcycle_right.png" in with_left and with_left is not split.photographs.train


def test_a_photograph_that_cannot_be_read_neither_chooses_nor_judges(tmp_path: Path):
    fill(tmp_path, *(f"train/{n}.png" for n in range(3)), *(f"val/{n}.png" for n in range(3)))
    (tmp_path / "val" / "1.png").write_bytes(b"no picture")
    split = split_photographs(PhotographsSection(train="train", validation="val"), str(tmp_path))
    assert "val/1.png" in split.photographs.train  # whose reader counts and names it
    assert parts(split)[1:] == [("val/0.png",), ("val/2.png",)]


@pytest.mark.parametrize("count", [1, 2])
def test_too_few_photographs_are_refused_with_how_many_it_takes(count: int, tmp_path: Path):
    fill(tmp_path, *(f"{number}.png" for number in range(count)))
    with pytest.raises(ConfigError, match="one at least to learn from and two to hold out, some dozen for a verdict"):
        split_photographs(PhotographsSection(), str(tmp_path))
