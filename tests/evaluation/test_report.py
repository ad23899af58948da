"""The report is one valid page that needs nothing from outside, and its tables say what the rows say."""

import html.parser
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from superpoint_tf.evaluation.measures import MEASURES
from superpoint_tf.evaluation.pair_averages import PairResult
from superpoint_tf.evaluation.pair_protocol import PairProtocol
from superpoint_tf.evaluation.protocols.pair_results import MeasuredPairs
from superpoint_tf.evaluation.protocols.shape_results import MeasuredShapes
from superpoint_tf.evaluation.report.report import html_report
from superpoint_tf.evaluation.report.report_html import as_text
from superpoint_tf.evaluation.report.report_tables import best_of, methods_table
from superpoint_tf.evaluation.results import Example, Figure
from superpoint_tf.evaluation.shape_measures import SHAPE_MEASURES

ODD = "<b>"  # a name that would be a tag
METHODS = {
    "FAST": {"kind": "baselines"},
    ODD: {"kind": "weights", "from": "a & b"},
    "grid (control)": {"kind": "controls"},
}
SETTINGS = {"24x32": PairProtocol((24, 32), 30, 4), "48x64": PairProtocol((48, 64), 100, 8)}
EXAMPLES = [Example("v_wall, 5 < 6 matches", np.full((8, 12, 3), 90, np.uint8))]
FIGURES = [Figure("repeatability", np.full((20, 30, 3), 255, np.uint8), "a caption")]
VOID = ("img", "meta")


def evaluation(groups=("i", "v"), **changes):
    repeatability = {"FAST": 0.25, ODD: 0.5, "grid (control)": 0.875}
    results = []
    for group in groups:
        for method, value in repeatability.items():
            values = {"keypoints": 25.0, "repeatability": value, "localization_px": math.nan}
            if method == ODD:
                values |= {"matching_score": 0.125, "nn_map": 0.375, "mma_3": 0.75, "matches": 9.0}
                values["corner_error_px"] = math.inf
            results.append(PairResult(method, f"{group}_wall/1-2", group, values, f"{group}_wall"))
    facts = {
        "data": "data/<hpatches>",
        "date": "2026-01-02",
        "command": "python tools/evaluate.py",
        "nothing": math.nan,
    }
    fields = {"facts": facts, "methods": METHODS, "settings": SETTINGS, "results": dict.fromkeys(SETTINGS, results)}
    return MeasuredPairs("hpatches", **(fields | changes))


def report(measured, examples, figures):
    return html_report(replace(measured.evaluation(), examples=examples, figures=figures))


class Page(html.parser.HTMLParser):
    """The texts and attributes of a page, with its tags checked for balance."""

    def __init__(self, page):
        super().__init__()
        self.open, self.texts, self.attributes, self.tags = [], [], [], []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.texts.append(data.strip())


@pytest.fixture(scope="module")
def page():
    return report(evaluation(), EXAMPLES, FIGURES)


@pytest.fixture(scope="module")
def shapes_page():
    precision = {
        "FAST": {"star": 0.5, "all": 0.25, "noise": math.nan},
        ODD: {"star": 0.75, "all": 0.5, "noise": math.nan},
    }
    shapes = MeasuredShapes({}, SETTINGS["24x32"], METHODS, {name: {"clean": precision} for name in SHAPE_MEASURES})
    return report(shapes, EXAMPLES, FIGURES)


def rows_of(page, method):
    return re.findall(rf'<tr[^>]*><th scope="row">{re.escape(method)}</th>(.*?)</tr>', page)


def test_every_tag_is_closed(page, shapes_page):
    for text in (page, shapes_page):
        assert Page(text).open == []


def test_every_method_group_setting_and_example_is_on_the_page(page):
    texts = Page(page).texts
    for method in METHODS:
        assert texts.count(method) >= 4  # a table for each group and setting
    assert any(text.startswith("v: ") for text in texts) and any(text.startswith("i: ") for text in texts)
    assert {"Setting 24x32", "Setting 48x64", "v_wall, 5 < 6 matches", "python tools/evaluate.py"} <= set(texts)
    assert "Protocol hpatches on data/<hpatches>: 2 pairs of 2 sequences, 3 methods." in texts


