"""Whole figures, composed of captioned pictures: detections, adaptation, stages, matches, curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from superpoint_tf.detection.keypoints import scale_keypoints
from superpoint_tf.drawing.layout import Colour, draw_strip, panel_scale, resize, side_by_side, stack, to_bgr
from superpoint_tf.drawing.visualization import PINK, SKY, YELLOW, draw_heatmap, draw_keypoints, draw_matches

FOUND_WITHIN_PX = 3.0  # a true corner counts as found in a caption
CURVE_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#333333")  # Okabe and Ito
CURVE_STYLES = ("-", "--", "-.", ":")  # the second seven curves are dashed, and so on


def figure_detections(
    image: NDArray,
    keypoints: NDArray,
    truth: NDArray | None = None,
    scores: NDArray | None = None,
    title: str = "detections",
    width_px: int = 480,
) -> NDArray[np.uint8]:
    """Draw detections (N, 2) as dots and true corners (M, 2), if known, as rings; the caption counts those found."""
    image_shape = np.shape(image)
    canvas = resize(to_bgr(image), panel_scale(image_shape, width_px))
    note = f"{_count(keypoints)} keypoints"
    if truth is not None:
        canvas_truth = scale_keypoints(truth, image_shape, canvas.shape)
        canvas = draw_keypoints(canvas, canvas_truth, colour=PINK, ring=True)
        note = f"found {_count_found(keypoints, truth)} of {_count(truth)} corners"
    canvas = draw_keypoints(canvas, scale_keypoints(keypoints, image_shape, canvas.shape), scores)
    return side_by_side([canvas], [title], [note])


def figure_adaptation(
    image: NDArray,
    single_image_keypoints: NDArray,
    heatmap: NDArray,
    labels: NDArray,
    classical_keypoints: NDArray,
    width_px: int = 480,
) -> NDArray[np.uint8]:
    """Put a round of adaptation on one photograph side by side.

    The panels: what the detector finds in the photograph alone, the heatmap (H, W) aggregated over homographies, the
    labels taken from it, and Harris corners. Stack the figures of several photographs with `visualization.stack`.
    """
    scale = panel_scale(np.shape(image), width_px)
    pictures = [
        draw_keypoints(image, single_image_keypoints, scale=scale),
        draw_heatmap(heatmap, image, scale),
        draw_keypoints(image, labels, scale=scale),
        draw_keypoints(image, classical_keypoints, colour=SKY, scale=scale),
    ]
    notes = [f"{_count(k)} keypoints" for k in (single_image_keypoints, labels, classical_keypoints)]
    titles = ["one image", "aggregated heatmap", "labels", "Harris"]
    return side_by_side(pictures, titles, [notes[0], "", notes[1], notes[2]])


def figure_stages(
    image: NDArray,
    panels: Sequence[tuple[str, NDArray | None]],
    columns: int = 3,
    width_px: int = 480,
    classical: Sequence[str] = ("Harris", "FAST", "Shi-Tomasi", "SIFT", "RootSIFT", "ORB", "AKAZE"),
) -> NDArray[np.uint8]:
    """Draw one picture once for each (title, keypoints), in a grid; None draws the picture alone.

    Panels whose title is in `classical` have the colour of classical detectors.
    """
    scale = panel_scale(np.shape(image), width_px)
    cells = []
    for title, keypoints in panels:
        colour: Colour = SKY if title in classical else YELLOW
        picture = draw_keypoints(image, np.zeros((0, 2)) if keypoints is None else keypoints, None, colour, scale)
        cells.append((picture, title, "" if keypoints is None else f"{_count(keypoints)} keypoints"))
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    return stack([side_by_side(*zip(*row, strict=True)) for row in rows])


def figure_matches(
    title: str,
    image0: NDArray,
    image1: NDArray,
    keypoints0: NDArray,
    keypoints1: NDArray,
    matches: NDArray,
    correct: NDArray | None = None,
    max_lines: int = 150,
    width_px: int = 480,
    verdict: str = "right",
) -> NDArray[np.uint8]:
    """Draw matches (M, 2) under a title that counts them; of more than `max_lines` an even selection is drawn.

    `verdict` is the word for those that `correct` names.
    """
    matches = np.asarray(matches).reshape(-1, 2)
    note = f"{len(matches)} matches"
    if correct is not None:
        note += f", {int(np.sum(correct))} {verdict}"
    drawn = np.arange(len(matches))
    if len(matches) > max_lines:
        drawn = np.linspace(0, len(matches) - 1, max_lines).astype(int)
        note += f" ({max_lines} drawn)"
    judged = None if correct is None else np.asarray(correct, bool)[drawn]
    scale = panel_scale(np.shape(image0), width_px)
    picture = draw_matches(image0, image1, keypoints0, keypoints1, matches[drawn], judged, scale)
    return np.vstack([draw_strip(picture.shape[1], title, note), picture])


def plot_curves(
    series: Mapping[str, tuple[Sequence[float] | NDArray, Sequence[float] | NDArray]],
    title: str,
    xlabel: str,
    ylabel: str,
    image_shape: tuple[int, int] = (420, 640),
) -> NDArray[np.uint8]:
    """Plot named curves (x, y) on white; short ones get markers, NaN makes a gap. Needs matplotlib."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # a second's import that only curves need
    from matplotlib.figure import Figure

    height, width = image_shape
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for number, (name, (x, y)) in enumerate(series.items()):
        colour = CURVE_COLOURS[number % len(CURVE_COLOURS)]
        style = CURVE_STYLES[number // len(CURVE_COLOURS) % len(CURVE_STYLES)]
        marker = "o" if len(x) <= 20 else None
        axes.plot(x, y, style, color=colour, label=name, linewidth=1.8, marker=marker, markersize=4)
    axes.set_title(title, loc="left", fontsize=11)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e4e4e4", linewidth=0.8)
    axes.set_axisbelow(True)
    if series:
        axes.legend(frameon=False, fontsize=9)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[:, :, 2::-1])


def _finite(keypoints: NDArray) -> NDArray:
    keypoints = np.asarray(keypoints).reshape(-1, 2)
    return keypoints[np.isfinite(keypoints).all(axis=1)]


def _count(keypoints: NDArray) -> int:
    return len(_finite(keypoints))


def _count_found(keypoints: NDArray, truth: NDArray) -> int:
    """Count the true corners that have a detection within 3 px."""
    keypoints, truth = _finite(keypoints), _finite(truth)
    if not len(keypoints) or not len(truth):
        return 0
    distances = np.linalg.norm(truth[:, None] - keypoints[None], axis=-1)
    return int((distances.min(axis=1) <= FOUND_WITHIN_PX).sum())
