"""Weights files (.npz that TensorFlow is not needed to read) and where weights are found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from superpoint_tf.config import Config, NetworkConfig
from superpoint_tf.config.config_files import build_config, config_to_dict, load_config
from superpoint_tf.networks.build import build_network, weight_shapes
from superpoint_tf.networks.pretrained import WEIGHTS_FILE, no_weights, pretrained_path
from superpoint_tf.networks.residual_network import HEADS
from superpoint_tf.networks.superpoint import named_variables, precision_policy
from superpoint_tf.runtime import storage
from superpoint_tf.systems import MAPS, SYSTEMS

_HEADER = "__header__"
_NEW_HEADS = ("descriptor_", HEADS)  # how the names begin of what weights may lack


class WeightsError(ValueError):
    """Weights that cannot be used; the message names the file, what differs and the remedy."""


# Settings younger than the format, with the value that all files of before have: left out of the header, as they are
# there, else the fingerprint of every one of them would change, and with it features, labels and stages.
_SINCE_FORMAT_1 = {"pooling": "max", "input_stride": 1, "classes": 0}
_ABSENT = object()
# The systems of format 1, by whether they have a descriptor: written as ever, so that their fingerprints stay. Format 2
# holds any other, whose sizes are in its row of the table.
_FORMAT_1 = {"magicpoint": False, "superpoint": True}


@dataclass(frozen=True)
class Weights:
    """Arrays by `layer/variable`, the network they fit, and how they came about."""

    network: NetworkConfig
    arrays: dict[str, np.ndarray]
    step: int = 0

    def to_bytes(self) -> bytes:
        """Return the file content; equal weights give equal bytes, whatever settings networks gained since."""
        network = config_to_dict(self.network)
        if network["system"] in _FORMAT_1:
            with_descriptor = _FORMAT_1[network.pop("system")]
            network = {name: v for name, v in network.items() if v != _SINCE_FORMAT_1.get(name, _ABSENT)}
            header = {"format": 1, "network": network, "with_descriptor": with_descriptor, "step": self.step}
        else:
            header = {"format": 2, "network": {"system": network["system"]}, "step": self.step}
        return storage.npz_bytes(**{_HEADER: np.array(json.dumps(header))}, **self.arrays)

    def fingerprint(self) -> str:
        """Return the SHA-256 of the file content."""
        return storage.sha256(self.to_bytes())

    def save(self, path: str | Path) -> None:
        """Write the file, complete or not at all."""
        storage.write_bytes(path, self.to_bytes())


def get_weights(model: tf.keras.Model, network: NetworkConfig, step: int = 0) -> Weights:
    """Copy a network's weights into NumPy arrays (float32), without the heads of the classes that trained it."""
    arrays = {
        name: np.asarray(variable.numpy(), np.float32)
        for name, variable in named_variables(model).items()
        if not name.startswith(HEADS)
    }
    return Weights(replace(network, classes=0), arrays, step)


def assign_weights(model: tf.keras.Model, weights: Weights, source: str, allow_new_head: bool = False) -> None:
    """Copy `weights` into a network.

    `allow_new_head` leaves a head, of descriptors or of classes, that the weights lack as it is, and ignores one of
    descriptors that the network lacks.
    Raises WeightsError listing the names or shapes that do not fit; the network is unchanged then.
    """
    variables = named_variables(model)
    shapes = {name: tuple(variable.shape) for name, variable in variables.items()}
    problems = _misfits(weights.arrays, shapes, allow_new_head)
    if problems:
        raise WeightsError(
            f"{source}: does not fit this network ({problems}); "
            f"the file is for {config_to_dict(weights.network)}: set the `network` section to match"
        )
    for name, array in weights.arrays.items():
        if name in variables:
            variables[name].assign(array)


def _misfits(arrays: dict[str, np.ndarray], shapes: dict[str, tuple[int, ...]], allow_new_head: bool = False) -> str:
    """Say which arrays are missing, unknown or of another shape; empty if they fit."""
    missing = [name for name in shapes if name not in arrays]
    surplus = [name for name in arrays if name not in shapes]
    if allow_new_head:
        missing = [name for name in missing if not name.startswith(_NEW_HEADS)]
        surplus = [name for name in surplus if not name.startswith(_NEW_HEADS)]
    others = [
        f"{name} {array.shape} instead of {shapes[name]}"
        for name, array in arrays.items()
        if name in shapes and array.shape != shapes[name]
    ]
    kinds = {"missing": missing, "unknown": surplus, "shape": others}
    # ascii: a name from a damaged file may hold what begins a line
    shown = {kind: ", ".join(ascii(name)[1:-1] for name in names[:3]) for kind, names in kinds.items() if names}
    return "; ".join(f"{kind} {names}" for kind, names in shown.items())


