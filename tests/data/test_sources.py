"""Labelled photographs as training samples: whole frames and random parts of them, labels in step."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.batches.kinds import BATCHES
from superpoint_tf.data.labels.label_sets import LabelFiles
from superpoint_tf.data.labels.labels import Label, LabelError, label_path, save_label
from superpoint_tf.data.photographs.labelled_photographs import LabelledPhotographs
from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.data.views import ViewSettings
from superpoint_tf.geometry.numpy_reference import warp_points_numpy
from superpoint_tf.runtime import storage

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
    source = LabelledPhotographs(config, str(folders[0]), LabelFiles(str(folders[1]), 1, ["a.png"]), with_pairs=True)
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
    return LabelledPhotographs(
        config, str(tmp_path / "images"), LabelFiles(str(tmp_path / "labels"), 1, names), with_pairs=True
    )


def sha256_of(folder: Path, name: str) -> str:
    return storage.sha256_file(folder / "images" / name)


def test_labels_of_another_image_set_are_refused_before_training(twenty: LabelledPhotographs, tmp_path: Path):
    twenty.check_photographs()
    for path in (tmp_path / "images").iterdir():  # the same names, other pictures
        cv2.imwrite(str(path), np.full(FRAME, 200, np.uint8))
    with pytest.raises(
        LabelError, match=r"00\.png\.npz: made from another version of the photograph .*run python tools/homogr"
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
    LabelledPhotographs(
        config, str(folders[0]), LabelFiles(str(folders[1]), 1, ["a.png"]), with_pairs=True
    ).check_photographs()


# ---------------------------------------------------------------------------------------------- known, flips, the file


def render_with(folders, numbers, key=None, **section):
    section = {"image_shape": list(FRAME), "photometric": {"enabled": False}, **section}
    config = build_config({"photographs": section})
    source = LabelledPhotographs(
        config, str(folders[0]), LabelFiles(str(folders[1]), 1, ["a.png"]), with_pairs=True, key=key
    )
    batch = source.render(source.payloads(numbers))
    assert batch["images"].shape == batch["images1"].shape == (len(numbers), *source.picture_shape)
    assert batch["known"].shape == (len(numbers), *source.image_shape)
    return batch


@pytest.fixture(scope="module")
def voted(tmp_path_factory) -> tuple[Path, Path]:
    """A photograph of dots at twice the frame's size, shifted by the crop; few votes within 10 px of the frame."""
    root, labels = tmp_path_factory.mktemp("large"), tmp_path_factory.mktemp("votes")
    y, x = np.mgrid[: 2 * FRAME[0], : 2 * FRAME[1] + 30]  # 15 px are cut from either side: 7.5 of the frame
    places = np.array([[x, y] for y in range(14, 90, 24) for x in range(14, 120, 24)], np.float64)
    image = np.zeros(x.shape)
    for px, py in places:  # in the file: x -> (x + 0.5) 2 - 0.5 + 14 (left of 7 is cut from a width of 143)
        fx, fy = (px + 7 + 0.5) * 286 / 143 - 0.5, (py + 0.5) * 2 - 0.5
        image = np.maximum(image, 250 * np.exp(-((x - fx) ** 2 + (y - fy) ** 2) / (2 * 3.0**2)))
    cv2.imwrite(str(root / "a.png"), np.rint(image).astype(np.uint8))
    votes = np.full(FRAME, 20, np.uint16)
    for edge in (votes[:10], votes[-10:], votes[:, :10], votes[:, -10:]):
        edge[:] = 2
    label = Label(places.astype(np.float32), np.ones(len(places), np.float32), FRAME, np.eye(3), "", "")
    label = dataclasses.replace(label, sha256=storage.sha256_file(root / "a.png"), votes=votes, num_votes=20)
    save_label(label_path(labels, 1, "a.png"), label)
    return root, labels


def centres(picture: np.ndarray, picture_to_frame: np.ndarray) -> np.ndarray:
    """Return the centres of gravity of whole dots of a picture, in the frame."""
    number, regions = cv2.connectedComponents((picture > 8).astype(np.uint8))
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    found = []
    for region in range(1, number):
        weights = picture * (regions == region)
        if not (weights[[0, -1]].any() or weights[:, [0, -1]].any()):
            found.append(((x * weights).sum() / weights.sum(), (y * weights).sum() / weights.sum()))
    return warp_points_numpy(np.array(found), picture_to_frame)


