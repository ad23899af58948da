"""The console table lines up and shows what is missing."""

from superpoint_tf.evaluation.report.console_table import format_table

ROWS = [
    {"group": "v", "method": "SIFT", "pairs": 15, "repeatability": 0.4564, "localization_px": 1.319, "h_3": 11 / 15},
    {"group": "v", "method": "FAST", "pairs": 15, "repeatability": 0.0, "localization_px": float("nan")},
]
COLUMNS = ("method", "repeatability", "localization_px", "h_3")


def test_numbers_are_right_aligned_and_what_is_missing_is_a_dash():
    assert format_table(ROWS, COLUMNS).splitlines() == [
        "method  repeat.  loc px    H@3",
        "------------------------------",
        "SIFT      0.456    1.32  0.733",
        "FAST      0.000       -      -",
    ]


def test_several_groups_get_headings():
    lines = format_table([ROWS[0], {**ROWS[1], "group": "i", "pairs": 26}], COLUMNS).splitlines()
    assert lines[2] == "[v: 15 pairs]" and lines[4] == "[i: 26 pairs]"
