"""What can be evaluated, by name: classical methods, blind controls, weights of ours, plug-ins, features on disk."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

import superpoint_tf
from superpoint_tf.config import DetectionConfig
from superpoint_tf.config.config_files import load_config
from superpoint_tf.evaluation.in_memory import Extractor, suppressed
from superpoint_tf.evaluation.methods import baselines, controls
from superpoint_tf.evaluation.methods.baselines import CLASSICAL
from superpoint_tf.evaluation.methods.controls import CONTROLS
from superpoint_tf.evaluation.methods.features_on_disk import load_features_on_disk
from superpoint_tf.evaluation.methods.opencv_algorithms import check_row, rows_here
from superpoint_tf.evaluation.methods.plug_ins import load_plug_in
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.pairs import View
from superpoint_tf.features import Features
from superpoint_tf.networks.pretrained import exists, pretrained_names
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.suggestions import did_you_mean
from superpoint_tf.systems import MAPS, SYSTEMS

if TYPE_CHECKING:
    from superpoint_tf.models.dense_model import SuperPoint

_LONGEST_STEM = 60
_PACKAGE = Path(__file__).resolve().parents[2]
# The code that features depend on besides the method's own, whole folders: a change must not meet features of before.
_SUPPRESSION_CODE = ("detection", "features")
_NETWORK_CODE = ("config/scales_and_phases.py", "geometry", "models", "networks", "systems", *_SUPPRESSION_CODE)
_PATCH_CODE = (*_NETWORK_CODE, "evaluation/methods/described_keypoints.py")
_UNIFORM = "uniform:"  # before a network whose keypoints are to be taken at random
_KEYPOINTS = "SIFT"  # of a patch system that is named alone
_SUFFIXES = (".npz", ".yaml", ".yml", ".h5", ".hdf5")
GROUPS = {"classical": rows_here(CLASSICAL), "controls": tuple(CONTROLS)}
FindFeatures = Callable[[View, str, PairProtocol], Features]


# Radius and budget are the protocol's. It is reached long before so low a threshold; that only spares sorting noise.
FOR_PAIRS = DetectionConfig(threshold=1e-4, max_keypoints=None)
# The average precision on synthetic shapes has no budget and no threshold.
FOR_SHAPES = DetectionConfig(threshold=0.0, border_px=0, max_keypoints=None)


@dataclass(frozen=True)
class NamedMethod:
    """One row of the tables, whatever is asked of it."""

    name: str
    identity: dict[str, Any]  # equal identities give equal answers

    @property
    def file_name(self) -> str:
        """Return a name for this method's feature file: two methods never share one."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", self.name).strip("._")[:_LONGEST_STEM] or "method"
        return f"{plain}-{storage.sha256(self.name.encode())[:6]}.h5"  # some disks do not tell A from a


@dataclass(frozen=True)
class Method(NamedMethod):
    """What finds features in images."""

    find: FindFeatures  # from a view, a setting's name and its protocol to all features, suppressed, strongest first


def extractor_of(model: SuperPoint, detection: DetectionConfig = FOR_PAIRS) -> Extractor:
    """Give a network the form that the protocols run: everything above a threshold, suppressed, strongest first."""

    def extract(image: np.ndarray, nms_radius_px: int) -> Features:
        return model.extract(image, detection, nms_radius_px=nms_radius_px)

    return extract


def load_extractors(names: Sequence[str]) -> dict[str, Extractor]:
    """Return built-in extractors by name: `classical`, `controls`, or one of either (`Harris`, `grid (control)`)."""
    wanted = [part for given in names for part in GROUPS.get(given, (given,))]
    return {name: suppressed((CLASSICAL | CONTROLS)[name]) for name in wanted}


