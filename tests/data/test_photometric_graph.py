"""The photometric change in the graph: imgaug's distribution, change by change; a sample depends on itself alone."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import tensorflow as tf
import yaml
from scipy.stats import ks_2samp

from superpoint_tf.command_line import load_config_argument
from superpoint_tf.config import (
    IMGAUG_RUNS,
    NO_IMGAUG,
    SYNTHETIC_PHOTOMETRIC,
    Config,
    ConfigError,
    PhotometricConfig,
    pictures,
)
from superpoint_tf.config.config_files import build_config, config_to_yaml, load_config
from superpoint_tf.data.batches.kinds import BATCHES
from superpoint_tf.data.photographs.plane_pairs import PlanePairs
from superpoint_tf.data.photometric import photometric_change, worker_change
from superpoint_tf.data.photometric_backends import PendingChange, pending_change
from superpoint_tf.data.photometric_graph import (
    _blurred_ellipses,
    _gaussian,
    _line,
    change_pending,
    change_pictures,
    photometric_seeds,
)
from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.data.sources import NumberedSource
from superpoint_tf.data.stereo.stereo_source import DrawnPairs
from superpoint_tf.data.views import ViewSettings
from superpoint_tf.training.run_folder import RunFolder

SHAPE = (48, 64)
SAMPLES = 300
SOURCES = {"stereo": DrawnPairs, "dense": PlanePairs}
NOTHING = PhotometricConfig(
    max_brightness=0, contrast=(1, 1), max_noise_std=0, max_impulse_fraction=0, shade=(0, 0), max_blur_kernel=0
)
ONE_CHANGE = {
    "brightness": {"max_brightness": 50.0},
    "contrast": {"contrast": (0.5, 1.5)},
    "noise": {"max_noise_std": 15.0},
    "impulses": {"max_impulse_fraction": 0.02},
    "shade": {"shade": (-0.5, 0.8)},
    "motion blur": {"max_blur_kernel": 7},
}


def picture(height: int = SHAPE[0], width: int = SHAPE[1]) -> np.ndarray:
    """A board with soft grey levels: edges of both directions, and room above and below."""
    rows, columns = np.mgrid[:height, :width]
    return (70 + 60 * ((rows // 8 + columns // 8) % 2) + rows // 2).astype(np.uint8)


def by_graph(config: PhotometricConfig, count: int, key: int = 5) -> np.ndarray:
    images = tf.constant(np.stack([picture()] * count))
    changed: np.ndarray = change_pictures(images, photometric_seeds(key, tf.range(count, dtype=tf.int64), 0), config)
    return np.asarray(changed)


def statistics(images: np.ndarray) -> dict[str, np.ndarray]:
    """What a change may do to a picture: its level, spread, edges along and across, roughness, extremes, corners."""
    levels = images.astype(np.float64)
    centre, corner = (slice(None), slice(18, 30), slice(24, 40)), (slice(None), slice(0, 8), slice(0, 8))
    return {
        "mean": levels.mean(axis=(1, 2)),
        "deviation": levels.std(axis=(1, 2)),
        "steps along": np.abs(np.diff(levels, axis=2)).mean(axis=(1, 2)),
        "steps down": np.abs(np.diff(levels, axis=1)).mean(axis=(1, 2)),
        "black": (images == 0).mean(axis=(1, 2)),
        "white": (images == 255).mean(axis=(1, 2)),
        "middle against corner": levels[centre].mean(axis=(1, 2)) - levels[corner].mean(axis=(1, 2)),
        "diagonals": np.abs(levels[:, 1:, 1:] - levels[:, :-1, :-1]).mean(axis=(1, 2))
        - np.abs(levels[:, 1:, :-1] - levels[:, :-1, 1:]).mean(axis=(1, 2)),
    }


@pytest.mark.skipif(not IMGAUG_RUNS, reason=NO_IMGAUG)
@pytest.mark.parametrize("change", [*ONE_CHANGE, "all"])
def test_each_change_has_the_distribution_of_imgaugs(change: str) -> None:
    config = SYNTHETIC_PHOTOMETRIC if change == "all" else dataclasses.replace(NOTHING, **ONE_CHANGE[change])  # type: ignore[arg-type]
    theirs = np.stack([photometric_change(picture(), config, 3, number) for number in range(SAMPLES)])
    ours = by_graph(config, SAMPLES)
    assert len(np.unique(ours.reshape(SAMPLES, -1), axis=0)) > 1  # something changes
    for name, values in statistics(ours).items():
        found = ks_2samp(values, statistics(theirs)[name])
        assert found.pvalue > 1e-3, (name, found, values.mean(), statistics(theirs)[name].mean())


@pytest.mark.parametrize("change", ["noise", "shade", "motion blur"])
def test_the_comparison_sees_a_range_that_is_a_third_wider(change: str) -> None:
    name, given = next(iter(ONE_CHANGE[change].items()))
    wider = {"max_noise_std": 20.0, "shade": (-1.0, 1.0), "max_blur_kernel": 11}[name]
    own = by_graph(dataclasses.replace(NOTHING, **{name: given}), SAMPLES)  # type: ignore[arg-type]
    other = by_graph(dataclasses.replace(NOTHING, **{name: wider}), SAMPLES, key=6)  # type: ignore[arg-type]
    first, second = statistics(own), statistics(other)
    assert min(ks_2samp(first[each], second[each]).pvalue for each in first) < 1e-3


def test_a_picture_depends_on_its_own_number_alone() -> None:
    whole = by_graph(SYNTHETIC_PHOTOMETRIC, 12)
    seeds = photometric_seeds(5, tf.constant([7, 2], tf.int64), 0)
    some = change_pictures(tf.constant(np.stack([picture()] * 2)), seeds, SYNTHETIC_PHOTOMETRIC)
    np.testing.assert_array_equal(some, whole[[7, 2]])
    assert len(np.unique(whole.reshape(12, -1), axis=0)) == 12
    graph = dataclasses.replace(SYNTHETIC_PHOTOMETRIC, backend="graph")
    np.testing.assert_array_equal(photometric_change(picture(), graph, 5, 7), whole[7])


@pytest.mark.parametrize("other", [(6, 7, 0), (5, 8, 0), (5, 7, 1)])
def test_keys_numbers_and_views_look_different(other: tuple[int, int, int]) -> None:
    graph = dataclasses.replace(SYNTHETIC_PHOTOMETRIC, backend="graph")
    assert not np.array_equal(
        photometric_change(picture(), graph, 5, 7, 0), photometric_change(picture(), graph, *other)
    )


def test_no_range_leaves_a_picture_as_it_was() -> None:
    np.testing.assert_array_equal(by_graph(NOTHING, 4), np.stack([picture()] * 4))


def test_the_changes_come_in_every_order() -> None:
    """Black pixels of the impulse noise stay black unless brightness or shade comes later: about half of the time."""
    config = dataclasses.replace(NOTHING, max_brightness=40.0, max_impulse_fraction=0.2)
    darkest = by_graph(config, 200).min(axis=(1, 2))
    brightened = np.mean(darkest > 0)  # the impulses first (1/2) and then brighter (1/2)
    assert 0.15 < brightened < 0.35


def test_the_shade_is_opencvs_of_the_same_ellipses() -> None:
    """Written from the definition with OpenCV, which rounds edges otherwise; the border repeats such pixels."""
    height, width, rows, columns, differences = 240, 320, 32, 43, []
    for number in range(5):
        seed = tf.constant([3, number], tf.int64)
        mask = _blurred_ellipses(height, width, seed).numpy()
        drawn = tf.random.stateless_uniform([101], seed, 0, 2**24, tf.int32, alg="philox").numpy() / 2**24
        x, y, axis0, axis1, angle = drawn[1:].reshape(5, 20)
        small = np.zeros((rows, columns), np.float32)
        for each in range(20):
            centre = round(16 * x[each] * columns), round(16 * y[each] * rows)
            axes = tuple(round(16 * 32 * (0.05 + 0.2 * axis[each])) for axis in (axis0, axis1))
            cv2.ellipse(small, centre, axes, 180 * angle[each], 0, 360, (1.0,), -1, shift=4)
        sigma = 32 * (0.08 + 0.12 * drawn[0])
        blurred = cv2.GaussianBlur(small, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
        differences.append(mask - cv2.resize(blurred, (width, height), interpolation=cv2.INTER_LINEAR))
        assert mask.min() >= 0 and mask.max() <= 1 + 1e-6
    assert np.mean(np.abs(differences)) < 0.02 and abs(np.mean(differences)) < 0.005


def test_the_blur_of_the_shade_is_opencvs() -> None:
    row = np.random.default_rng(0).random((43, 1)).astype(np.float32)
    expected = cv2.GaussianBlur(row, (1, 0), 1e-6, sigmaY=3.4, borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(_gaussian(43, 32, tf.constant(3.4)).numpy() @ row, expected, atol=2e-3)


@pytest.mark.parametrize(("angle_deg", "line"), [(0.0, np.s_[1:6, 3]), (90.0, np.s_[3, 1:6])])
def test_a_line_of_the_motion_blur_has_equal_weights_and_keeps_the_middle(angle_deg: float, line: tuple) -> None:
    expected = np.zeros((7, 7))
    expected[line] = 0.2
    np.testing.assert_allclose(
        _line(tf.constant(2.0), tf.constant(np.deg2rad(angle_deg), tf.float32), 3), expected, atol=1e-6
    )


def test_the_motion_blur_moves_nothing() -> None:
    rows, columns = np.mgrid[-3:4, -3:4]
    for angle in np.linspace(0, 6, 13):
        weights = _line(tf.constant(3.0), tf.constant(angle, tf.float32), 3).numpy()
        np.testing.assert_allclose(
            [weights.sum(), (weights * rows).sum(), (weights * columns).sum()], [1, 0, 0], atol=1e-5
        )


def test_workers_leave_the_change_to_the_batch() -> None:
    graph = dataclasses.replace(SYNTHETIC_PHOTOMETRIC, backend="graph")
    np.testing.assert_array_equal(worker_change(picture(), graph, 5, 7), picture())
    imgaug = dataclasses.replace(SYNTHETIC_PHOTOMETRIC, backend="imgaug")
    if IMGAUG_RUNS:
        np.testing.assert_array_equal(
            worker_change(picture(), imgaug, 5, 7), photometric_change(picture(), imgaug, 5, 7)
        )
    assert pending_change(graph, ["images", "images1"]) == PendingChange(graph, {"images": 0, "images1": 1})
    assert pending_change(graph, ["images"]) == PendingChange(graph, {"images": 0})
    assert pending_change(imgaug, ["images"]) is None
    assert pending_change(dataclasses.replace(graph, enabled=False), ["images"]) is None


def test_views_of_a_batch_are_those_of_single_pictures() -> None:
    graph = dataclasses.replace(SYNTHETIC_PHOTOMETRIC, backend="graph")
    images = tf.constant(np.stack([picture()] * 3))
    batch = {"numbers": tf.constant([4, 9, 1], tf.int64), "images": images, "images1": images}
    changed = change_pending(batch, PendingChange(graph, {"images": 0, "images1": 1}), key=5)
    for row, number in enumerate((4, 9, 1)):
        for name, view in (("images", 0), ("images1", 1)):
            np.testing.assert_array_equal(changed[name][row], photometric_change(picture(), graph, 5, number, view))


def test_batches_of_a_training_are_changed_and_go_on_as_if_never_stopped() -> None:
    config = build_config({"workers": 0, "synthetic": {"source": "generator", "photometric": {"backend": "graph"}}})
    views = ViewSettings.of(config.synthetic, config.training)
    unchanged: Config = build_config({"workers": 0, "synthetic": {"photometric": {"enabled": False}}})

    def images(of: Config, start: int, count: int) -> list[np.ndarray]:
        with BatchStream(GeneratedShapes(of), BATCHES["detector"], 2, of.seed, views, 0) as stream:
            batches = stream.batches(start)
            return [next(batches)["images"].numpy() for _ in range(count)]

    whole = images(config, 0, 3)
    np.testing.assert_array_equal(images(config, 2, 1)[0], whole[2])
    assert np.abs(images(unchanged, 0, 1)[0] - whole[0]).mean() > 0.01


@pytest.mark.parametrize(
    ("train", "system", "section", "views"),
    [
        ("stereo", "mc-cnn-fast", {"max_disparity_px": 8.0}, ("images0", "images1")),
        ("dense", "ucn-small", {"truth": "planes", "planes": {"segments": [2, 4]}}, ("images", "images1")),
    ],
)
def test_views_that_workers_warp_are_changed_after_the_warp(
    train: str, system: str, section: dict, views: tuple[str, str], tmp_path: Path
) -> None:
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.roll(picture(60, 80), 5 * number, axis=1))

    def rendered(photometric: dict) -> tuple[NumberedSource, dict[str, np.ndarray]]:
        frame = {"root": str(tmp_path), "image_shape": list(SHAPE), "photometric": photometric}
        values = {"train": train, "network": {"system": system}, "photographs": frame, train: section}
        source = SOURCES[train](build_config(values), str(tmp_path), ["0.png", "1.png"], 5)
        return source, source.render(source.payloads(range(2)))

    source, batch = rendered({"backend": "graph"})
    _, unchanged = rendered({"enabled": False})
    for name, values in unchanged.items():
        np.testing.assert_array_equal(batch[name], values)
    changed = change_pending({name: tf.constant(batch[name]) for name in ("numbers", *views)}, source.pending, 5)
    for row, number in enumerate(batch["numbers"]):
        for view, name in enumerate(views):
            alone = photometric_change(batch[name][row], source.pending.photometric, 5, int(number), view)
            np.testing.assert_array_equal(changed[name][row], alone)
            assert (alone != batch[name][row]).any()


def test_the_default_is_resolved_and_written_as_such() -> None:
    expected = "imgaug" if sys.version_info < (3, 13) else "graph"
    written = yaml.safe_load(config_to_yaml(Config()))
    assert [written[key]["photometric"]["backend"] for key in ("synthetic", "photographs")] == [expected] * 2


def test_imgaug_is_refused_where_it_does_not_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(pictures, "IMGAUG_RUNS", False)
    own = tmp_path / "own.yaml"
    own.write_text("photographs: {photometric: {backend: imgaug}}\nsynthetic: {photometric: {backend: graph}}\n")
    said = r"own\.yaml: `photographs\.photometric\.backend`: imgaug does not run on Python 3\.\d+; give graph, or use"
    with pytest.raises(ConfigError, match=said):
        load_config_argument(str(own), [])
    assert load_config(own).photographs.photometric.backend == "imgaug"  # what another Python wrote can be read
    assert load_config_argument(str(own), ["photographs.photometric.backend=graph"])
    assert load_config_argument(str(own), ["photographs.photometric.enabled=false"])
    with pytest.raises(ConfigError, match=r"`photometric\.backend`: imgaug does not run"):
        photometric_change(picture(), PhotometricConfig(backend="imgaug"), 5, 7)


def test_a_run_of_another_backend_is_not_continued(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    begun, now = (build_config({"photographs": {"photometric": {"backend": name}}}) for name in ("imgaug", "graph"))
    folder.write_inputs(begun, {})
    with pytest.raises(ConfigError, match=r"photographs\.photometric\.backend: 'imgaug' -> 'graph'"):
        folder.open(now, ["photographs"], {})
