"""The arguments of every tool that takes a config: CONFIG or --config, --set and --list-settings."""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from superpoint_tf.command_line.arguments import place
from superpoint_tf.config import Config, ConfigError
from superpoint_tf.config.config_files import load_config
from superpoint_tf.config.listing import list_settings
from superpoint_tf.runtime.invocation import CHECKOUT
from superpoint_tf.runtime.suggestions import nearest

_YAML = (".yaml", ".yml")


def add_config_arguments(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Add CONFIG, with --config before it or not, --set and --list-settings; without a `default` a config is needed."""
    what = "a YAML file" + (f" (default: {default})" if default else ", for example configs/coco.yaml")
    parser.add_argument(
        "config", nargs="?", action=_OneConfig, type=place, default=argparse.SUPPRESS, metavar="CONFIG", help=what
    )
    parser.add_argument(
        "--config", action=_OneConfig, type=place, default=default, metavar="CONFIG", help="the same, with a name"
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        nargs="+",
        action="extend",
        type=_override,
        default=[],
        metavar="KEY=VALUE",
        help="settings that override the file's, for example detector.batch_size=8",
    )
    parser.add_argument(
        "--list-settings",
        nargs="?",
        action=_ListSettings,
        default=argparse.SUPPRESS,
        metavar="SECTION",
        help="print every setting with its default and its meaning, or those of a section such as joint, and end",
    )


def load_config_argument(path: str, overrides: Sequence[str], options: Mapping[str, Any] | None = None) -> Config:
    """Load a config by its path; where nothing is there, `configs/NAME.yaml` is the one that comes with the package.

    `options` are settings by dotted key, from options of the tool's own: they win, and None is one that was not given.
    A backend that does not run here is refused here, not in `load_config`: what another Python wrote can be read.
    """
    given = {key: value for key, value in (options or {}).items() if value is not None}
    config = load_config(_find_config(path), overrides, given)
    for key, section in (("synthetic", config.synthetic), ("photographs", config.photographs)):
        section.photometric.check_backend(f"{path}: `{key}.photometric.backend`")
    return config


def _find_config(path: str) -> str:
    """Return where a config is; raises ConfigError for a name that one of the package's is near."""
    roots = (CHECKOUT / "superpoint_tf", CHECKOUT)  # in a wheel, in a checkout
    for candidate in (Path(path), *(root / path for root in roots)):
        if candidate.exists():
            return str(candidate)
    shipped = [file.relative_to(root).as_posix() for root in roots for file in root.glob("configs/**/*.yaml")]
    if meant := nearest(Path(path).as_posix(), shipped, cutoff=0.8):
        raise ConfigError(f"{path}: cannot be read (no such file); did you mean {meant}, which comes with the package?")
    return path  # the error lists those beside it


def _override(text: str) -> str:
    """Refuse the config that --set takes for a setting where it stands behind it."""
    if "=" not in text and text.lower().endswith(_YAML):
        raise argparse.ArgumentTypeError(f"{text[:60]!r}: expected KEY=VALUE; name the config before --set")
    return text


class _OneConfig(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        before = getattr(namespace, "given_config", None)
        if before is not None:
            parser.error(f"two configs are given, {before} and {values}: leave one out")
        namespace.config = namespace.given_config = values


class _ListSettings(argparse.Action):
    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        try:
            listed = list_settings(values or "", shutil.get_terminal_size().columns)
        except ValueError as error:
            raise argparse.ArgumentError(self, str(error)) from None
        print(listed)
        parser.exit()
