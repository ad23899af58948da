"""All formats and precisions side by side: size, latency, difference from TensorFlow, repeatability."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from superpoint_tf.evaluation.report.markdown import ABSENT, markdown_table
from superpoint_tf.export.comparison import Difference
from superpoint_tf.export.exporter import TENSORFLOW, Exported, Exporter
from superpoint_tf.export.files import open_file
from superpoint_tf.export.latency import time_in_turns
from superpoint_tf.export.request import Request
from superpoint_tf.export.tflite import open_tflite
from superpoint_tf.runtime.progress import format_bytes

_HEADINGS = ("", "size", "ms", "keypoints elsewhere", "descriptors within", "repeat.", "match.sc.")
_WITHOUT_XNNPACK = "tflite float32, without XNNPACK"


def measure_table(exporter: Exporter, requests: Sequence[Request]) -> str:
    """Export everything into a temporary folder and return the table in Markdown.

    The latencies are taken at the end, in turns, on images of the requests' shape, 240x320 where that is any.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        exported = [
            exporter.export(request, Path(folder) / request.default_output("network").name, measured=True)
            for request in requests
        ]
        seconds = _time_all(exporter, exported)
        return "\n".join(markdown_table(_HEADINGS, _rows(exported, seconds)))


def _time_all(exporter: Exporter, exported: Sequence[Exported]) -> dict[str, float]:
    form = exported[0].request.form
    images = exporter.first_input(form)
    runs = {_name(one): open_file(one.request.format, one.path, exporter.threads) for one in exported}
    plain = next(one for one in exported if one.request.format == "tflite")
    runs[_WITHOUT_XNNPACK] = open_tflite(plain.path, exporter.threads, xnnpack=False)
    calls = {name: (lambda run=run: run(images)) for name, run in runs.items()}
    return time_in_turns({TENSORFLOW: exporter.tensorflow_call(form, images), **calls})


def _name(exported: Exported) -> str:
    return f"{exported.request.format} {exported.request.precision}"


def _rows(exported: Sequence[Exported], seconds: dict[str, float]) -> list[list[str]]:
    reference, empty = exported[0].rows[0], [ABSENT] * 2
    rows = [[TENSORFLOW, ABSENT, _ms(seconds[TENSORFLOW]), *empty, *_quality(reference)]]
    for one in exported:
        difference = one.difference
        assert isinstance(difference, Difference)  # the table is of networks for pictures
        elsewhere = f"{difference.alone} of {difference.keypoints}"
        cells = [format_bytes(one.size_bytes), _ms(seconds[_name(one)]), elsewhere, f"{difference.descriptor:.0e}"]
        rows.append([_name(one), *cells, *_quality(one.rows[1])])
    return [*rows, [_WITHOUT_XNNPACK, ABSENT, _ms(seconds[_WITHOUT_XNNPACK]), *empty, *empty]]


def _quality(row: dict[str, float | str]) -> list[str]:
    values = (row.get(name) for name in ("repeatability", "matching_score"))
    return [f"{value:.3f}" if isinstance(value, float) else ABSENT for value in values]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f}"
