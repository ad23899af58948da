"""What patches are asked for: made tasks by their definitions, the benchmark's by its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from patch_folders import write_strips

from superpoint_tf.data.patch_sets.hpatches_strips import find_strips
from superpoint_tf.evaluation.sets.official_patch_tasks import groups_of
from superpoint_tf.evaluation.sets.patch_tasks import PatchGroup, StripTable, make_groups

COUNT = 7


@pytest.fixture
def table(tmp_path: Path) -> StripTable:
    return StripTable.of(find_strips(write_strips(tmp_path, ("v_one", "v_two", "i_three"), COUNT)))


def place(table: StripTable, row: int) -> tuple[str, str, int]:
    """Return the sequence, the strip and the point of a row."""
    return next((*names, row - first) for names, first in table.first.items() if 0 <= row - first < COUNT)


def named(table: StripTable) -> dict[str, PatchGroup]:
    return {group.name: group for group in make_groups(table)}


def test_groups_are_kinds_of_sequences_by_noise_viewpoint_first(table: StripTable):
    groups = named(table)
    assert list(groups) == ["v easy", "v hard", "i easy", "i hard"]  # the set has no tough ones
    assert [(s.name, strip) for s, strip in groups["v hard"].strips] == [
        ("v_one", "h1"), ("v_one", "h2"), ("v_two", "h1"), ("v_two", "h2")
    ]  # fmt: skip


def test_pairs_are_of_one_point_of_two_points_and_of_two_sequences(table: StripTable):
    pairs = named(table)["v easy"].verification
    assert len(pairs.positive) == len(pairs.negative["intra"]) == len(pairs.negative["inter"]) == 4 * COUNT
    for kind, rows in {"positive": pairs.positive, **pairs.negative}.items():
        for first, second in rows:
            (name0, strip0, point0), (name1, strip1, point1) = place(table, first), place(table, second)
            assert strip0 == "ref" and strip1 in ("e1", "e2")
            assert (name0 == name1) == (kind != "inter")
            assert kind == "inter" or (point0 == point1) == (kind == "positive")
    others = {place(table, row)[0] for row in pairs.negative["inter"][:, 1]}
    assert others == {"v_one", "v_two", "i_three"}  # of either kind


def test_queries_are_every_third_point_among_patches_of_other_sequences(table: StripTable):
    tasks = named(table)["v hard"].retrieval
    assert [task.sequence for task in tasks] == ["v_one", "v_two"]
    task = tasks[0]
    assert [place(table, row) for row in task.queries] == [("v_one", "ref", point) for point in (0, 3, 6)]
    assert [place(table, row) for row in task.positive[1]] == [("v_one", "h1", 3), ("v_one", "h2", 3)]
    found = [place(table, row) for row in task.distractors]
    assert len(set(found)) == 4 * COUNT  # all there are, each once
    assert {name for name, _, _ in found} == {"v_two", "i_three"} and {strip[0] for _, strip, _ in found} == {"h"}


def test_tasks_are_the_same_every_time(table: StripTable):
    for first, second in zip(make_groups(table), make_groups(table), strict=True):
        np.testing.assert_array_equal(first.verification.negative["inter"], second.verification.negative["inter"])
        np.testing.assert_array_equal(first.retrieval[0].distractors, second.retrieval[0].distractors)


def write_tasks(folder: Path, split: str = "a", **changes: str) -> None:
    texts = {
        "verif_pos": "s1,t1,idx1,s2,t2,idx2\nv_one,1,3,v_one,2,3\nv_two,0,4,v_two,2,4\n",
        "verif_neg_intra": "s1,t1,idx1,s2,t2,idx2\nv_one,1,3,v_one,2,5\n",
        "verif_neg_inter": "s1,t1,idx1,s2,t2,idx2\nv_one,1,3,v_two,0,6\n",
        "retr_queries": "s,idx\nv_two,5\n",
        "retr_distractors": "s,idx\nv_one,2\nv_two,1\nv_one,0\n",
    } | changes
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / f"{name}_split-{split}.csv").write_text(text)


def test_the_benchmarks_files_take_the_place_of_made_tasks(table: StripTable, tmp_path: Path):
    write_tasks(tmp_path / "tasks")
    chosen, groups, note = groups_of(table, tmp_path)
    assert note.endswith("split a") and [s.name for s in chosen.sequences] == ["v_one", "v_two"]  # those of its pairs
    assert [group.name for group in groups] == ["easy", "hard"]
    hard = groups[1]
    pairs = [[place(chosen, row) for row in rows] for rows in hard.verification.positive]
    assert pairs == [[("v_one", "h1", 3), ("v_one", "h2", 3)], [("v_two", "ref", 4), ("v_two", "h2", 4)]]
    assert place(chosen, hard.verification.negative["intra"][0, 1]) == ("v_one", "h2", 5)
    assert place(chosen, hard.verification.negative["inter"][0, 1]) == ("v_two", "ref", 6)
    (task,) = hard.retrieval
    assert [place(chosen, row) for row in task.positive[0]] == [("v_two", "h1", 5), ("v_two", "h2", 5)]
    assert [place(chosen, row) for row in task.distractors] == [("v_one", "ref", 2), ("v_one", "ref", 0)]


def test_the_full_split_is_taken_of_several(table: StripTable, tmp_path: Path):
    write_tasks(tmp_path / "tasks")
    write_tasks(tmp_path / "tasks", "full")
    assert groups_of(table, tmp_path)[2].endswith("split full")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"verif_neg_inter": "a,b\n"}, "verif_neg_inter_split-a.csv, line 1: expected s1,t1,idx1,s2,t2,idx2"),
        ({"verif_pos": "s1,t1,idx1,s2,t2,idx2\nv_one,1,3,v_one,2,7\n"}, r"verif_pos_split-a.csv, line 2: v_one,2,7 is"),
        ({"retr_distractors": "s,idx\nv_nine,2\n"}, r"retr_distractors_split-a.csv, line 2: .*no such sequence"),
        ({"retr_queries": "s,idx\nv_one,1\nv_one,x\n"}, r"retr_queries_split-a.csv, line 3: v_one,0,x is not"),
        ({"verif_pos": "s1,t1,idx1,s2,t2,idx2\nv_nine,1,3,v_nine,2,3\n"}, "verif_pos_split-a.csv: names none of the"),
        ({"retr_queries": "s,idx\nv_two\n"}, r"retr_queries_split-a.csv, line 2: 1 columns; expected s,idx"),
    ],
)
def test_a_task_that_does_not_fit_is_named(table: StripTable, tmp_path: Path, changes: dict[str, str], words: str):
    write_tasks(tmp_path, **changes)
    with pytest.raises(ValueError, match=words):
        groups_of(table, tmp_path)
