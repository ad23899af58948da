"""HPatches' strips: row i is point i, and a clear word on strips that are none."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from patch_folders import NOISES, write_strips

from superpoint_tf.data.patch_sets.hpatches_strips import find_strips, read_points
from superpoint_tf.geometry.patches import resize_patches


def test_a_row_of_a_strip_is_a_point(tmp_path: Path):
    sequences = find_strips(write_strips(tmp_path))
    assert [(s.name, s.num_points, s.targets) for s in sequences] == [
        (name, 6, NOISES) for name in ("i_three", "v_one", "v_two")
    ]
    strip = cv2.imread(str(tmp_path / "v_one" / "h2.png"), cv2.IMREAD_GRAYSCALE)
    np.testing.assert_array_equal(sequences[1].read("h2")[4], strip[4 * 65 : 5 * 65])


def test_images_beyond_the_ninth_come_after_it(tmp_path: Path):
    write_strips(tmp_path, ["v_one"])
    for name in ("e10", "t1", "e2b"):
        (tmp_path / "v_one" / f"{name}.png").write_bytes((tmp_path / "v_one" / "e1.png").read_bytes())
    assert find_strips(tmp_path)[0].targets == ("e1", "e2", "e10", "h1", "h2", "t1")


def test_training_reads_all_views_of_a_point(tmp_path: Path):
    sequences = find_strips(write_strips(tmp_path))
    read = read_points(sequences)
    views = [sequences[1].read(strip)[2] for strip in ("ref", *NOISES)]
    np.testing.assert_array_equal(read.views(6 + 2), views)
    assert read.source_names[read.sources[np.searchsorted(read.points, 6 + 2)]] == "v_one"
    assert read_points(sequences, side_px=32).patches.shape == (3 * 6 * 5, 32, 32)


def test_a_smaller_patch_has_the_means_of_areas():
    patch = np.arange(36, dtype=np.uint8).reshape(1, 6, 6)
    expected = patch[0].reshape(2, 3, 2, 3).mean((1, 3))
    np.testing.assert_array_equal(resize_patches(patch, 2)[0], np.rint(expected))


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((390, 64), "e1.png: 64x390 pixels; a strip is 65 wide"),
        ((391, 65), "e1.png: 65x391 pixels; a strip is 65 wide"),
        ((325, 65), "e1.png: 5 patches, ref.png has 6"),
    ],
)
def test_a_strip_of_another_size_is_named(tmp_path: Path, shape: tuple[int, int], words: str):
    sequence = find_strips(write_strips(tmp_path, ["v_one"]))[0]
    cv2.imwrite(str(tmp_path / "v_one" / "e1.png"), np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match=words):
        sequence.read("e1")


def test_damage_and_what_is_absent_are_named(tmp_path: Path):
    with pytest.raises(ValueError, match="nowhere: no such folder; expected HPatches' layout"):
        find_strips(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no folder in it holds ref.png"):
        find_strips(tmp_path)
    write_strips(tmp_path, ["v_one"])
    (tmp_path / "v_one" / "ref.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"ref.png: .*; expected a strip of 65x65 patches"):
        find_strips(tmp_path)
    for strip in NOISES:
        (tmp_path / "v_one" / f"{strip}.png").unlink()
    with pytest.raises(ValueError, match=r"v_one: ref.png without e1.png, h1.png or t1.png"):
        find_strips(tmp_path)
