"""Configs as YAML files: strict reading, overrides, writing, and what may change in an existing folder."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import math
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from superpoint_tf.config import CELL, Config, ConfigError


class _StrictLoader(yaml.SafeLoader):
    """YAML without duplicate keys, anchors that repeat, or tags."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
            if not isinstance(key, typing.Hashable) or key in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} is given twice", key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Read a YAML file and apply `key.key=value` overrides.

    Raises ConfigError naming the file, the key and the nearest known key for anything unknown, wrongly typed or out of
    range.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        found = sorted(str(p) for p in path.parent.glob("*.yaml"))
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); configs beside it: {found or 'none'}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a UTF-8 text file ({error.reason})") from error
    try:
        values = yaml.load(text, Loader=_StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections such as `joint:`, found {type(values).__name__}")
    values.setdefault("name", path.stem)
    for override in overrides:
        _set_value(values, override)
    return build_config(values, source=f"{path} with --set {' '.join(overrides)}" if overrides else str(path))


def build_config(values: Mapping[str, Any], source: str = "config") -> Config:
    """Build a Config from nested mappings; `source` is named in errors."""
    config: Config = _build(Config(), values, source, "")
    _check_consistency(config, source)
    return config


def _set_value(values: dict[str, Any], override: str) -> None:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {override}: expected key=value, for example --set detector.batch_size=8")
    try:
        value = yaml.load(text, Loader=_StrictLoader) if text else ""
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"--set {override}: the value is not valid YAML") from error
    *parents, last = key.split(".")
    node = values
    for parent in parents:
        node = node.setdefault(parent, {})
        if not isinstance(node, dict):
            raise ConfigError(f"--set {override}: `{parent}` is not a section")
    node[last] = value


def _build(default: Any, values: Any, source: str, prefix: str) -> Any:
    if not isinstance(values, Mapping):
        raise ConfigError(f"{source}: `{prefix.rstrip('.')}` is a section, found {values!r}")
    fields = {f.name: f for f in dataclasses.fields(default)}
    hints = typing.get_type_hints(type(default))
    changes = {}
    for key, value in values.items():
        if key not in fields:
            nearest = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.5)
            known = f"did you mean `{prefix}{nearest[0]}`?" if nearest else f"known here: {', '.join(fields)}"
            raise ConfigError(f"{source}: unknown key `{prefix}{key}`; {known}")
        current = getattr(default, key)
        name = f"{prefix}{key}"
        if dataclasses.is_dataclass(current):
            changes[key] = _build(current, value, source, name + ".")
        else:
            changes[key] = _convert(value, hints[key], f"{source}: `{name}`")
            _check_limits(changes[key], fields[key].metadata, f"{source}: `{name}`")
    try:
        return dataclasses.replace(default, **changes)
    except ValueError as error:
        raise ConfigError(f"{source}: `{prefix.rstrip('.')}`: {error}") from error