def load_methods(names: Sequence[str], detection: DetectionConfig = FOR_PAIRS) -> list[Method]:
    """Return methods by what `--methods` names, in that order.

    A name is `classical`, `controls`, one of either, or `WHAT` or `ROW NAME=WHAT`, where WHAT is weights (a file, run
    folder or checkpoint), `config.yaml` (that network before any training), `module:function` or `file.py:function`
    (see `plug_ins`), `features.h5` (see `features_on_disk`), or `WHAT+WEIGHTS`: keypoints of any of these, described by
    a patch system, whose weights alone stand for `SIFT+WEIGHTS` (see `described_keypoints`). `uniform:WHAT` is a
    control: what WHAT finds, in random order. `detection` is for networks. Raises ValueError that names what cannot be
    used and says what there is.
    """
    methods = [_load(part, detection) for given in names for part in GROUPS.get(given, (given,))]
    check_names(methods)
    return methods


def check_names(methods: Sequence[NamedMethod]) -> None:
    """Raise ValueError if two rows have one name."""
    seen: set[str] = set()
    for method in methods:
        if method.name in seen:
            raise ValueError(f"--methods: two rows are called {method.name!r}; name one of them, ROW NAME=WHAT")
        seen.add(method.name)


def _load(given: str, detection: DetectionConfig) -> Method:
    if given in CLASSICAL or given in CONTROLS:
        return _built_in(given)
    title, what = split_name(given)
    name = title or what
    if what.startswith(_UNIFORM):
        return _uniform(title, what.removeprefix(_UNIFORM), detection)
    if described := _split_described(what):
        return _described(name, *described, detection)
    if what.endswith((".h5", ".hdf5")):
        features = load_features_on_disk(what)
        identity = {"kind": "features", **features.identity, "code": _code_sha256(_SUPPRESSION_CODE)}
        return Method(name, identity, features.find)
    if is_function(what):
        plug_in = load_plug_in(what)
        identity = {"kind": "plug-in", **plug_in.identity, "suppression": _code_sha256(_SUPPRESSION_CODE)}
        return _of_extractor(name, identity, suppressed(plug_in.extract))
    if not exists(what):
        known = [*GROUPS, *CLASSICAL, *CONTROLS, *pretrained_names()]
        raise unknown_method(given, what, known, "weights, config.yaml, module:function or features.h5")
    if not _is_config(what) and _describes_patches(what):
        return _described(name, _KEYPOINTS, what, detection)
    return _network(name, what, detection)


def _built_in(name: str) -> Method:
    check_row(name)
    module = baselines if name in CLASSICAL else controls
    kind = module.__name__.rpartition(".")[2]
    code = _code_sha256((f"evaluation/methods/{kind}.py", *_SUPPRESSION_CODE))  # its settings are in its code
    identity = {"kind": kind, "opencv": cv2.__version__, "code": code}
    return _of_extractor(name, identity, suppressed((CLASSICAL | CONTROLS)[name]))


def _described(name: str, keypoints: str, weights: str, detection: DetectionConfig) -> Method:
    from superpoint_tf.evaluation.methods.described_keypoints import load_patch_descriptor  # TensorFlow, as above

    left, right = _load(keypoints, detection), load_patch_descriptor(weights, keypoints)
    code = {"code": _code_sha256(_PATCH_CODE), "superpoint_tf": superpoint_tf.__version__}
    identity = {"kind": "described keypoints", "keypoints": left.identity, **right.identity, **code}

    def find(view: View, setting: str, protocol: PairProtocol) -> Features:
        return right.describe(view.image, left.find(view, setting, protocol), protocol)

    return Method(name, identity, find)


def _uniform(title: str, what: str, detection: DetectionConfig) -> Method:
    """Return a control: everything that a method could find, the same descriptors, in random order."""
    every = replace(detection, threshold=0.0, max_keypoints=None)
    left = _load(what, every)

    def find(view: View, setting: str, protocol: PairProtocol) -> Features:
        found = left.find(view, setting, replace(protocol, nms_radius_px=1))
        return suppressed(lambda image: controls.shuffled(image, found))(view.image, protocol.nms_radius_px)

    code = _code_sha256(("evaluation/methods/controls.py", *_SUPPRESSION_CODE))
    return Method(title or f"{what}, uniform (control)", {"kind": "uniform", "of": left.identity, "code": code}, find)


