"""Every setting with its default and its meaning, which is the comment beside or above its declaration."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import io
import json
import textwrap
import tokenize
from collections.abc import Iterator
from typing import Any, NamedTuple

from superpoint_tf.config.sections import Config
from superpoint_tf.runtime.suggestions import nearest

_MEANING_COLUMN = 48
_NARROWEST = 20  # a meaning, in letters


class Setting(NamedTuple):
    """One setting: `section` is the dotted key of what holds it, empty for a key of the file's own."""

    section: str
    name: str
    default: Any
    choices: tuple[str, ...]  # of a text; none: any
    meaning: str

    @property
    def key(self) -> str:
        """Return the dotted key, as --set takes it."""
        return f"{self.section}.{self.name}" if self.section else self.name


def list_settings(of: str = "", width: int = 100) -> str:
    """Return `key=default  meaning` of all settings, or of a section or key `of`, a paragraph a section.

    Raises ValueError for a name that is neither.
    """
    paragraphs: dict[str, list[str]] = {}
    for section, summary in _sections(Config()):
        paragraphs[section] = [f"{section}: {summary}" if section else summary]
    for setting in all_settings():
        if not of or f"{setting.key}.".startswith(f"{of}."):
            paragraphs[setting.section].append(_line(setting, width))
    told = ["\n".join(lines) for lines in paragraphs.values() if len(lines) > 1]
    if not told:
        names = [section for section in paragraphs if section]
        meant = nearest(of, [*names, *(setting.key for setting in all_settings())])
        top = ", ".join(name for name in names if "." not in name)
        raise ValueError(f"{of[:60]!r} is no section; " + (f"did you mean {meant}?" if meant else f"there are {top}"))
    return "\n\n".join(told)


def all_settings() -> list[Setting]:
    """Return every setting of a config, in the order of the file."""
    return list(_settings(Config(), ""))


def _settings(values: Any, section: str) -> Iterator[Setting]:
    meanings = meanings_of(type(values))
    for field in dataclasses.fields(values):
        value = getattr(values, field.name)
        if dataclasses.is_dataclass(value):
            yield from _settings(value, f"{section}.{field.name}".lstrip("."))
        else:
            choices = field.metadata.get("choices", ()) if isinstance(value, str) else ()
            yield Setting(section, field.name, value, tuple(map(str, choices)), meanings.get(field.name, ""))


def _sections(values: Any, section: str = "") -> Iterator[tuple[str, str]]:
    """Yield the dotted key and the first line of the docstring of each section."""
    yield section, (inspect.getdoc(type(values)) or "").partition("\n")[0]
    for field in dataclasses.fields(values):
        if dataclasses.is_dataclass(value := getattr(values, field.name)):
            yield from _sections(value, f"{section}.{field.name}".lstrip("."))


def _line(setting: Setting, width: int) -> str:
    left, margin = f"  {setting.key}={_shown(setting.default)}", " " * _MEANING_COLUMN
    choices = f" [{', '.join(map(_shown, setting.choices))}]" if setting.choices else ""
    lines = textwrap.wrap(setting.meaning + choices, max(width - _MEANING_COLUMN, _NARROWEST), break_on_hyphens=False)
    if len(left) < _MEANING_COLUMN - 1 and lines:
        return "\n".join([left.ljust(_MEANING_COLUMN) + lines[0], *(margin + line for line in lines[1:])])
    return "\n".join([left, *(margin + line for line in lines)])


def _shown(value: Any) -> str:
    """Return a value as --set takes it."""
    return value if isinstance(value, str) and value else json.dumps(value)


def meanings_of(section: type) -> dict[str, str]:
    """Return what the source of a config dataclass says of each field; what a field says of itself beats its bases."""
    found: dict[str, str] = {}
    for each in reversed(section.__mro__):
        if dataclasses.is_dataclass(each):
            found |= _own_meanings(each)
    return found


def _own_meanings(section: type) -> dict[str, str]:
    source = textwrap.dedent(inspect.getsource(section))
    beside: dict[int, str] = {}  # by line
    alone: dict[int, str] = {}
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            kind = beside if token.line[: token.start[1]].strip() else alone
            kind[token.start[0]] = token.string.lstrip("# ")
    (tree,) = ast.parse(source).body
    found = {}
    for node in getattr(tree, "body", ()):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            first = node.lineno
            while first - 1 in alone:
                first -= 1
            lines = range(first, (node.end_lineno or node.lineno) + 1)
            parts = [(alone | beside)[line] for line in lines if line in alone or line in beside]
            if parts:
                found[node.target.id] = " ".join(parts)
    return found
