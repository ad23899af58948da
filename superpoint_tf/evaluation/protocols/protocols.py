"""Every protocol of `tools/evaluate.py` by its name: what it is asked with, what it needs, and how it measures.

A new set of pairs is a row of `sets.pair_sets.PAIR_SETS`, and a protocol by that; any other protocol is a row here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from superpoint_tf.config import Config, DetectionConfig
from superpoint_tf.config.config_files import config_to_dict
from superpoint_tf.evaluation.methods.methods import FOR_PAIRS, FOR_SHAPES, NamedMethod, load_methods
from superpoint_tf.evaluation.pair_protocol import PRESETS
from superpoint_tf.evaluation.results import Evaluation, Measured
from superpoint_tf.evaluation.sets.pair_sets import PAIR_SETS, PairSet
from superpoint_tf.evaluation.sets.places import DEFAULT_NUM_PLACES

if TYPE_CHECKING:
    from superpoint_tf.evaluation.evaluate import Request

DEFAULT_NUM_SHIFTED = 60
_NO_FEATURES = {"{name} keeps neither features nor frames": ("write-images", "overwrite")}
_BY_ONE = {"{name} is measured by one process": ("ray",)}
_NO_VIEWS = {"{name} has no pairs of views to compare": ("compare", "transposed")}


@dataclass(frozen=True)
class Protocol:
    """One way to measure methods."""

    what: str  # is measured on, for --help
    measure: Callable[[Request], Measured]
    detection: DetectionConfig = FOR_PAIRS  # how it wants keypoints taken from a network's heatmap
    needs_data: bool = True
    num: str = ""  # what --num counts, for --help; empty: it does not apply
    default_num: str = ""
    refused: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # options that do not apply, by the reason
    sampling: Callable[[Config], dict[str, Any]] = lambda config: {}  # the settings that it draws by
    load: Callable[[Sequence[str], DetectionConfig], Sequence[NamedMethod]] = load_methods  # what `--methods` names

    def run(self, request: Request) -> Evaluation:
        """Measure, and write everything into the output folder."""
        from superpoint_tf.evaluation.evaluate import publish

        return publish(request, self.measure(request))

    def refusal(self, name: str, given: Collection[str]) -> str:
        """Return why options cannot be used with the protocol of this name, or nothing."""
        if self.needs_data and "data" not in given:
            return f"{name} needs --data DIR"
        for reason, options in self.refused.items():
            if set(options) & set(given):
                verb = "does" if len(options) == 1 else "do"
                listed = " and ".join(f"--{option}" for option in options)
                return f"{reason.format(name=name)}: {listed} {verb} not apply"
        return ""


def protocol_of_pairs(name: str, pair_set: PairSet) -> Protocol:
    """Return the protocol of a set of pairs."""

    def measure(request: Request) -> Measured:
        from superpoint_tf.evaluation.protocols.pair_run import measure_pairs, resolve_settings
        from superpoint_tf.evaluation.sets.exchange import make_in_both_ways

        settings = resolve_settings(request.presets or tuple(PRESETS), request.config)
        num = request.num or pair_set.default_num or 0
        make_pairs, count = pair_set.open(request.data, request.config, num, request.left_out)
        if request.transposed:
            make_pairs, count = make_in_both_ways(make_pairs), 2 * count
        return measure_pairs(request, name, make_pairs, count, settings)

    all_there_are = {} if pair_set.default_num else {"{name} takes all pairs of the folder": ("num",)}
    counted = "pairs" if pair_set.default_num else ""
    default = str(pair_set.default_num or "")
    return Protocol("pairs of images", measure, FOR_PAIRS, True, counted, default, all_there_are, pair_set.sampling)


def _measure_synthetic(request: Request) -> Measured:
    from superpoint_tf.evaluation.protocols.shape_run import measure_synthetic  # imgaug takes a second to import

    return measure_synthetic(request, request.num or request.config.synthetic.num_test)


def _sampling_of_shapes(config: Config) -> dict[str, Any]:
    draw, photometric = config.synthetic.draw, config.synthetic.photometric
    return {"draw": config_to_dict(draw), "photometric": config_to_dict(photometric)}


def _measure_shifts(request: Request) -> Measured:
    from superpoint_tf.evaluation.protocols.shift_run import measure_shifts
    from superpoint_tf.evaluation.sets.photographs import photograph_paths

    return measure_shifts(request, photograph_paths(request.data), request.num or DEFAULT_NUM_SHIFTED)


def _load_patch_methods(names: Sequence[str], detection: DetectionConfig) -> Sequence[NamedMethod]:
    from superpoint_tf.evaluation.methods.patch_methods import load_patch_methods

    return load_patch_methods(names)


def _measure_patches(request: Request) -> Measured:
    from superpoint_tf.evaluation.methods.patch_method import PatchMethod
    from superpoint_tf.evaluation.protocols.patch_run import measure_patches

    return measure_patches(request, cast(Sequence[PatchMethod], request.methods))


def _load_dense_methods(names: Sequence[str], detection: DetectionConfig) -> Sequence[NamedMethod]:
    from superpoint_tf.evaluation.methods.dense_methods import load_dense_methods

    return load_dense_methods(names)


def _measure_pck(request: Request) -> Measured:
    from superpoint_tf.evaluation.methods.dense_method import DenseMethod
    from superpoint_tf.evaluation.protocols.pck_run import measure_pck

    return measure_pck(request, cast(Sequence[DenseMethod], request.methods))


def _sampling_of_dense_pairs(config: Config) -> dict[str, Any]:
    pairs = PAIR_SETS["random-homography"].sampling(config)
    return {**pairs, "planes": config_to_dict(config.evaluation.planes)}


def _measure_retrieval(request: Request) -> Measured:
    from superpoint_tf.evaluation.protocols.retrieval_run import measure_retrieval

    return measure_retrieval(request)


def _sampling_of_places(config: Config) -> dict[str, Any]:
    return PAIR_SETS["random-homography"].sampling(config)


def _load_stereo_methods(names: Sequence[str], detection: DetectionConfig) -> Sequence[NamedMethod]:
    from superpoint_tf.evaluation.methods.stereo_methods import load_stereo_methods

    return load_stereo_methods(names)


def _measure_stereo(request: Request) -> Measured:
    from superpoint_tf.evaluation.methods.stereo_methods import StereoMethod
    from superpoint_tf.evaluation.protocols.stereo_run import measure_stereo

    return measure_stereo(request, cast(Sequence[StereoMethod], request.methods))


PROTOCOLS: dict[str, Protocol] = {
    **{name: protocol_of_pairs(name, pair_set) for name, pair_set in PAIR_SETS.items()},
    "synthetic": Protocol(
        "synthetic shapes",
        _measure_synthetic,
        FOR_SHAPES,
        needs_data=False,
        num="pictures a primitive",
        default_num="the config's",
        refused={**_NO_VIEWS, "{name} draws its own pictures at their own size": ("data", "presets", "stretch")},
        sampling=_sampling_of_shapes,
    ),
    "shifts": Protocol(
        "photographs moved by 1 to 8 px and by halves, nothing else",
        _measure_shifts,
        num="photographs",
        default_num=f"{DEFAULT_NUM_SHIFTED}, or all there are",
        refused={**_NO_VIEWS, "{name} are measured at 240x320": ("presets",)},
    ),
    "patches": Protocol(
        "patches in the layout of HPatches or of Brown",
        _measure_patches,
        refused={**_NO_VIEWS, **_BY_ONE, "{name} are measured as the folder has them": ("num", "presets", "stretch")},
        load=_load_patch_methods,
    ),
    "pck": Protocol(
        "maps of descriptors, on pairs of images or on photographs that are warped, cut into planes, or changed",
        _measure_pck,
        num="photographs",
        default_num="40",
        refused={"{name} compares maps, not keypoints": ("compare", "transposed"), **_NO_FEATURES, **_BY_ONE},
        sampling=_sampling_of_dense_pairs,
        load=_load_dense_methods,
    ),
    "retrieval": Protocol(
        "places among distractors",
        _measure_retrieval,
        num="places",
        default_num=f"{DEFAULT_NUM_PLACES}, or half of the photographs",
        refused={"{name} is measured at 240x320, query by query": ("presets", "transposed")},
        sampling=_sampling_of_places,
    ),
    "stereo": Protocol(
        "rectified pairs in the layout of Middlebury or KITTI",
        _measure_stereo,
        num="disparities looked at",
        default_num="what the calibration says, else from the truth",
        refused={
            **_NO_VIEWS,
            "{name} pairs are measured as the folder has them": ("presets",),
            **_NO_FEATURES,
            **_BY_ONE,
        },
        load=_load_stereo_methods,
    ),
}
