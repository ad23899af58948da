"""Image pairs: the HPatches layout with the homography that fits the frame, and pairs made of photographs."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import NO_IMGAUG, EvaluationSection, HomographyConfig, PhotometricConfig
from superpoint_tf.data.random_streams import EVALUATION_PAIRS
from superpoint_tf.evaluation import metrics
from superpoint_tf.evaluation.sets import hpatches
from superpoint_tf.evaluation.sets.hpatches import find_hpatches, hpatches_pairs
from superpoint_tf.evaluation.sets.random_homographies import random_homography_pairs
from superpoint_tf.geometry.numpy_reference import warp_points_numpy

FRAME = (240, 320)
GENERATOR = np.random.default_rng(0)
DOTS = np.stack(np.meshgrid(np.arange(30, 620, 60), np.arange(30, 470, 60)), axis=-1).reshape(-1, 2) + 0.3
# image 2 is twice as large, turned by 10 degrees about the middle and shifted: (640, 480) becomes (1280, 960)
TURN = np.array([[0.985, -0.174, 60], [0.174, 0.985, -55], [0, 0, 1]])
HOMOGRAPHY = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]]) @ TURN


def draw_dots(centres: np.ndarray, shape: tuple[int, int], sigma: float) -> np.ndarray:
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = np.zeros(shape)
    for cx, cy in centres:
        image = np.maximum(image, 255 * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2)))
    return np.rint(image).astype(np.uint8)


def find_dots(image: np.ndarray) -> np.ndarray:
    """Return the centres of gravity of dots that the frame's edge does not cut."""
    number, labels = cv2.connectedComponents((image > 8).astype(np.uint8))
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    edge = set(labels[[0, -1]].ravel()) | set(labels[:, [0, -1]].ravel())
    inner = [label for label in range(1, number) if label not in edge]
    weights = [image * (labels == label) for label in inner]
    return np.array([((x * w).sum() / w.sum(), (y * w).sum() / w.sum()) for w in weights], np.float32).reshape(-1, 2)


def write_sequence(folder: Path, images: dict[str, np.ndarray], homographies: dict[int, np.ndarray]) -> None:
    folder.mkdir(parents=True)
    for name, image in images.items():
        cv2.imwrite(str(folder / name), image if image.ndim == 3 else cv2.cvtColor(image, cv2.COLOR_GRAY2BGR))
    for number, matrix in homographies.items():
        np.savetxt(folder / f"H_1_{number}", matrix)