def load_weights(path: str | Path) -> Weights:
    """Read a weights file, a run folder (its best weights) or a checkpoint prefix inside a run folder.

    Where nothing of that path exists it may be the name of weights that come with the package, `pretrained_names`.
    Raises WeightsError naming the path if nothing is there, or if the file is damaged or its arrays are not those of
    the network that it describes. Nothing in a file is executed.
    """
    path = _find(Path(path))
    if path.is_dir():
        path = path / WEIGHTS_FILE
    if Path(f"{path}.index").exists():
        return _load_checkpoint(path)
    try:
        arrays = storage.load_npz(path)
    except FileNotFoundError as error:
        raise WeightsError(no_weights(path)) from error
    except ValueError as error:
        raise WeightsError(str(error)) from error
    try:
        header = json.loads(str(arrays.pop(_HEADER)))
        network = _read_network(header["network"])
        if header["format"] == 1:
            network = network.with_system("superpoint" if header["with_descriptor"] else "magicpoint")
        elif header["format"] != 2:
            raise ValueError(f"format {header['format']}, this version reads 1 and 2")
        result = Weights(network, arrays, int(header["step"]))
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise WeightsError(f"{path}: not a weights file of this project ({error})") from error
    # before a network is built: its header alone might ask for gigabytes
    if problems := _misfits(arrays, weight_shapes(network)):
        raise WeightsError(f"{path}: does not hold what its own header describes ({problems}); get the file again")
    if not all(array.dtype == np.float32 and np.isfinite(array).all() for array in arrays.values()):
        raise WeightsError(f"{path}: holds values that are not finite float32 numbers")
    return result


def _read_network(values: Mapping[str, Any]) -> NetworkConfig:
    known = {name: value for name, value in values.items() if name in {f.name for f in fields(NetworkConfig)}}
    train = SYSTEMS[known["system"]].train if "system" in known else "joint"
    return build_config({"train": train, "network": known}).network


def _find(path: Path) -> Path:
    """Return the path, or that of shipped weights if nothing is there and they have this name."""
    if path.exists() or Path(f"{path}.index").exists():
        return path
    try:
        return pretrained_path(str(path)) or path
    except ValueError as error:
        raise WeightsError(str(error)) from error


def _load_checkpoint(prefix: Path) -> Weights:
    config: Config = load_config(prefix.parent.parent / "config.yaml")
    model = build_network(config.network)
    shipped = "averaged" if config.training.ema_decay else "model"  # the weights that the run would ship
    step = tf.Variable(0, dtype=tf.int64)
    try:
        checkpoint = tf.train.Checkpoint(step=step, **{shipped: named_variables(model)})
        checkpoint.restore(str(prefix)).assert_existing_objects_matched().expect_partial()
    # for a file cut short TensorFlow's reader raises IndexError or RuntimeError
    except (AssertionError, ValueError, IndexError, RuntimeError, tf.errors.OpError) as error:
        folder = prefix.parent.parent
        raise WeightsError(
            f"{prefix}: damaged, or not a checkpoint of {folder}/config.yaml by this version of the project; "
            f"give {folder} for its best weights"
        ) from error
    return get_weights(model, config.network, int(step))


def load_network(path: str | Path, precision: str = "float32", gives: str = MAPS) -> tuple[tf.keras.Model, Weights]:
    """Build the network that a weights file describes and fill it; see `load_weights` for `path`.

    `precision` is a Keras policy; the weights and the outputs stay float32. Raises WeightsError for a network that does
    not give what is asked for, `systems.MAPS` or `VECTORS`.
    """
    weights = load_weights(path)
    _check_gives(weights.network.system, gives, str(path))
    with precision_policy(precision):
        model = build_network(weights.network)
    assign_weights(model, weights, str(path))
    return model, weights


def title_of(name: str, system: str) -> str:
    """Return how a model is shown: the name or path of its weights, if they have one, and its system."""
    return system if name in ("", system) else f"{name}: {system}"


def _check_gives(system: str, gives: str, source: str) -> None:
    if SYSTEMS[system].gives != gives:
        fitting = " or ".join(name for name, row in SYSTEMS.items() if row.gives == gives)
        raise WeightsError(f"{source}: {system} gives {SYSTEMS[system].gives}, not {gives}; name one of {fitting}")


def initial_network(config: Config) -> tuple[tf.keras.Model, Weights]:
    """Build the network of a config as its training begins: random weights by its seed, nothing learnt.

    Raises WeightsError for one that gives no maps.
    """
    _check_gives(config.network.system, MAPS, config.name)
    model = build_network(config.network, config.seed)
    return model, get_weights(model, config.network)
