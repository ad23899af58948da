"""Using the network: SuperPoint.extract end to end, and what its parts take."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
import tensorflow as tf

from superpoint_tf.benchmarks import peak_memory as memory
from superpoint_tf.benchmarks.convolutions import forward_flops, list_convolutions
from superpoint_tf.benchmarks.entries import Entry, convolution_entry, copying_entry, rate_entry
from superpoint_tf.benchmarks.limits import Limits
from superpoint_tf.benchmarks.settings import ImageShape, Settings, shape_name
from superpoint_tf.benchmarks.timing import measure
from superpoint_tf.benchmarks.xfeat import build_xfeat
from superpoint_tf.config import DetectionConfig, NetworkConfig, PhotographsSection
from superpoint_tf.config.inference import BFLOAT16, FLOAT32
from superpoint_tf.data.photographs.photograph_sets import find_photographs
from superpoint_tf.data.photographs.reading import cover_and_crop, read_photograph
from superpoint_tf.data.views import to_unit
from superpoint_tf.detection.keypoints import detect_keypoints
from superpoint_tf.detection.maps import sample_descriptors
from superpoint_tf.evaluation.methods.baselines import CLASSICAL
from superpoint_tf.evaluation.methods.opencv_algorithms import rows_here
from superpoint_tf.evaluation.metrics import partner_distances, repeatability
from superpoint_tf.features.features import Features
from superpoint_tf.models.dense_model import SuperPoint
from superpoint_tf.models.inference import CompiledInference
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.pretrained import pretrained_names
from superpoint_tf.networks.superpoint import precision_policy
from superpoint_tf.networks.weights import load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.hardware import computes_bfloat16
from superpoint_tf.systems import MAPS, SYSTEMS

_SHAPES = ((240, 320), (480, 640))
_MAX_KEYPOINTS = 1000
_PEERS = ("SIFT", "ORB", "AKAZE")
_CANDIDATES = 0.02  # share of the pixels that an untrained network is given as candidates


def benchmark_extract(settings: Settings, limits: Limits) -> Iterator[Entry]:
    """Measure images a second of the whole call and of its parts, one image at a time."""
    model = _load_model(settings)
    shapes = settings.shapes(*_SHAPES)
    peaks: list[float | None] = [None] * len(shapes)
    if not settings.quick:
        width, batch_norm = settings.config.network.width, settings.config.network.batch_norm
        arguments = {"width": width, "batch_norm": batch_norm}
        target = f"{__name__}:prepare_peak"
        peaks = [*memory.measure_peaks([memory.Job(target, {**arguments, "image_shape": s}) for s in shapes])]
    for shape, peak in zip(shapes, peaks, strict=True):
        yield from _shape_entries(model, read_frame(settings.images, shape), settings, limits, peak)
    largest = read_frame(settings.images, shapes[-1])
    if settings.weights:
        yield from _half_entries(model, largest, settings)
    yield from _peer_entries(largest, settings)


def read_frame(images: str, image_shape: ImageShape) -> np.ndarray:
    """Return the first photograph of a root as uint8 (H, W)."""
    found = find_photographs(PhotographsSection(), images)
    picture = read_photograph(storage.join(found.root, found.train[0]))
    return cover_and_crop(picture, image_shape)[0]


def _load_model(settings: Settings) -> SuperPoint:
    if settings.weights:
        return SuperPoint.from_pretrained(settings.weights)
    return SuperPoint(build_network(settings.config.network))


def choose_threshold(heatmap: np.ndarray, trained: bool) -> float:
    """Return the detection threshold: a network that is not trained would find every second pixel."""
    return DetectionConfig().threshold if trained else float(np.quantile(heatmap, 1 - _CANDIDATES))


def _shape_entries(
    model: SuperPoint, image: np.ndarray, settings: Settings, limits: Limits, peak: float | None
) -> Iterator[Entry]:
    name, repeats = shape_name(image.shape), settings.repeats
    heatmap = model.heatmap(image)
    detection = replace(
        DetectionConfig(),
        threshold=choose_threshold(heatmap, bool(settings.weights)),
        max_keypoints=_MAX_KEYPOINTS,
    )
    flops = forward_flops(list_convolutions(model.network, (image.shape[0], image.shape[1])))
    whole = measure(lambda: model.extract(image, detection), repeats)
    entry = convolution_entry(f"extract {name}", whole, 1, "img/s", flops, limits)
    keypoints, _ = detect_keypoints(heatmap, detection)
    note = f"{entry.note}; {len(keypoints)} keypoints of {int((heatmap >= detection.threshold).sum())} candidates"
    yield replace(entry, note=note, peak_bytes=peak)
    forward = measure(lambda: model.heatmap(image), repeats)
    yield _share(convolution_entry(f"  forward {name}", forward, 1, "img/s", flops, limits), whole.median)
    suppression = measure(lambda: detect_keypoints(heatmap, detection), repeats)
    entry = copying_entry(f"  NMS, top-k {name}", suppression, 1, "img/s", 8.0 * heatmap.size, limits.copy_bytes)
    yield _share(entry, whole.median)
    if model.with_descriptor:
        yield _share(_sampling_entry(model, image, keypoints, repeats, limits), whole.median)


def _peer_entries(image: np.ndarray, settings: Settings) -> Iterator[Entry]:
    """Yield the whole call of every network that ships, and of OpenCV's detectors with their own descriptors."""
    shipped = [name for name in pretrained_names() if SYSTEMS[load_weights(name).network.system].gives == MAPS]
    calls: dict[str, Callable[[], Features]] = {
        _row(name, image, precision): partial(
            SuperPoint.from_pretrained(name, precision).extract, image, max_keypoints=_MAX_KEYPOINTS
        )
        for name in shipped
        for precision in _precisions()
    }
    calls |= {_row(name, image): partial(CLASSICAL[name], image) for name in rows_here(_PEERS)}
    for row, run in calls.items():
        count = min(len(run().keypoints), _MAX_KEYPOINTS)
        yield rate_entry(row, measure(run, settings.repeats), 1, "img/s", note=f"{count} keypoints")
    for precision in _precisions():
        row, timing = (
            _row("XFeat's network", image, precision),
            measure(_xfeat_forward(image, precision), settings.repeats),
        )
        yield rate_entry(row, timing, 1, "img/s", note="forward pass alone, random weights")