@pytest.fixture(scope="module")
def dots(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("hpatches")
    image1 = draw_dots(DOTS, (480, 640), 4)
    image2 = draw_dots(warp_points_numpy(DOTS, HOMOGRAPHY), (960, 1280), 8)
    write_sequence(root / "v_dots", {"1.png": image1, "2.ppm": image2}, {2: HOMOGRAPHY})
    write_sequence(root / "i_dots", {"1.png": image1, "2.jpg": image1 // 2}, {2: np.eye(3)})
    return root


def measure(pair, homography=None) -> tuple[float, float]:
    homography = pair.homography_0to1 if homography is None else homography
    found = find_dots(pair.image0), find_dots(pair.image1)
    distances = metrics.partner_distances(*found, homography, pair.image0.shape)
    return metrics.repeatability(*distances), metrics.localization_error(*distances)


def first_pair(root: Path, group: str, frame: tuple[int, int] = FRAME):
    return next(pair for pair in hpatches_pairs(find_hpatches(root), frame) if pair.group == group)


@pytest.mark.parametrize("frame", [(240, 320), (480, 640), (200, 320), (300, 300)])
@pytest.mark.parametrize("group", ["v", "i", "i shifted"])
def test_the_homography_fits_the_scaled_and_cropped_frame_to_a_tenth_of_a_pixel(dots, group, frame):
    repeatability, error = measure(first_pair(dots, group, frame))
    assert repeatability > 0.85 and error < 0.1  # dots at the frame's edge are seen in one view only


def test_the_wrong_homography_direction_makes_repeatability_fall(dots):
    pair = first_pair(dots, "v")
    assert measure(pair)[0] > 0.9
    assert measure(pair, np.linalg.inv(pair.homography_0to1))[0] < 0.3


def test_a_resize_without_the_half_pixel_term_makes_localization_fall(dots, monkeypatch):
    def without_half_pixel(image, image_shape):
        cropped, matrix = cover(image, image_shape)
        matrix = matrix.copy()
        matrix[:2, 2] -= (matrix.diagonal()[:2] - 1) / 2
        return cropped, matrix

    cover = hpatches.cover_and_crop
    assert measure(first_pair(dots, "v", (480, 640)))[1] < 0.1
    monkeypatch.setattr(hpatches, "cover_and_crop", without_half_pixel)
    assert measure(first_pair(dots, "v", (480, 640)))[1] > 0.3  # (1/4, 1/4) px between scales 1 and 1/2


def test_an_unscaled_second_image_makes_repeatability_fall(dots):
    pair = first_pair(dots, "v", (480, 640))
    assert measure(pair)[0] > 0.9
    assert measure(pair, HOMOGRAPHY)[0] < 0.3  # as if the file's homography held in the frame


def test_a_shifted_pair_is_a_zoom_off_centre(dots):
    # 640x480 covers 336x256 at scale .5333 (341x256), margins (2, 0) and (8 + 3, 8 - 5): all from the first frame's 1/2
    pair = first_pair(dots, "i shifted")
    scale_x, scale_y = 341 / 640, 256 / 480
    to_frame1 = [[scale_x, 0, scale_x / 2 - 0.5 - 2 - 11], [0, scale_y, scale_y / 2 - 0.5 - 3], [0, 0, 1]]
    expected = np.array(to_frame1) @ np.linalg.inv([[0.5, 0, -0.25], [0, 0.5, -0.25], [0, 0, 1]])
    np.testing.assert_allclose(pair.homography_0to1, expected, atol=1e-9)
    assert pair.image1.shape == FRAME


def test_groups_follow_the_folders_prefix_and_only_i_pairs_come_shifted(dots):
    found = [(pair.name, pair.group) for pair in hpatches_pairs(find_hpatches(dots), FRAME)]
    assert found == [("i_dots/1-2", "i"), ("i_dots/1-2", "i shifted"), ("v_dots/1-2", "v")]
    assert len(list(hpatches_pairs(find_hpatches(dots), FRAME, shifted=False))) == 2


def test_portrait_colour_and_any_number_of_images_are_read(tmp_path):
    images = {
        f"{n}.{kind}": np.full((64, 48, 3), 10 * n, np.uint8) for n, kind in [(1, "png"), (3, "PPM"), (12, "jpg")]
    }
    write_sequence(tmp_path / "v_a", images, {3: np.eye(3), 12: 2 * np.eye(3)})
    found = list(hpatches_pairs(find_hpatches(tmp_path), (32, 40)))
    assert [pair.name for pair in found] == ["v_a/1-3", "v_a/1-12"]
    assert all(pair.image1.shape == (32, 40) for pair in found)
    np.testing.assert_allclose(found[1].homography_0to1, np.eye(3))  # given twice too large, means the same


def test_errors_name_the_folder_or_the_file(tmp_path):
    with pytest.raises(ValueError, match=r"nowhere: no such folder"):
        find_hpatches(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no sequences \(looked for"):
        find_hpatches(tmp_path)
    black = np.zeros((40, 40), np.uint8)
    write_sequence(tmp_path / "v_a", {"1.png": black, "2.png": black}, {})
    with pytest.raises(ValueError, match=r"H_1_2: missing"):
        find_hpatches(tmp_path)
    for text in ("1 0 0 0 1 0", "1 0 0 0 1 0 0 0 x", "1 0 0 1 0 0 0 0 1", "nan 0 0 0 1 0 0 0 1"):
        (tmp_path / "v_a" / "H_1_2").write_text(text)
        with pytest.raises(ValueError, match="H_1_2: "):
            find_hpatches(tmp_path)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(3):
        cv2.imwrite(str(folder / f"{number}.png"), draw_dots(DOTS[number::3] / 2, (240, 320), 3))
    return sorted(folder.iterdir())


def random_pairs(photographs, num_pairs=4, seed=1, photometric=None):
    photometric = photometric or PhotometricConfig(enabled=False)
    return list(random_homography_pairs(photographs, FRAME, HomographyConfig(), photometric, seed, num_pairs))


def test_the_second_view_of_a_random_pair_is_where_its_homography_says(photographs):
    for pair in random_pairs(photographs):
        truth = warp_points_numpy(find_dots(pair.image0), pair.homography_0to1)
        found = find_dots(pair.image1)
        distances = np.linalg.norm(found[:, None] - truth[None], axis=-1).min(axis=1)
        assert len(found) >= 3 and np.median(distances) < 0.3


def test_a_random_pair_is_a_pure_function_of_seed_and_number(photographs):
    changes = PhotometricConfig()
    four, two = random_pairs(photographs, 4, photometric=changes), random_pairs(photographs, 2, photometric=changes)
    for a, b in zip(four, two, strict=False):
        assert a.name == b.name
        for name in ("image0", "image1", "homography_0to1"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    other = random_pairs(photographs, 1, seed=2, photometric=changes)[0]
    assert not np.array_equal(four[0].homography_0to1, other.homography_0to1)


def test_pairs_tilt_along_both_axes_by_default_and_a_pair_that_exchanges_none_stays_what_it_was(photographs):
    symmetric, plain = EvaluationSection().homography, HomographyConfig()
    assert symmetric.symmetric_axes
    still = PhotometricConfig(enabled=False)
    found = [list(random_homography_pairs(photographs, FRAME, each, still, 1, 12)) for each in (symmetric, plain)]
    same = [np.array_equal(a.homography_0to1, b.homography_0to1) for a, b in zip(*found, strict=True)]
    assert 2 < sum(same) < 10
    for a, b, equal in zip(*found, same, strict=True):
        assert a.name == b.name and np.array_equal(a.image0, b.image0)
        assert np.array_equal(a.image1, b.image1) == equal


def test_pair_n_draws_no_photometric_number_of_training_or_of_a_test_shape(photographs, monkeypatch):
    pytest.importorskip("imgaug", reason=NO_IMGAUG)
    from superpoint_tf.data import photometric_imgaug

    drawn = []
    monkeypatch.setattr(photometric_imgaug, "stream_generator", lambda stream, *words: drawn.append(words) or GENERATOR)
    random_pairs(photographs, 3, photometric=PhotometricConfig())
    assert {number for _, number, _, _ in drawn} == {EVALUATION_PAIRS.first + n for n in range(3)}


def test_all_photographs_are_used_before_any_comes_again_with_another_homography(photographs):
    found = random_pairs(photographs, 4)
    assert len({pair.name.split()[1] for pair in found[:3]}) == 3
    assert found[3].name.split()[1] == found[0].name.split()[1]
    assert not np.array_equal(found[3].homography_0to1, found[0].homography_0to1)


def test_no_photographs_is_an_error():
    with pytest.raises(ValueError, match="no photographs"):
        random_pairs([])


def test_an_unreadable_photograph_is_left_out_with_a_warning_and_the_pairs_go_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    cv2.imwrite(str(tmp_path / "good.png"), np.tile(np.arange(64, dtype=np.uint8), (48, 1)))
    (tmp_path / "bad.png").write_bytes(b"not a picture")
    paths = [tmp_path / "bad.png", tmp_path / "good.png"]
    settings = ((40, 48), HomographyConfig(), PhotometricConfig(enabled=False), 0, 3)
    pairs = list(random_homography_pairs(paths, *settings))
    assert [pair.name.split()[1] for pair in pairs] == ["good.png"] * 3
    assert caplog.text.count("bad.png") == 1
    with pytest.raises(ValueError, match="none of 1 photographs can be read"):
        list(random_homography_pairs(paths[:1], *settings))
