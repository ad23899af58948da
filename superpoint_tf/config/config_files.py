"""Configs as YAML files: strict reading, overrides, writing, and what may change in an existing folder."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import types
import typing
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from superpoint_tf.config.config_rules import check_rules
from superpoint_tf.config.fields import ConfigError, check_limits, shown
from superpoint_tf.config.sections import Config
from superpoint_tf.config.strict_yaml import parse_yaml
from superpoint_tf.runtime.suggestions import did_you_mean, nearest

_NO_TEXT = ("Cc", "Cs")  # control characters, and halves of characters that no file name in UTF-8 has
_MOVED = {f"adaptation.{key}": f"adaptation.detection.{key}" for key in ("scales", "phases")}  # by the key of before
_MOST_BYTES = 2**18  # the shipped ones have some thousand; PyYAML reads some 100,000 a second


def load_config(path: str | Path, overrides: Sequence[str] = (), options: Mapping[str, Any] | None = None) -> Config:
    """Read a YAML file and apply `key.key=value` overrides, then `options`, which are plain values by dotted key.

    Raises ConfigError in one line naming the file, the key and the nearest known key for anything unknown, wrongly
    typed, out of range or contradictory.
    """
    path = Path(path)
    text = _read_text(path)
    try:
        values = parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"{path}: not valid YAML: {error}") from error
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ConfigError(f"{path}: expected sections such as `joint:`, found {type(values).__name__}")
    values.setdefault("name", path.stem)
    values = _with_present_keys(values, str(path))
    for override in overrides:
        key, value = _parse_override(override)
        _set_value(values, _MOVED.get(key, key), value, f"--set {shown(override)}")
    for key, value in (options or {}).items():
        _set_value(values, key, value, str(path))
    return build_config(values, source=f"{path} with --set {shown(' '.join(overrides))}" if overrides else str(path))


def _read_text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ConfigError(f"{path}: above {_MOST_BYTES // 2**10} KiB, so no config; name a YAML file")
        return content.decode("utf-8")
    except OSError as error:
        found = sorted(str(p) for p in path.parent.glob("*.yaml"))
        beside = f"configs beside it: {', '.join(found) or 'none'}{did_you_mean(str(path), found)}"
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); {beside}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a UTF-8 text file ({error.reason} at byte {error.start})") from error


def build_config(values: Mapping[str, Any], source: str = "config") -> Config:
    """Build a Config from nested mappings; `source` is named in errors."""
    config: Config = _build(Config(), _with_present_keys(values, source), source, "")
    # Files of before networks had a name say `train: detector` alone; superpoint is the default, and so not asked for.
    if config.train == "detector" and config.network.system == "superpoint":
        config = config.trained_as("detector")
    check_rules(config, source)
    return config


def _parse_override(override: str) -> tuple[str, Any]:
    key, separator, text = override.partition("=")
    if not separator or not key:
        raise ConfigError(f"--set {shown(override)}: expected key=value, for example --set detector.batch_size=8")
    try:
        return key, parse_yaml(text) if text else ""
    except ValueError as error:
        raise ConfigError(f"--set {shown(override)}: the value is not valid YAML: {error}") from error


def _with_present_keys(values: Mapping[str, Any], source: str) -> dict[str, Any]:
    """Return values in which keys of earlier versions have their present names; `values` stays as it is."""
    moved = dict(values)
    for before, now in _MOVED.items():
        (outer, key), inner = before.split("."), now.split(".")[1]
        section = moved.get(outer)
        if not isinstance(section, Mapping) or key not in section:
            continue
        rest = {name: value for name, value in section.items() if name != key}
        within = {} if rest.get(inner) is None else rest[inner]
        if isinstance(within, Mapping):  # else it is refused as no section
            if key in within:
                raise ConfigError(f"{source}: `{before}` is `{now}`, and both are given; leave out the first")
            rest[inner] = {**within, key: section[key]}
        moved[outer] = rest
    return moved


def _set_value(values: dict[str, Any], dotted: str, value: Any, source: str) -> None:
    *parents, last = dotted.split(".")
    node = values
    for parent in parents:
        if node.get(parent) is None:  # absent, or a section without settings
            node[parent] = {}
        node = node[parent]
        if not isinstance(node, dict):
            raise ConfigError(f"{source}: `{parent}` is not a section")
    node[last] = value


def _build(default: Any, values: Any, source: str, prefix: str) -> Any:
    if values is None:  # a section whose settings are all commented out
        return default
    if not isinstance(values, Mapping):
        raise ConfigError(f"{source}: `{prefix.rstrip('.')}` is a section, found {shown(values)}")
    fields = {f.name: f for f in dataclasses.fields(default)}
    hints = typing.get_type_hints(type(default))
    changes = {}
    for key, value in values.items():
        if key not in fields:
            raise ConfigError(
                f"{source}: unknown key {_name_key(prefix, key)}; {_nearest_key(prefix, key, list(fields))}"
            )
        current = getattr(default, key)
        name = f"{prefix}{key}"
        if dataclasses.is_dataclass(current):
            changes[key] = _build(current, value, source, name + ".")
        else:
            changes[key] = _convert(value, hints[key], f"{source}: `{name}`")
            check_limits(changes[key], fields[key].metadata, f"{source}: `{name}`")
    try:
        return dataclasses.replace(default, **changes)
    except ValueError as error:
        raise ConfigError(f"{source}: `{prefix.rstrip('.')}`: {error}") from error


def _name_key(prefix: str, key: Any) -> str:
    plain = isinstance(key, str) and key.isprintable() and len(key) <= 60
    return f"`{prefix}{key}`" if plain else f"{shown(key)} in `{prefix.rstrip('.') or 'the file'}`"


def _nearest_key(prefix: str, key: Any, known: Sequence[str]) -> str:
    meant = nearest(shown(key).strip("'"), known, cutoff=0.5)
    return f"did you mean `{prefix}{meant}`?" if meant else f"known here: {', '.join(known)}"


def _convert(value: Any, hint: Any, where: str) -> Any:
    """Return a value of YAML as the type of its field; raises ConfigError, beginning with `where`."""
    origin = typing.get_origin(hint)
    if origin is tuple:
        return _convert_list(value, typing.get_args(hint), where)
    if origin is dict:
        if not isinstance(value, Mapping):
            raise ConfigError(f"{where}: expected a mapping, found {shown(value)}")
        return {_convert(k, str, where): _convert(v, float, where) for k, v in value.items()}
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _convert(value, typing.get_args(hint)[0], where)
    if hint is float:
        return _convert_float(value, where)
    if hint is int:
        value = _whole(value)
    if hint is str:
        value = "" if value is None else value
        if isinstance(value, str) and any(unicodedata.category(letter) in _NO_TEXT for letter in value):
            raise ConfigError(f"{where}: {shown(value)} holds control characters; leave them out")
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        expected = {int: "a whole number", str: "text", bool: "true or false"}.get(hint, str(hint))
        raise ConfigError(f"{where}: expected {expected}, found {shown(value)} ({type(value).__name__})")
    return value


def _convert_list(value: Any, kinds: Sequence[Any], where: str) -> tuple[Any, ...]:
    length = None if len(kinds) == 2 and kinds[1] is Ellipsis else len(kinds)
    if not isinstance(value, (list, tuple)) or not value or length not in (None, len(value)):
        raise ConfigError(f"{where}: expected a list of {length or 'one or more'} values, found {shown(value)}")
    return tuple(_convert(item, kinds[0], where) for item in value)


def _convert_float(value: Any, where: str) -> float:
    if isinstance(value, str):  # PyYAML reads 1e-3 as a string
        with contextlib.suppress(ValueError):
            value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ConfigError(f"{where}: expected a number, found {shown(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ConfigError(f"{where}: expected a finite number, found {shown(value)}")
    return number


def _whole(value: Any) -> Any:
    """Return 2e5, which PyYAML reads as a string, and 200000.0 as whole numbers; anything else as it is."""
    number = value
    if isinstance(value, str):
        with contextlib.suppress(ValueError):
            number = float(value)
    return int(number) if isinstance(number, float) and number.is_integer() else value


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


def deciding_settings(config: Config, sections: Sequence[str]) -> dict[str, Any]:
    """Return, by dotted key, the settings in `sections` (or single keys) that may not change in an existing folder.

    Settings marked free (steps, intervals, workers) are left out.
    """
    return {
        key: value
        for key, value, free in flatten(config)
        if not free and any(key == section or key.startswith(f"{section}.") for section in sections)
    }


def flatten(config: Any, prefix: str = "") -> Iterator[tuple[str, Any, bool]]:
    """Yield (dotted key, value, free) for every setting of a config dataclass."""
    for f in dataclasses.fields(config):
        value = getattr(config, f.name)
        if dataclasses.is_dataclass(value):
            yield from flatten(value, f"{prefix}{f.name}.")
        else:
            yield f"{prefix}{f.name}", value, bool(f.metadata.get("free"))