def test_the_standard_illumination_pairs_come_last_with_a_warning(page):
    assert page.index("<h4>v: ") < page.index("<h4>i: ") < page.index("Judge on v and i shifted")
    assert "Judge on" not in report(evaluation(groups=("v",)), [], FIGURES)


def test_nothing_comes_from_outside_and_nothing_runs(page, shapes_page):
    for text in (page, shapes_page):
        parsed = Page(text)
        assert not {"script", "link", "iframe"} & set(parsed.tags)
        links = [value for name, value in parsed.attributes if name in ("src", "href")]
        assert links and all(value.startswith(("data:image/", "#")) for value in links)
        assert "url(" not in text and "@import" not in text


def test_every_link_has_its_target(page):
    attributes = Page(page).attributes
    targets = {value for name, value in attributes if name == "id"}
    assert {value[1:] for name, value in attributes if name == "href"} == targets


def test_the_best_value_is_bold_and_never_a_controls(page):
    assert all("<td><strong>0.500</strong></td>" in row for row in rows_of(page, "&lt;b&gt;"))
    assert all("<strong>" not in row for row in rows_of(page, "FAST"))
    assert all("0.875" in row and "<strong>" not in row for row in rows_of(page, "grid (control)"))


def test_less_is_better_for_the_localization_error():
    values = {"a": 1.0, "b": 2.0, "c (control)": 0.5}
    rows = [{"method": method, "localization_px": value} for method, value in values.items()]
    table = methods_table(rows, {"localization_px": MEASURES["localization_px"]})
    assert re.findall("<strong>(.*?)</strong>", table) == ["1.00"]


def test_values_that_print_alike_are_equally_good_and_a_single_one_is_not_the_best():
    assert best_of([0.50001, 0.5, 0.4, None], [True] * 4, digits=3) == [True, True, False, False]
    assert best_of([0.5, math.nan, 0.9], [True, True, False], digits=3) == [False, False, False]


def test_a_method_without_descriptors_has_dashes(page):
    for row in rows_of(page, "FAST"):
        cells = re.findall(r"<td[^>]*>(.*?)</td>", row)
        assert cells[0] == "0.250" and cells[2:11] == ["–"] * 9 and cells[12] == "–"  # noqa: RUF001


def test_a_method_that_fails_on_every_pair_has_zeros_and_not_dashes(page):
    assert all("<td>0.000</td>" in row for row in rows_of(page, "&lt;b&gt;"))


def test_text_is_escaped(page):
    assert "<b>" not in page and "&lt;b&gt;" in page
    assert "a &amp; b" in page and "data/&lt;hpatches&gt;" in page


def test_what_is_not_finite_is_never_written(page, shapes_page):
    for text in (page, shapes_page):
        words = {word.lower() for part in Page(text).texts for word in re.findall(r"\w+", part)}
        assert not {"nan", "inf"} & words


def test_sequences_have_a_row_each_unless_they_are_too_many(page, monkeypatch):
    assert len(rows_of(page, "v_wall")) == 2 * 4  # settings and measures
    monkeypatch.setattr("superpoint_tf.evaluation.report.report.MOST_SEQUENCES", 1)
    short = report(evaluation(), [], FIGURES)
    assert not rows_of(short, "v_wall") and "2 sequences are too many" in short


def test_equal_input_gives_equal_bytes(page):
    assert report(evaluation(), EXAMPLES, FIGURES) == page


def test_the_report_shows_the_figures_that_were_drawn():
    measured = evaluation(groups=("v",))
    assert report(measured, [], measured.figures()).count("data:image/png") > 0


def test_pages_without_examples_have_no_empty_sections():
    page = report(evaluation(), [], FIGURES)
    assert "<h2>Examples</h2>" not in page and 'href="#examples"' not in page


def test_shapes_show_all_first_and_no_column_without_values(shapes_page):
    header = re.findall(r'<th scope="col">(.*?)</th>', shapes_page)
    assert header == ["method", "all", "star"] * 2
    assert "<strong>0.750</strong>" in shapes_page and "<strong>0.25</strong>" in shapes_page


def test_nested_facts_are_one_line():
    assert as_text({"a": [1, 2.5], "b": {"c": math.inf}, "d": True}) == "a 1, 2.5, b (c –), d True"  # noqa: RUF001