def _precisions() -> tuple[str, ...]:
    return (FLOAT32, BFLOAT16) if computes_bfloat16() else (FLOAT32,)


def _row(name: str, image: np.ndarray, precision: str = FLOAT32) -> str:
    return f"{name} {shape_name(image.shape)}" + f", {precision}" * (precision != FLOAT32)


def _xfeat_forward(image: np.ndarray, precision: str) -> Callable[[], list[np.ndarray]]:
    with precision_policy(precision):
        network = build_xfeat()
    forward = CompiledInference(partial(network, training=False), tf.TensorSpec((None, None, None, 1)))
    unit = to_unit(image)[None, :, :, None]
    return lambda: [each.numpy() for each in forward(unit)]


def _half_entries(model: SuperPoint, image: np.ndarray, settings: Settings) -> Iterator[Entry]:
    """Yield what bfloat16 gains over float32, and how much of what it finds float32 finds too."""
    half = SuperPoint.from_pretrained(settings.weights, BFLOAT16)
    runs = [lambda each=each: each.extract(image, max_keypoints=_MAX_KEYPOINTS) for each in (model, half)]
    found = [run() for run in runs]
    timings = [measure(run, settings.repeats) for run in runs]
    keypoints0, keypoints1 = (each.keypoints for each in found)
    shape = (image.shape[0], image.shape[1])
    distances = partner_distances(keypoints0, keypoints1, np.eye(3), shape, max_keypoints=None)
    yield rate_entry(
        f"extract {shape_name(image.shape)}, {BFLOAT16}",
        timings[1],
        1,
        "img/s",
        limit=1 / timings[0].median,
        limit_name="float32",
        note=f"fraction: how many times as fast; {repeatability(*distances, distance_px=1.0):.1%} of the keypoints of "
        "both within 1 px of one of the other",
    )


def _sampling_entry(model: SuperPoint, image: np.ndarray, keypoints: np.ndarray, repeats: int, limits: Limits) -> Entry:
    unit = to_unit(image)[None, :, :, None]
    descriptor_map = model.network(unit, training=False)["descriptors"][0]
    timing = measure(lambda: sample_descriptors(descriptor_map, tf.constant(keypoints)).numpy(), repeats)
    dim = int(descriptor_map.shape[-1])
    moved = (
        4.0 * dim * (2 * descriptor_map.shape[0] * descriptor_map.shape[1] + 5 * len(keypoints))
    )  # 4 read, 1 written
    name = f"  descriptor sampling {shape_name(image.shape)}"
    return copying_entry(name, timing, 1, "img/s", moved, limits.device_copy_bytes)


def _share(entry: Entry, whole_s: float) -> Entry:
    assert entry.timing is not None  # parts are timed
    share = entry.timing.median / whole_s
    note = f"{entry.note}; " if entry.note else ""
    return replace(entry, note=f"{note}{share:.0%} of the call", details={**entry.details, "share_of_call": share})


def prepare_peak(image_shape: ImageShape, width: float, batch_norm: bool) -> Callable[[], object]:
    """Return the call on a random picture by a fresh network, for the memory measurement."""
    model = SuperPoint(build_network(NetworkConfig(width, batch_norm)))
    image = np.random.default_rng(0).random(tuple(image_shape), np.float32)
    threshold = choose_threshold(model.heatmap(image[:64, :64]), trained=False)
    return lambda: model.extract(image, max_keypoints=_MAX_KEYPOINTS, threshold=threshold)
