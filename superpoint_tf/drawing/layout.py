"""Pictures as BGR arrays: conversion, scaling, title strips, and pictures beside and below each other on white."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Colour = tuple[int, int, int]  # blue, green, red

INK: Colour = (45, 40, 40)
FAINT_INK: Colour = (125, 120, 120)
PAPER = 255
GAP_PX = 8  # white between pictures

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_STRIP_PX = 30  # height of a title strip
_TEXT_PX = 12  # height of a capital letter
_SUPERSAMPLING = 4  # text is drawn this much larger, then averaged: OpenCV's own small letters are ragged
_PLAIN = str.maketrans({"–": "-", "—": "-", "−": "-", "×": "x", "·": ",", "ß": "ss", "→": ">"})  # noqa: RUF001


def to_bgr(image: NDArray) -> NDArray[np.uint8]:
    """Return a new uint8 (H, W, 3) BGR picture of a grey or BGR one.

    `image` is (H, W), (H, W, 1) or (H, W, 3); uint8, bool, or float in [0, 1] (clipped; NaN is black).
    Raises ValueError for any other shape or type.
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3) or 0 in image.shape:
        raise ValueError(f"a picture of shape {image.shape} cannot be drawn on; pass (H, W), (H, W, 1) or (H, W, 3)")
    if image.dtype == np.bool_:
        image = image.astype(np.uint8) * 255
    elif np.issubdtype(image.dtype, np.floating):
        image = np.rint(np.clip(np.nan_to_num(image), 0, 1) * 255).astype(np.uint8)
    elif image.dtype != np.uint8:
        raise ValueError(f"a picture of type {image.dtype} cannot be drawn on; pass uint8, or float in [0, 1]")
    return np.broadcast_to(image, (*image.shape[:2], 3)).copy()


def panel_scale(image_shape: Sequence[int], width_px: int = 480) -> float:
    """Return the scale that brings a picture near a width: a whole number for small ones, below 1 for huge ones."""
    width = image_shape[1]
    return max(1.0, float(round(width_px / width))) if width <= 1.5 * width_px else width_px / width


def resize(image: NDArray, scale: float) -> NDArray:
    """Scale a picture; (x, y) moves to ((x + .5) scale - .5, (y + .5) scale - .5), up to the rounding of the sides."""
    height, width = image.shape[:2]
    shape = (max(1, round(width * scale)), max(1, round(height * scale)))
    if shape == (width, height):
        return image
    return cv2.resize(image, shape, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)


def draw_caption(image: NDArray, title: str, note: str = "") -> NDArray[np.uint8]:
    """Put a white strip above a picture, with a title on the left and a fainter note on the right."""
    image = to_bgr(image)
    return np.vstack([draw_strip(image.shape[1], title, note), image])


def draw_strip(width: int, title: str, note: str = "", indent: int = 2) -> NDArray[np.uint8]:
    """Draw one line of text, (30, width, 3); without room the note is left out, then the title's end."""
    strip = np.full((_STRIP_PX, width, 3), PAPER, np.uint8)
    title_picture = _draw_text(title, INK, width - 2 * indent)
    strip[:, indent : indent + title_picture.shape[1]] = title_picture[:, : max(0, width - indent)]
    note_picture = _draw_text(note, FAINT_INK)
    if note and indent + title_picture.shape[1] + 12 + note_picture.shape[1] + indent <= width:
        strip[:, width - indent - note_picture.shape[1] : width - indent] = note_picture
    return strip


def side_by_side(images: Sequence[NDArray], titles: Sequence[str] = (), notes: Sequence[str] = ()) -> NDArray[np.uint8]:
    """Put pictures in a row, scaled to the height of the tallest, each under its title."""
    if not images:
        raise ValueError("no pictures to put side by side")
    height = max(np.asarray(image).shape[0] for image in images)
    row = [_to_height(to_bgr(image), height) for image in images]
    if titles:
        _check_titles(titles, len(row), "pictures")
        notes = notes or [""] * len(row)
        row = [draw_caption(*panel) for panel in zip(row, titles, notes, strict=True)]
    return join_row(row)


