"""The notebook of the stages runs from top to bottom as it is, and its pictures show something."""

from __future__ import annotations

import ast
import base64
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

TOUR = Path(__file__).resolve().parents[2] / "docs" / "tour.ipynb"
NUM_PICTURES = 6


def code_cells() -> list[dict[str, Any]]:
    return [cell for cell in json.loads(TOUR.read_text())["cells"] if cell["cell_type"] == "code"]


def run_cell(source: str, namespace: dict[str, Any]) -> Any:
    """Run a cell as Jupyter does; return the value of its last line, if that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(TOUR), "exec"), namespace)
    return eval(compile(ast.Expression(last.value), str(TOUR), "eval"), namespace) if last else None  # type: ignore[attr-defined]


def decode(content: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)


def shows_something(picture: np.ndarray) -> bool:
    """Tell whether none of the four quarters of a picture is blank."""
    halves = [quarter for half in np.array_split(picture, 2) for quarter in np.array_split(half, 2, axis=1)]
    return all(quarter.std() > 8 for quarter in halves)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    namespace: dict[str, Any] = {}
    values = [run_cell("".join(cell["source"]), namespace) for cell in code_cells()]
    return [decode(value._repr_jpeg_()) for value in values if value is not None]


def test_every_cell_runs_in_order_and_every_picture_shows_something(pictures: list[np.ndarray]):
    assert len(pictures) == NUM_PICTURES
    assert [shows_something(picture) for picture in pictures] == [True] * NUM_PICTURES


def test_the_pictures_stored_in_the_notebook_are_of_the_present_cells(pictures: list[np.ndarray]):
    outputs = [output for cell in code_cells() for output in cell["outputs"] if "image/jpeg" in output.get("data", {})]
    stored = [decode(base64.b64decode("".join(output["data"]["image/jpeg"]))) for output in outputs]
    assert [picture.shape for picture in stored] == [picture.shape for picture in pictures]
    assert all(shows_something(picture) for picture in stored)


def test_a_picture_with_a_blank_panel_shows_nothing_there():
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    assert shows_something(noise)
    noise[:, 48:] = 255
    assert not shows_something(noise)
