"""YAML as configs use it: plain values alone, every key once, nothing that repeats, expands or executes."""

from __future__ import annotations

import typing
from typing import Any

import yaml

from superpoint_tf.config.fields import shown


class _StrictLoader(yaml.SafeLoader):
    """Refuse anchors, aliases, merge keys, tags and keys that are given twice."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:  # an alias has one too; a few of them expand to any size
            raise _refusal(event.start_mark, f"anchors and aliases (`{shown(event.anchor)}`); write the value out")
        if getattr(event, "tag", None) is not None:
            raise _refusal(event.start_mark, f"tags (`{shown(event.tag)}`); write the plain value")
        return super().compose_node(parent, index)

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                raise _refusal(key_node.start_mark, "merge keys (`<<`); write the settings out")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)  # type: ignore[no-untyped-call]
            if not isinstance(key, typing.Hashable) or key in seen:
                raise yaml.MarkedYAMLError(problem=f"key {shown(key)} is given twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def parse_yaml(text: str) -> Any:
    """Return the plain value that a text says, None for an empty one; raises ValueError with one line and the place."""
    try:
        return yaml.load(text, Loader=_StrictLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(place + _one_line(error.problem or error.context or "not valid")) from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except (yaml.YAMLError, ValueError) as error:
        digits = "integer string conversion" in str(error)
        raise ValueError("a number has too many digits" if digits else _one_line(str(error))) from error


def _refusal(mark: yaml.Mark, what: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=f"configs take no {what}", problem_mark=mark)


def _one_line(text: str) -> str:
    """Return a message without line ends and control characters, and not longer than a few lines of a terminal."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(printable.split())[:300]