def stack(images: Sequence[NDArray], padding: int = GAP_PX) -> NDArray[np.uint8]:
    """Put pictures below each other, left-aligned on white."""
    if not images:
        raise ValueError("no pictures to put below each other")
    pictures = [to_bgr(image) for image in images]
    width = max(picture.shape[1] for picture in pictures)
    padded = [_pad(picture, right=width - picture.shape[1], bottom=padding) for picture in pictures]
    return np.vstack(padded)[: -padding or None]


def contact_sheet(
    rows: Sequence[Sequence[NDArray]], row_titles: Sequence[str] = (), padding: int = 6
) -> NDArray[np.uint8]:
    """Put rows of pictures on white, at their own sizes, in columns, each row with its title on the left."""
    if not rows or not any(len(row) for row in rows):
        raise ValueError("no pictures for the contact sheet")
    if row_titles:
        _check_titles(row_titles, len(rows), "rows")
    pictures = [[to_bgr(image) for image in row] for row in rows]
    columns = max(len(row) for row in pictures)
    widths = [max(row[c].shape[1] for row in pictures if c < len(row)) for c in range(columns)]
    texts = [_draw_text(title, INK) for title in row_titles] if row_titles else [_draw_text("", INK)] * len(rows)
    margin = max(text.shape[1] for text in texts) + 2 * padding if row_titles else 0
    lines = []
    for text, row in zip(texts, pictures, strict=True):
        height = max([_STRIP_PX, *(picture.shape[0] for picture in row)])
        cells = [_pad(text, right=margin - text.shape[1] - padding, left=padding)] if row_titles else []
        cells += [_pad(picture, right=width - picture.shape[1]) for picture, width in zip(row, widths, strict=False)]
        lines.append(join_row([pad_height(cell, height) for cell in cells], padding))
    return _pad(stack(lines, padding), padding, padding, padding, padding)


def _check_titles(titles: Sequence[str], count: int, what: str) -> None:
    if len(titles) != count:
        raise ValueError(f"{len(titles)} titles for {count} {what}; pass one each, or none")


def _draw_text(text: str, colour: Colour, max_width: int | None = None) -> NDArray[np.uint8]:
    """Draw text on a white strip of its own width; OpenCV's fonts are ASCII, so other letters lose their accents."""
    text = unicodedata.normalize("NFKD", text.translate(_PLAIN)).encode("ascii", "ignore").decode()
    while True:
        size = _TEXT_PX * _SUPERSAMPLING / 21.0  # capitals of the font are 21 units high
        width = math.ceil(cv2.getTextSize(text, _FONT, size, 1)[0][0] / _SUPERSAMPLING) + 2
        if max_width is None or width <= max(max_width, 0) or not text:
            break
        text = text[:-4] + "..." if len(text) > 4 else ""
    large = np.full((_STRIP_PX * _SUPERSAMPLING, width * _SUPERSAMPLING, 3), PAPER, np.uint8)
    baseline = ((_STRIP_PX + _TEXT_PX) // 2) * _SUPERSAMPLING
    cv2.putText(large, text, (_SUPERSAMPLING, baseline), _FONT, size, colour, 6, cv2.LINE_AA)
    return cv2.resize(large, (width, _STRIP_PX), interpolation=cv2.INTER_AREA).astype(np.uint8)


def _pad(image: NDArray, top: int = 0, bottom: int = 0, left: int = 0, right: int = 0) -> NDArray[np.uint8]:
    return np.pad(image, ((top, bottom), (left, right), (0, 0)), constant_values=PAPER)


def pad_height(image: NDArray, height: int) -> NDArray[np.uint8]:
    """Put white above and below a picture; the odd pixel goes below."""
    above = (height - image.shape[0]) // 2
    return _pad(image, top=above, bottom=height - image.shape[0] - above)


def _to_height(image: NDArray, height: int) -> NDArray:
    return image if image.shape[0] == height else pad_height(resize(image, height / image.shape[0])[:height], height)


def join_row(images: Sequence[NDArray], gap: int = GAP_PX) -> NDArray[np.uint8]:
    """Put pictures of one height in a row with white between them."""
    spaced = [_pad(image, right=gap) for image in images[:-1]]
    return np.hstack([*spaced, images[-1]])