def _convert(value: Any, hint: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if origin is tuple:
        kinds = typing.get_args(hint)
        length = None if len(kinds) == 2 and kinds[1] is Ellipsis else len(kinds)
        if not isinstance(value, (list, tuple)) or not value or length not in (None, len(value)):
            raise ConfigError(f"{where}: expected a list of {length or 'one or more'} values, found {value!r}")
        return tuple(_convert(item, kinds[0], where) for item in value)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected a mapping, found {value!r}")
        return {_convert(k, str, where): _convert(v, float, where) for k, v in value.items()}
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _convert(value, typing.get_args(hint)[0], where)
    if hint is float:
        if isinstance(value, str):  # PyYAML reads 1e-3 as a string
            with contextlib.suppress(ValueError):
                value = float(value)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigError(f"{where}: expected a number, found {value!r}")
        try:
            number = float(value)
        except OverflowError:
            number = math.inf
        if not math.isfinite(number):
            raise ConfigError(f"{where}: expected a finite number, found {str(value)[:20]}")
        return number
    if hint is int and isinstance(value, str):  # 2e5 is what people write for steps
        with contextlib.suppress(ValueError, OverflowError):
            value = int(float(value)) if float(value).is_integer() else value
    if hint is int and isinstance(value, float) and value.is_integer():
        value = int(value)
    if hint is str and value is None:
        value = ""
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        expected = {int: "a whole number", str: "text", bool: "true or false"}.get(hint, str(hint))
        raise ConfigError(f"{where}: expected {expected}, found {str(value)[:60]!r} ({type(value).__name__})")
    return value


def _check_limits(value: Any, limits: Mapping[str, Any], where: str) -> None:
    for item in _items(value):
        minimum, maximum, choices = (limits.get(key) for key in ("minimum", "maximum", "choices"))
        if choices is not None and not isinstance(item, float) and item not in choices:
            raise ConfigError(f"{where}: {item!r} is not one of {', '.join(map(str, choices))}")
        if minimum is not None and not isinstance(item, str) and item < minimum:
            raise ConfigError(f"{where}: {item} is below the minimum {minimum:g}")
        if maximum is not None and not isinstance(item, str) and item > maximum:
            raise ConfigError(f"{where}: {item} is above the maximum {maximum:g}")
        if isinstance(item, int) and abs(item) >= 2**53:
            raise ConfigError(f"{where}: {str(item)[:20]}... is too large")


def _items(value: Any) -> list[Any]:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return [value]


def _check_consistency(config: Config, source: str) -> None:
    for key, photometric in (
        ("synthetic", config.synthetic.photometric),
        ("photographs", config.photographs.photometric),
    ):
        for name in ("contrast", "shade"):
            low, high = getattr(photometric, name)
            if low > high:
                raise ConfigError(f"{source}: `{key}.photometric.{name}`: {low:g} is above {high:g}; give [low, high]")
    for key, shape in (
        ("synthetic.draw.image_shape", config.synthetic.draw.image_shape),
        ("photographs.image_shape", config.photographs.image_shape),
        ("photographs.crop_shape", config.photographs.crop_shape),
    ):
        if any(side % CELL for side in shape):
            nearest = [max(32, round(side / CELL) * CELL) for side in shape]
            raise ConfigError(
                f"{source}: `{key}`: {list(shape)} is not a multiple of {CELL}, the detector's cell; nearest: {nearest}"
            )
        if max(shape) > 8192:
            raise ConfigError(f"{source}: `{key}`: {list(shape)} is above 8192 pixels a side")
    frame, crop = config.photographs.image_shape, config.photographs.crop_shape
    if crop != (0, 0) and (0 in crop or crop[0] > frame[0] or crop[1] > frame[1]):
        raise ConfigError(
            f"{source}: `photographs.crop_shape`: {list(crop)} is not within image_shape {list(frame)}; [0, 0]: no crop"
        )
    for key, training in (("detector", config.detector), ("joint", config.joint)):
        if training.batch_size % training.accumulate:
            raise ConfigError(
                f"{source}: `{key}.batch_size`: {training.batch_size} does not divide into `{key}.accumulate`: "
                f"{training.accumulate} equal micro-batches; make it a multiple"
            )
    if config.joint.negative_margin >= config.joint.positive_margin:
        raise ConfigError(f"{source}: `joint.negative_margin` must be below `joint.positive_margin`")


def config_to_dict(config: Any) -> dict[str, Any]:
    """Return the nested plain values of a config dataclass (lists, not tuples), ready for YAML or JSON."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value):
            return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return list(value) if isinstance(value, tuple) else value

    result: dict[str, Any] = plain(config)
    return result


def config_to_yaml(config: Config) -> str:
    """Return the resolved config as YAML that `load_config` reads back to an equal config."""
    return yaml.safe_dump(config_to_dict(config), sort_keys=False, default_flow_style=None, width=110)


def flatten(config: Any, prefix: str = "") -> Iterator[tuple[str, Any, bool]]:
    """Yield (dotted key, value, free) for every setting of a config dataclass."""
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if dataclasses.is_dataclass(value):
            yield from flatten(value, f"{prefix}{f.name}.")
        else:
            yield f"{prefix}{f.name}", value, bool(f.metadata.get("free"))


def config_differences(old: Config, new: Config, sections: Sequence[str]) -> list[str]:
    """List the settings that differ in `sections` (or single keys) and may not change in an existing folder.

    Each entry reads `key: old -> new`. Settings marked free (steps, intervals, workers) are left out.
    """
    before = {key: value for key, value, _ in flatten(old)}
    return [
        f"{key}: {before[key]!r} -> {value!r}"
        for key, value, free in flatten(new)
        if not free and before[key] != value and any(key == s or key.startswith(s + ".") for s in sections)
    ]
