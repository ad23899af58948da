"""Labelled photographs as training samples: whole frames and random parts of them, labels in step."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf import storage
from superpoint_tf.config import ConfigError
from superpoint_tf.config_files import build_config
from superpoint_tf.data.labels import Label, LabelError, label_path, save_label
from superpoint_tf.data.photographs import PhotographError
from superpoint_tf.data.sources import LabelledPhotographs

FRAME = (96, 128)
DOTS = np.array([[x, y] for y in range(6, 96, 12) for x in range(6, 128, 12)], np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> tuple[Path, Path]:
    """A photograph with a white pixel at each label."""
    root, labels = tmp_path_factory.mktemp("photographs"), tmp_path_factory.mktemp("labels")
    image = np.full(FRAME, 50, np.uint8)
    image[DOTS[:, 1].astype(int), DOTS[:, 0].astype(int)] = 255
    cv2.imwrite(str(root / "a.png"), image)
    sha256 = storage.sha256_file(root / "a.png")
    save_label(
        label_path(labels, 1, "a.png"), Label(DOTS, np.ones(len(DOTS), np.float32), FRAME, np.eye(3), sha256, "")
    )
    return root, labels


def render(folders, numbers, crop=(0, 0), seed=0):
    section = {"image_shape": list(FRAME), "crop_shape": list(crop), "photometric": {"enabled": False}}
    config = build_config({"seed": seed, "photographs": section})
    source = LabelledPhotographs(config, str(folders[0]), ["a.png"], str(folders[1]), 1, with_pairs=True)
    batch = source.render(source.payloads(numbers))
    assert batch["images"].shape == (len(numbers), *source.image_shape)
    return batch


def test_without_a_crop_the_frame_is_whole(folders):
    batch = render(folders, [0])
    assert batch["images"].shape == (1, *FRAME) and len(batch["keypoints"][0]) == len(DOTS)


def test_labels_move_with_the_part_and_none_of_those_in_it_is_lost(folders):
    batch = render(folders, range(20), crop=(40, 56))
    for image, other, keypoints in zip(batch["images"], batch["images1"], batch["keypoints"], strict=True):
        found = keypoints[~np.isnan(keypoints).any(axis=1)]
        y, x = np.nonzero(image == 255)
        assert sorted(map(tuple, found)) == sorted(zip(x, y, strict=True))
        np.testing.assert_array_equal(image, other)  # both views show the same part


def test_the_part_is_a_pure_function_of_seed_and_number_and_differs_between_them(folders):
    first, again, other = (render(folders, [3, 4], (40, 56), seed)["images"] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[0], first[1]) and not np.array_equal(first, other)
    np.testing.assert_array_equal(render(folders, [4], (40, 56))["images"][0], first[1])


def test_parts_reach_every_edge_of_the_frame(folders):
    parts = render(folders, range(800), crop=(88, 120))["images"].reshape(800, -1)
    assert len(np.unique(parts, axis=0)) == 9 * 9  # every corner from (0, 0) to (8, 8)


@pytest.mark.parametrize("crop", [[0, 64], [256, 64], [40, 60]])
def test_a_part_that_cannot_be_cut_is_a_config_error(crop):
    with pytest.raises(ConfigError, match=r"photographs\.crop_shape"):
        build_config({"photographs": {"image_shape": [96, 128], "crop_shape": crop}})


# ------------------------------------------------------------------------------------------------ another image set


@pytest.fixture
def twenty(tmp_path: Path) -> LabelledPhotographs:
    """Twenty photographs, each with a label of its content."""
    names = [f"{number:02d}.png" for number in range(20)]
    for number, name in enumerate(names):
        (tmp_path / "images").mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / "images" / name), np.full(FRAME, number, np.uint8))
        label = Label(DOTS, np.ones(len(DOTS), np.float32), FRAME, np.eye(3), sha256_of(tmp_path, name), "")
        save_label(label_path(tmp_path / "labels", 1, name), label)
    config = build_config({"photographs": {"image_shape": list(FRAME)}})
    return LabelledPhotographs(config, str(tmp_path / "images"), names, str(tmp_path / "labels"), 1, with_pairs=True)


def sha256_of(folder: Path, name: str) -> str:
    return storage.sha256_file(folder / "images" / name)


def test_labels_of_another_image_set_are_refused_before_training(twenty: LabelledPhotographs, tmp_path: Path):
    twenty.check_photographs()
    for path in (tmp_path / "images").iterdir():  # the same names, other pictures
        cv2.imwrite(str(path), np.full(FRAME, 200, np.uint8))
    with pytest.raises(
        LabelError, match=r"00\.png\.npz: made from another version of the photograph .*run tools/homogr"
    ):
        twenty.check_photographs()


def test_a_photograph_that_is_gone_is_named_with_its_label_and_the_remedy(twenty: LabelledPhotographs, tmp_path: Path):
    (tmp_path / "images/19.png").unlink()
    with pytest.raises(
        PhotographError, match=r"19\.png: no such file; it was there when .*19\.png\.npz was made: put it"
    ):
        twenty.check_photographs()


def test_one_picture_that_changed_among_many_is_met_in_its_turn(twenty: LabelledPhotographs, tmp_path: Path):
    cv2.imwrite(str(tmp_path / "images/01.png"), np.full(FRAME, 201, np.uint8))
    turn = next(number for number in range(20) if twenty.picture_name(number).endswith("01.png"))
    with pytest.raises(LabelError, match=r"01\.png\.npz: made from another version"):
        twenty.render(twenty.payloads([turn]))


def test_with_a_single_photograph_it_is_checked(folders):
    config = build_config({"photographs": {"image_shape": list(FRAME)}})
    LabelledPhotographs(config, str(folders[0]), ["a.png"], str(folders[1]), 1, with_pairs=True).check_photographs()
