"""PCK: held against a search written out, on maps whose answer is known; pairs and their points; the whole protocol."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config import Config, HomographyConfig, PlanesConfig
from superpoint_tf.evaluation.methods import dense_methods
from superpoint_tf.evaluation.methods.dense_methods import load_dense_methods
from superpoint_tf.evaluation.pck_measures import values_of
from superpoint_tf.evaluation.pck_metrics import DescriptorMap, nearest_places, percentage_of_correct_keypoints
from superpoint_tf.evaluation.sets.dense_pairs import GROUPS, homography_points, is_hpatches, open_dense_pairs

SHAPE = (64, 80)


def picture(seed: int = 0) -> np.ndarray:
    noise = np.random.default_rng(seed).uniform(0, 255, SHAPE).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.0)
    return cv2.normalize(smooth, None, 0, 255, cv2.NORM_MINMAX).astype(np.uint8)


def random_map(shape: tuple[int, int, int], seed: int, stride: float, offset: float) -> DescriptorMap:
    return DescriptorMap(np.random.default_rng(seed).normal(size=shape).astype(np.float32), stride, offset)


def searched(map0: DescriptorMap, map1: DescriptorMap, point: np.ndarray) -> list[float]:
    """Return the place of the nearest descriptor, by loops in float64."""
    height, width, dimension = map0.descriptors.shape
    x, y = (
        min(max((point[axis] - map0.offset_px) / map0.stride_px, 0.0), (width, height)[axis] - 1) for axis in (0, 1)
    )
    query = np.zeros(dimension)
    for j in range(width):
        for i in range(height):
            query += max(0.0, 1 - abs(x - j)) * max(0.0, 1 - abs(y - i)) * map0.descriptors[i, j].astype(np.float64)
    best, place = math.inf, [0.0, 0.0]
    for i in range(map1.descriptors.shape[0]):
        for j in range(map1.descriptors.shape[1]):
            distance = float(((query - map1.descriptors[i, j]) ** 2).sum())
            if distance < best:
                best, place = distance, [map1.offset_px + map1.stride_px * j, map1.offset_px + map1.stride_px * i]
    return place


def test_the_nearest_place_is_the_one_that_a_written_out_search_finds():
    map0, map1 = random_map((4, 6, 3), 0, 4.0, 1.5), random_map((5, 5, 3), 1, 2.0, 0.5)
    points = np.random.default_rng(2).uniform(-3, 26, (40, 2))
    found = nearest_places(map0, map1, points)
    np.testing.assert_allclose(found, [searched(map0, map1, point) for point in points])


def test_a_map_matched_with_itself_puts_the_points_of_its_grid_where_they_are():
    descriptors = random_map((4, 6, 8), 3, 4.0, 2.0)
    np.testing.assert_array_equal(nearest_places(descriptors, descriptors, descriptors.places), descriptors.places)


@pytest.mark.parametrize("shape", [(1, 1, 2), (1, 5, 2), (5, 1, 2)])
def test_maps_of_one_row_or_column_can_be_read(shape):
    one = random_map(shape, 4, 4.0, 2.0)
    np.testing.assert_allclose(nearest_places(one, one, one.places), one.places)


def test_pck_counts_errors_up_to_and_with_the_threshold_and_is_nan_of_no_points():
    errors = np.array([0.0, 5.0, 10.0, 10.1])
    assert [percentage_of_correct_keypoints(errors, t) for t in (0, 5, 10, 11)] == [0.25, 0.5, 0.75, 1.0]
    assert math.isnan(percentage_of_correct_keypoints(np.zeros(0), 10))
    assert nearest_places(random_map((2, 2, 2), 0, 4, 2), random_map((2, 2, 2), 1, 4, 2), np.zeros((0, 2))).shape == (
        0,
        2,
    )


def test_measures_are_the_shares_within_pixels_and_within_parts_of_the_longer_side():
    found = np.array([[0.0, 0.0], [4.0, 0.0], [0.0, 12.0], [30.0, 40.0]])
    values = values_of(found, np.zeros((4, 2)), (100, 200))
    assert values == {
        "pck_5px": 0.5,
        "pck_10px": 0.5,
        "pck_alpha_05": 0.5,
        "pck_alpha_10": 0.75,
        "pck_alpha_15": 0.75,
        "median_error_px": 8.0,
    }


def test_points_of_a_homography_are_seen_in_both_views():
    homography = np.array([[1.1, 0.1, -9.0], [-0.05, 0.9, 4.0], [1e-4, 0.0, 1.0]])
    points0, points1 = homography_points(homography, SHAPE, 0, 3)
    assert len(points0) == 1000
    for before, after in list(zip(points0, points1, strict=True))[:50]:
        mapped = homography @ [*before, 1.0]
        np.testing.assert_allclose(after, mapped[:2] / mapped[2])
        assert (after >= 0).all() and after[0] <= SHAPE[1] - 1 and after[1] <= SHAPE[0] - 1
    nothing, _ = homography_points(np.array([[1.0, 0, 500], [0, 1, 0], [0, 0, 1]]), SHAPE, 0, 0)
    assert nothing.shape == (0, 2)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(2):
        cv2.imwrite(str(folder / f"{number}.png"), picture(number))
    return folder


@pytest.fixture(scope="module")
def small_changes() -> Config:
    config = Config()
    homography = HomographyConfig(max_angle_deg=10.0, scale_amplitude=0.1)
    evaluation = dataclasses.replace(
        config.evaluation, homography=homography, planes=PlanesConfig(segments=(2, 6), baseline=0.1)
    )
    return dataclasses.replace(config, evaluation=evaluation)


def test_photographs_give_each_group_pairs_whose_points_show_the_same_thing(photographs, small_changes):
    pairs, count = open_dense_pairs(str(photographs), small_changes, SHAPE, 2, [])
    found = list(pairs)
    assert len(found) == count == 2 * len(GROUPS)
    assert [pair.group for pair in found] == list(GROUPS) * 2
    for pair in found:
        assert pair.image0.shape == pair.image1.shape == SHAPE and pair.image0.dtype == np.uint8
        assert len(pair.points0) == len(pair.points1) > 0
    levels0, levels1 = (
        np.array([image[round(y), round(x)] for x, y in points], float)
        for image, points in ((found[0].image0, found[0].points0), (found[0].image1, found[0].points1))
    )
    assert np.corrcoef(levels0, levels1)[0, 1] > 0.5


def test_classical_grids_cover_the_picture_with_unit_descriptors():
    for method in load_dense_methods(["classical", "controls"]):
        for shape in (SHAPE, (5, 9)):
            found = method.describe(picture()[: shape[0], : shape[1]])
            assert found.descriptors.shape[:2] == ((shape[0] - 3) // 4 + 1, (shape[1] - 3) // 4 + 1), method.name
            assert np.isfinite(found.descriptors).all()
            assert (found.places <= np.array(shape[::-1]) - 1).all()
    unit = dense_methods.dense_root_sift(picture())
    np.testing.assert_allclose(np.linalg.norm(unit.descriptors, axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize("name", ["SIFT", "RootSIFT", "DAISY"])
def test_a_picture_moved_by_the_grid_is_found_again_and_the_control_stays(name):
    image = picture(5)
    moved = np.roll(image, (8, 4), axis=(0, 1))
    [method, control] = load_dense_methods([name, "position (control)"])
    points = np.array([[x, y] for x in range(22, 54, 4) for y in range(22, 42, 4)], float)
    found = nearest_places(method.describe(image), method.describe(moved), points)
    right = np.abs(found - points - np.array([4, 8])).max(axis=1) < 1e-6
    assert right.mean() >= 0.75  # the window of some meets the seam
    stayed = nearest_places(control.describe(image), control.describe(moved), points)
    np.testing.assert_allclose(stayed, points)


def test_methods_that_there_are_not_are_named():
    with pytest.raises(ValueError, match=r"--methods nothing: no file.*DAISY"):
        load_dense_methods(["nothing"])


def test_the_protocol_writes_its_table_and_every_pair(photographs, small_changes, tmp_path):
    from superpoint_tf.evaluation.evaluate import Request
    from superpoint_tf.evaluation.protocols.protocols import PROTOCOLS
    from superpoint_tf.runtime.progress import Console

    protocol = PROTOCOLS["pck"]
    methods = load_dense_methods(["controls", "RootSIFT"])
    request = Request(small_changes, methods, str(tmp_path), {}, Console(), str(photographs), num=1)
    evaluation = protocol.run(request)
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [row["method"] for row in summary["rows"]] == [method.name for method in methods] * len(GROUPS)
    by_method = {row["method"]: row for row in summary["rows"] if row["group"] == "homographies"}
    assert by_method["RootSIFT"]["pck_10px"] > by_method["random (control)"]["pck_10px"]
    assert len((tmp_path / "pairs.csv").read_text().splitlines()) == 1 + 3 * len(GROUPS)
    assert "PCK@10" in (tmp_path / "table.md").read_text() and (tmp_path / "report.html").exists()
    assert len(evaluation.examples) == 3 * len(GROUPS)
    with pytest.raises(ValueError, match="pck takes one of"):
        protocol.run(dataclasses.replace(request, presets=("240x320", "480x640")))


def test_a_folder_of_sequences_is_told_from_photographs(photographs, tmp_path):
    (tmp_path / "v_one").mkdir()
    np.savetxt(tmp_path / "v_one" / "H_1_2", np.eye(3))
    assert is_hpatches(str(tmp_path)) and not is_hpatches(str(photographs))


def test_a_network_describes_the_places_that_its_row_says(tmp_path):
    from superpoint_tf.evaluation.methods.dense_networks import load_dense_network

    for system, stride, first in (("ucn-small", 4, 1.5), ("ucn", 4, 2.0)):
        path = tmp_path / f"{system}.yaml"
        path.write_text(f"train: dense\nnetwork: {{system: {system}}}\n")
        found = load_dense_network("row", str(path)).describe(picture())
        assert found.descriptors.shape == (SHAPE[0] // 4, SHAPE[1] // 4, 128)
        assert (found.stride_px, found.offset_px) == (stride, first)
        np.testing.assert_allclose(np.linalg.norm(found.descriptors, axis=-1), 1.0, atol=1e-4)
    with pytest.raises(ValueError, match="gives no map of descriptors"):
        load_dense_network("row", "magicpoint-small")
