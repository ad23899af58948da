"""The protocol `patches` agrees with an independent implementation on patches cut from real images."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import SHARED_DATA

from superpoint_tf.config import Config
from superpoint_tf.evaluation.evaluate import Request
from superpoint_tf.evaluation.methods.patch_methods import load_patch_methods
from superpoint_tf.evaluation.protocols.patch_run import measure_patches
from superpoint_tf.evaluation.results import Row
from superpoint_tf.runtime.progress import Console

needs_patches = pytest.mark.skipif(
    not (SHARED_DATA / "cut_patches.py").is_file() or not (SHARED_DATA / "hpatches_dev").is_dir(),
    reason=f"{SHARED_DATA} has not cut_patches.py and hpatches_dev, which a public checkout does not have",
)
GROUPS = ("v easy", "v hard", "i easy", "i hard")
# An independent implementation, OpenCV 4.11: FPR95 in percent, matching mAP, retrieval mAP in each group. Matching
# draws nothing and agrees. How negatives and distractors are drawn there is not known: FPR95 is up to 4.7 off, and our
# retrieval mAP is lower in every cell, by up to .045. The limits below hold what was measured, they explain nothing.
REFERENCE = {
    "pixels": "15.0/.770/.847 45.0/.358/.475 23.4/.522/.549 51.0/.184/.240",
    "SIFT": "4.0/.864/.916 37.8/.590/.665 44.8/.582/.586 62.9/.343/.388",
    "RootSIFT": "6.9/.875/.919 40.2/.621/.676 61.6/.593/.581 73.8/.371/.386",
}
# Matching mAP on v_graf alone, easy and hard; nothing is drawn for it
ONE_SEQUENCE = {"pixels": [0.770, 0.350], "SIFT": [0.878, 0.605], "RootSIFT": [0.894, 0.650]}
OTHER_DRAWS = {("pixels", "v hard"): 2.0, ("SIFT", "v hard"): 2.8, ("RootSIFT", "v hard"): 4.7}  # measured; 1.5 else


def measured(sequences: Path, folder: Path, methods: list[str]) -> dict[tuple[str, str], Row]:
    """Cut the patches of sequences and return the rows of methods on them."""
    script = str(SHARED_DATA / "cut_patches.py")
    subprocess.run([sys.executable, script, str(sequences), str(folder / "patches")], check=True, capture_output=True)
    loaded, data = load_patch_methods(methods), str(folder / "patches")
    request = Request(Config(), loaded, str(folder / "out"), {}, Console(), data)
    return {(str(row["method"]), str(row["group"])): row for row in measure_patches(request, loaded).rows()}


@needs_patches
def test_matching_on_one_sequence_is_what_was_measured(tmp_path: Path):
    (tmp_path / "sequences").mkdir()
    (tmp_path / "sequences" / "v_graf").symlink_to(SHARED_DATA / "hpatches_dev" / "v_graf")
    rows = measured(tmp_path / "sequences", tmp_path, ["pixels", "SIFT", "RootSIFT"])
    found = {method: [rows[method, group]["matching_map"] for group in GROUPS[:2]] for method in REFERENCE}
    assert found == {name: pytest.approx(values, abs=0.002) for name, values in ONE_SEQUENCE.items()}


@pytest.mark.slow
@needs_patches
def test_the_classical_rows_are_those_of_the_reference_table(tmp_path: Path):
    rows = measured(SHARED_DATA / "hpatches_dev", tmp_path, list(REFERENCE))
    for method, text in REFERENCE.items():
        for group, cell in zip(GROUPS, text.split(), strict=True):
            false_positives, matching, retrieval = map(float, cell.split("/"))
            row, where = rows[method, group], f"{method}, {group}"
            assert row["matching_map"] == pytest.approx(matching, abs=0.001), where
            assert row["fpr95"] == pytest.approx(false_positives, abs=0.1 + OTHER_DRAWS.get((method, group), 1.4)), (
                where
            )
            assert row["retrieval_map"] == pytest.approx(retrieval, abs=0.05), where