def _split_described(what: str) -> tuple[str, str] | None:
    """Return keypoints and weights of `WHAT+WEIGHTS`, or None; a path may hold a plus sign too."""
    places = [place for place, letter in enumerate(what) if letter == "+"]
    in_place = what.rpartition(":")[0] if is_function(what) else what  # a file, perhaps with a function of it
    if exists(in_place) or not places:
        return None
    parts = [(what[:place], what[place + 1 :]) for place in places]
    return next((part for part in parts if exists(part[1])), parts[0])


def _describes_patches(weights: str) -> bool:
    from superpoint_tf.networks.weights import load_weights

    return SYSTEMS[load_weights(weights).network.system].gives != MAPS


def _is_config(what: str) -> bool:
    return what.endswith((".yaml", ".yml"))


def _network(name: str, what: str, detection: DetectionConfig) -> Method:
    import tensorflow as tf  # only where a network is asked for

    from superpoint_tf.models.dense_model import SuperPoint, check_detects
    from superpoint_tf.networks.weights import initial_network, load_network

    untrained = _is_config(what)
    network, weights = initial_network(load_config(what)) if untrained else load_network(what)
    model = SuperPoint(network)
    check_detects(model, what)
    settings = asdict(detection)
    del settings["nms_radius_px"]  # the protocol's
    if detection.max_keypoints is None:
        del settings["max_keypoints"]  # features of before, which had no limit, are those of today
    identity = {
        "kind": "untrained network" if untrained else "weights",
        "from": what,
        "weights_sha256": weights.fingerprint(),
        **settings,
        "tensorflow": tf.__version__,
        "code": _code_sha256(_NETWORK_CODE),
    }
    return _of_extractor(name, identity, extractor_of(model, detection))


def _of_extractor(name: str, identity: dict[str, Any], extract: Extractor) -> Method:
    def find(view: View, setting: str, protocol: PairProtocol) -> Features:
        return extract(view.image, protocol.nms_radius_px)

    return Method(name, {**identity, "superpoint_tf": superpoint_tf.__version__}, find)


def check_files(names: Sequence[str]) -> None:
    """Raise ValueError for a file or folder that `--methods` names and that is not there, before anything is loaded.

    What does not look like a path may be a name that the protocol knows: its loader says.
    """
    for given in names:
        what = split_name(given)[1].removeprefix(_UNIFORM)
        for part in _split_described(what) or (what,):
            looks_like_one = "/" in part or Path(part).suffix in _SUFFIXES
            if looks_like_one and not is_function(part) and not exists(part):
                raise ValueError(f"--methods {given}: no file or folder {part}")


def split_existing(given: str, known: Iterable[str], weights: str) -> tuple[str, str]:
    """Do `split_name` for what must lie on disk or come with the package; the name is never empty.

    Raises ValueError saying which methods are `known`, and what else may be named: `weights`.
    """
    title, what = split_name(given)
    if not exists(what):
        raise unknown_method(given, what, list(known), weights)
    return title or what, what


def unknown_method(given: str, what: str, known: Sequence[str], others: str) -> ValueError:
    """Return the error of a method that is none of the `known` ones; `others` may be named too."""
    return ValueError(
        f"--methods {given}: no file or folder {what}, and no method of that name; there are {', '.join(known)}, and "
        f"ROW NAME= before {others}{did_you_mean(what, known)}"
    )


def split_name(given: str) -> tuple[str, str]:
    """Return the name of a row, perhaps empty, and what stands there, of `WHAT` or `ROW NAME=WHAT`."""
    if exists(given) or "=" not in given:
        return "", given
    name, _, what = given.partition("=")
    return name, what


def is_function(what: str) -> bool:
    """Tell `module:function` and `file.py:function` from paths."""
    return re.search(r":[A-Za-z_]\w*$", what) is not None


def _code_sha256(names: Sequence[str]) -> str:
    """Return the SHA-256 of files and of whole folders of the package, by their paths in it."""
    paths = [path for name in names for path in sorted((_PACKAGE / name).rglob("*.py")) or [_PACKAGE / name]]
    return storage.sha256(b"".join(path.read_bytes() for path in paths))