def test_where_fewer_than_a_share_of_the_votes_saw_nothing_is_known(voted):
    known = render_with(voted, [0], min_votes=0.25)["known"][0]
    expected = np.zeros(FRAME, bool)
    expected[10:-10, 10:-10] = True
    np.testing.assert_array_equal(known, expected)
    assert render_with(voted, [0], min_votes=0.1)["known"].all()


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("crop", [(0, 0), (56, 72)])
@pytest.mark.parametrize("flip", [False, True])
def test_labels_lie_on_the_dots_of_the_picture_cut_from_the_file(voted, scale: float, crop, flip: bool):
    batch = render_with(voted, range(6), source_scale=scale, crop_shape=list(crop), flip=flip)
    seen = 0
    for index, picture in enumerate(batch["images"]):
        to_frame = batch["picture_to_frame"][index] if scale > 1 else np.eye(3)
        found, keypoints = centres(picture, to_frame), batch["keypoints"][index]
        keypoints = keypoints[~np.isnan(keypoints).any(axis=1)]
        distances = np.linalg.norm(found[:, None] - keypoints[None], axis=-1).min(axis=1)
        seen += len(found)
        assert distances.max() < 0.05
        np.testing.assert_array_equal(batch["images1"][index], picture)
    assert seen >= 20


def test_half_of_the_samples_are_mirrored_with_their_keypoints_and_known_area(voted):
    plain, flipped = (render_with(voted, range(60), crop_shape=[56, 72], flip=flip) for flip in (False, True))
    same = np.array([np.array_equal(a, b) for a, b in zip(plain["images"], flipped["images"], strict=True)])
    assert 15 < same.sum() < 45
    for index in np.nonzero(~same)[0]:
        for name in ("images", "images1", "known"):
            np.testing.assert_array_equal(flipped[name][index], plain[name][index][:, ::-1])
        expected = plain["keypoints"][index] * (-1, 1) + (71, 0)
        np.testing.assert_array_equal(flipped["keypoints"][index], expected)


def test_a_file_smaller_than_asked_for_is_enlarged_so_that_a_batch_has_one_shape(folders):
    batch = render_with(folders, [0, 1], source_scale=1.5)  # the file has the frame's size
    assert batch["images"].shape == (2, 144, 192)
    np.testing.assert_allclose(batch["picture_to_frame"][0], [[2 / 3, 0, -1 / 6], [0, 2 / 3, -1 / 6], [0, 0, 1]])


def test_at_the_scale_of_the_frame_nothing_is_cut_from_the_file(folders):
    assert "picture_to_frame" not in render_with(folders, [0])


@pytest.mark.parametrize("with_pairs", [True, False])
@pytest.mark.parametrize("scale", [1.0, 1.5])
def test_a_stream_of_photographs_gives_views_of_the_frame_at_any_step(voted, scale: float, with_pairs: bool):
    section = {"image_shape": list(FRAME), "source_scale": scale, "views": "both", "flip": True}
    config = build_config({"photographs": section, "joint": {"batch_size": 2, "targets": "bilinear"}})
    source = LabelledPhotographs(config, str(voted[0]), LabelFiles(str(voted[1]), 1, ["a.png"]), with_pairs, key=2**55)
    views = ViewSettings.of(config.photographs, config.joint)
    kind = BATCHES["joint" if with_pairs else "detector"]
    with BatchStream(source, kind, 2, source.key, views, 0) as stream:
        first, second = (next(stream.batches(step)) for step in (0, 1))
    suffix = "1" if with_pairs else ""
    assert first[f"images{suffix}"].shape == (2, *FRAME, 1)
    assert first[f"cell_labels{suffix}"].shape == (2, FRAME[0] // 8, FRAME[1] // 8, 65)
    assert first[f"cells_valid{suffix}"].numpy().any() and not first[f"cells_valid{suffix}"].numpy().all()
    assert second["numbers"].numpy().tolist() == [2, 3]


# ------------------------------------------------------------------------------------------------ stages


def test_two_stages_differ_in_order_parts_and_light_and_one_stage_is_the_same_again(twenty, tmp_path: Path):
    def stage(key: int):
        config = build_config({"photographs": {"image_shape": list(FRAME), "crop_shape": [40, 56]}})
        names = [f"{number:02d}.png" for number in range(20)]
        source = LabelledPhotographs(
            config, str(tmp_path / "images"), LabelFiles(str(tmp_path / "labels"), 1, names), True, key
        )
        return [source.picture_name(number) for number in range(20)], source.render(source.payloads(range(4)))["images"]

    (order, images), (again, same), (other, others) = stage(2**55 + 1), stage(2**55 + 1), stage(2**55 + 2)
    assert order == again and sorted(order) == sorted(other) and order != other
    np.testing.assert_array_equal(images, same)
    assert not np.array_equal(images, others)


def test_shapes_are_drawn_by_the_seed_and_changed_by_the_key():
    config = build_config({"synthetic": {"draw": {"image_shape": [40, 48]}, "photometric": {"enabled": False}}})
    drawn = [GeneratedShapes(config, key).render([0, 1])["images"] for key in (0, 2**55)]
    np.testing.assert_array_equal(*drawn)
    lit = build_config({"synthetic": {"draw": {"image_shape": [40, 48]}}})
    changed = [GeneratedShapes(lit, key).render([0, 1])["images"] for key in (0, 2**55)]
    assert not np.array_equal(*changed)
