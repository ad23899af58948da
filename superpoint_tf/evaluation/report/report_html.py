"""The parts that an HTML report is made of. Functions take text where they say `text`, and return HTML."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

import cv2
import numpy as np
from PIL import Image

from superpoint_tf.drawing.panels import PIXEL_RATIO
from superpoint_tf.evaluation.report.report_style import CSS

ABSENT = "–"  # noqa: RUF001
JPEG_QUALITY = 85
SMALLEST_PLOT_PX = 930  # three panels with text of ten pixels; a narrower page scrolls the plot
PLOT_COLOURS = 128  # a plot with a palette is a third of the size


def element(tag: str, *content: str, **attributes: str) -> str:
    """Return an element with HTML inside; attribute values are text, `class_` stands for class."""
    written = "".join(f' {name.rstrip("_")}="{html.escape(value)}"' for name, value in attributes.items() if value)
    return f"<{tag}{written}>{''.join(content)}</{tag}>"


def text_element(tag: str, text: str, **attributes: str) -> str:
    """Return an element with text inside."""
    return element(tag, html.escape(text), **attributes)


def page(title: str, *body: str) -> str:
    """Return a whole document that needs nothing from outside; `title` is text."""
    head = [
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        text_element("title", title),
        element("style", CSS),
    ]
    content = "\n".join(part for part in body if part)
    document = element("html", "\n", element("head", *head), "\n", element("body", content), "\n", lang="en")
    return f"<!DOCTYPE html>\n{document}\n"


def section(name: str, title: str, *content: str) -> str:
    """Return a section under a heading, with `name` as the target of links; nothing if it has no content."""
    parts = [part for part in content if part]
    return element("section", text_element("h2", title), "\n", "\n".join(parts), id=name) if parts else ""


def folded(title: str, *content: str) -> str:
    """Return content that unfolds under a line of text."""
    return element("details", text_element("summary", title), *content)


def scroller(content: str) -> str:
    """Return a box in which wide content scrolls sideways, reachable by keyboard."""
    return element("div", content, class_="scroll", tabindex="0")


def table(header: Sequence[str], rows: Sequence[str], class_: str = "") -> str:
    """Return a table in a scroller; `header` holds cells and `rows` whole rows, both HTML."""
    head = element("thead", element("tr", *header))
    return scroller(element("table", head, "\n", element("tbody", "\n".join(rows)), class_=class_))


def number_cell(value: float | None, digits: int, best: bool = False, class_: str = "") -> str:
    """Return a table cell: a dash for what is absent or not finite, the best value in bold."""
    if value is None or not math.isfinite(value):
        return element("td", ABSENT, class_=class_ or "absent")
    written = f"{value:.{digits}f}"
    return element("td", element("strong", written) if best else written, class_=class_)


def definitions(items: Mapping[str, Any]) -> str:
    """Return a definition list of names and values, both text or plain data."""
    lines = (text_element("dt", name) + text_element("dd", as_text(value)) for name, value in items.items())
    return element("dl", "\n".join(lines))


def as_text(value: Any) -> str:
    """Return plain data on one line: items with commas, inner mappings in brackets, what is not finite as a dash."""
    if isinstance(value, Mapping):
        items = (
            (key, f"({as_text(item)})" if isinstance(item, Mapping) else as_text(item)) for key, item in value.items()
        )
        return ", ".join(f"{key} {item}" for key, item in items)
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value))
    return ABSENT if value is None or (isinstance(value, float) and not math.isfinite(value)) else str(value)


def plot_figure(picture: np.ndarray, caption: str) -> str:
    """Return a plot, uint8 BGR at PIXEL_RATIO, as PNG under its caption (text); a narrow page scrolls it."""
    colours = Image.fromarray(np.ascontiguousarray(picture[:, :, ::-1])).quantize(
        PLOT_COLOURS, dither=Image.Dither.NONE
    )
    file = io.BytesIO()
    colours.save(file, "PNG", optimize=True)
    width = picture.shape[1] // PIXEL_RATIO
    height = picture.shape[0] * width // picture.shape[1]
    image = _image(file.getvalue(), "png", caption, (width, height), f"min-width: {min(width, SMALLEST_PLOT_PX)}px")
    return element("figure", text_element("figcaption", caption), scroller(image), class_="plot")


def photograph_figure(picture: np.ndarray, caption: str) -> str:
    """Return a picture, uint8 BGR, as JPEG under its caption (text)."""
    _, encoded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    image = _image(encoded.tobytes(), "jpeg", caption, (picture.shape[1], picture.shape[0]))
    return element("figure", text_element("figcaption", caption), image)


def _image(content: bytes, kind: str, caption: str, size: tuple[int, int], style: str = "") -> str:
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    styled = f' style="{style}"' if style else ""
    return f'<img src="{source}" alt="{html.escape(caption)}" width="{size[0]}" height="{size[1]}"{styled}>'
