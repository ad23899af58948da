"""Small multiples of an evaluation: panels of curves or dots on common axes, one legend, one look a method."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from superpoint_tf.drawing.figures import CURVE_COLOURS, CURVE_STYLES

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Curves = dict[str, tuple[np.ndarray, np.ndarray]]
"""(x, y) of each method, by its name."""

PIXEL_RATIO = 2  # pixels of a picture for one of the page, so that text stays sharp
COLOURS = (*CURVE_COLOURS, "#882255", "#999933")  # the last two from Tol's muted scheme
CONTROL_SUFFIX = "(control)"
CONTROL_COLOUR = "#8a8a8a"
CONTROL_DASHES = ((0, (5, 2)), (0, (1, 1.6)), (0, (6, 2, 1, 2)))
CONTROL_MARKERS = "x+1234|_"
MARKERS = "os^DvPX<>hp*d8"
EDGELESS_MARKERS = CONTROL_MARKERS + "PX"  # thin ones, of which a white edge would leave little
PANEL_WIDTHS_PX = {1: 660, 2: 540}  # by the number of columns; of more, ...
NARROW_PANEL_PX = 385  # ... so that three fill a page
PANEL_HEIGHT_PX = 300
LONGEST_LABEL = 30  # letters


@dataclass(frozen=True)
class Look:
    """How a method is drawn in every figure of a report."""

    colour: str
    dash: Any  # of matplotlib's linestyle
    marker: str
    width: float
    order: int  # in the legend; also shifts the markers, so that equal curves both show


@dataclass(frozen=True)
class Panel:
    """One plot of a figure."""

    title: str
    curves: Curves


def is_control(method: str) -> bool:
    """Tell whether a row is a blind control, by its name."""
    return method.endswith(CONTROL_SUFFIX)


def looks_of(methods: Mapping[str, Mapping[str, Any]]) -> dict[str, Look]:
    """Give each method its look; classical ones are thin, controls grey. Returns them in the order of the legend.

    `methods` holds identities, of which `kind` is read. The first colours, which differ most, go to what is not
    classical; the legend keeps the order of `methods`, controls last.
    """
    controls = [name for name in methods if is_control(name)]
    others = [name for name in methods if not is_control(name)]
    classical = {name for name in others if methods[name].get("kind") == "baselines"}
    by_colour = sorted(others, key=classical.__contains__)
    looks = {}
    for order, name in enumerate(others):
        number = by_colour.index(name)
        colour, dash = COLOURS[number % len(COLOURS)], CURVE_STYLES[number // len(COLOURS) % len(CURVE_STYLES)]
        looks[name] = Look(colour, dash, MARKERS[number % len(MARKERS)], 1.4 if name in classical else 2.4, order)
    for number, name in enumerate(controls):
        control_dash = CONTROL_DASHES[number % len(CONTROL_DASHES)]
        marker = CONTROL_MARKERS[number % len(CONTROL_MARKERS)]
        looks[name] = Look(CONTROL_COLOUR, control_dash, marker, 1.2, len(others) + number)
    return looks


def plot_panels(
    rows: Sequence[Sequence[Panel]], looks: Mapping[str, Look], xlabel: str, ylabel: str, share_x: bool = True
) -> NDArray[np.uint8]:
    """Plot panels in a grid with one legend above: both axes from 0, y the same everywhere, x along a row if shared.

    `looks` has every name of the curves. Returns uint8 BGR with PIXEL_RATIO pixels for one of the page.
    """
    columns = max(map(len, rows))
    figure = _new_figure(columns * _panel_width(columns) + 40, len(rows) * PANEL_HEIGHT_PX + 90)
    grid = figure.subplots(len(rows), columns, squeeze=False, sharex="row" if share_x else False, sharey=True)
    for row, line in zip(rows, grid, strict=True):
        line[0].set_ylabel(ylabel)
        for panel, axes in zip(row, line, strict=True):
            _plot_panel(axes, panel, looks)
    for axes in grid.flat:  # once all is drawn: fixing one end of an axis stops it from growing
        axes.set_xlim(left=0)
    for axes in grid[-1]:
        axes.set_xlabel(xlabel)
    top = _round_up(max(_highest(panel.curves) for row in rows for panel in row))
    grid[0, 0].set_ylim(-0.02 * top, 1.02 * top)  # a curve at 0 stays clear of the axis
    names = {name for row in rows for panel in row for name in panel.curves}
    _add_legend(figure, {name: looks[name] for name in looks if name in names})
    return _to_picture(figure)


def plot_dots(
    panels: Mapping[str, Mapping[str, Mapping[str, float]]], looks: Mapping[str, Look], xlabel: str
) -> NDArray[np.uint8]:
    """Plot values between 0 and 1 as dots: panels by title, in each a band a category, in it a dot a method.

    `panels` holds values by title, method and category. Categories without any value are left out; NaN has no dot.
    Returns uint8 BGR with PIXEL_RATIO pixels for one of the page.
    """
    methods = [name for name in looks if any(name in values for values in panels.values())]
    categories = _categories_with_values(panels)
    band_px = max(28, 8 * len(methods) + 12)
    figure = _new_figure(len(panels) * 540 + 60, max(1, len(categories)) * band_px + 150)
    grid = figure.subplots(1, len(panels), squeeze=False, sharex=True, sharey=True)[0]
    for (title, values), axes in zip(panels.items(), grid, strict=True):
        _style(axes, title)
        _plot_bands(axes, {name: values.get(name, {}) for name in methods}, categories, looks)
        axes.set_xlabel(xlabel)
    grid[0].set(
        yticks=range(len(categories)), yticklabels=[name.replace("_", " ") for name in categories], xlim=(-0.02, 1.02)
    )
    grid[0].set_ylim(len(categories) - 0.5, -0.5)
    _add_legend(figure, {name: looks[name] for name in methods}, with_lines=False)
    return _to_picture(figure)


def _plot_panel(axes: Axes, panel: Panel, looks: Mapping[str, Look]) -> None:
    _style(axes, panel.title)
    for name, (x, y) in panel.curves.items():
        look = looks[name]
        step = 1 if len(x) < 10 else 2 if len(x) <= 20 else len(x) // 5
        every = (look.order * 7 % step, step)
        axes.plot(x, y, **_line_style(look), markevery=every, zorder=2.0 if is_control(name) else 3 + look.order / 100)


def _plot_bands(
    axes: Axes, values: Mapping[str, Mapping[str, float]], categories: Sequence[str], looks: Mapping[str, Look]
) -> None:
    for band in range(0, len(categories), 2):
        axes.axhspan(band - 0.5, band + 0.5, color="#f3f4f6", zorder=0)
    offsets = (np.arange(len(values)) + 0.5) / max(len(values), 1) - 0.5
    for offset, (name, by_category) in zip(offsets * 0.84, values.items(), strict=True):
        x = [by_category.get(category, math.nan) for category in categories]
        axes.plot(
            x,
            np.arange(len(categories)) + offset,
            **_line_style(looks[name]) | {"linestyle": "", "markersize": 6.5},
            zorder=3,
        )


def _line_style(look: Look) -> dict[str, Any]:
    edgeless = look.marker in EDGELESS_MARKERS
    return {
        "linestyle": look.dash,
        "color": look.colour,
        "linewidth": look.width,
        "marker": look.marker,
        "markersize": (5.2 if look.width < 2 else 6.5) + (0.8 if edgeless else 0),
        "markeredgewidth": 1.2 if look.marker in CONTROL_MARKERS else 0.0 if edgeless else 0.6,
        "markeredgecolor": look.colour if edgeless else "white",
    }


def _style(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=10, fontweight="bold", parse_math=False)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=9)


def _add_legend(figure: Figure, looks: Mapping[str, Look], with_lines: bool = True) -> None:
    from matplotlib.lines import Line2D

    if not looks:
        return
    labels = [_label(name) for name in looks]
    styles = [_line_style(look) | ({} if with_lines else {"linestyle": ""}) for look in looks.values()]
    width_px = figure.get_figwidth() * 100
    columns = max(1, int(width_px / (7.0 * max(map(len, labels)) + 70)))
    columns = math.ceil(len(labels) / math.ceil(len(labels) / columns))  # rows of equal length
    legend = figure.legend(
        [Line2D([], [], **style) for style in styles],
        labels,
        loc="outside upper left",
        ncols=columns,
        frameon=False,
        fontsize=9.5,
        handlelength=3.6 if with_lines else 1.5,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _label(name: str) -> str:
    """Shorten a name to its end, where paths differ; a leading underscore would keep it out of the legend."""
    name = name if len(name) <= LONGEST_LABEL else "…" + name[1 - LONGEST_LABEL :]
    return f" {name}" if name.startswith("_") else name


def _categories_with_values(panels: Mapping[str, Mapping[str, Mapping[str, float]]]) -> list[str]:
    by_method = [by_category for values in panels.values() for by_category in values.values()]
    found = (name for by_category in by_method for name, value in by_category.items() if math.isfinite(value))
    order = list(dict.fromkeys(name for by_category in by_method for name in by_category))
    return sorted(set(found), key=order.index)


def _highest(curves: Curves) -> float:
    values = np.concatenate([np.ravel(y) for _, y in curves.values()]) if curves else np.zeros(0)
    return float(np.max(values[np.isfinite(values)], initial=0.0))


def _round_up(highest: float) -> float:
    """Return the next tenth above a fraction, from 0.1 to 1."""
    return min(1.0, max(0.1, math.ceil(highest * 10 - 1e-9) / 10))


def _panel_width(columns: int) -> int:
    return PANEL_WIDTHS_PX.get(columns, NARROW_PANEL_PX)


def _new_figure(width_px: int, height_px: int) -> Figure:
    from matplotlib.figure import Figure  # a second's import that only figures need

    return Figure(figsize=(width_px / 100, height_px / 100), dpi=100 * PIXEL_RATIO, layout="constrained")


def _to_picture(figure: Figure) -> NDArray[np.uint8]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, 2::-1])
