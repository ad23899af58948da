"""However many photographs there are, planning and training hold a few of their names."""

from __future__ import annotations

import itertools
import json
import tracemalloc
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import pytest

from superpoint_tf.benchmarks.labels import make_photographs, plan
from superpoint_tf.config import PhotographsSection
from superpoint_tf.data import sources
from superpoint_tf.data.labels import photograph_chunks
from superpoint_tf.data.labels.label_sets import LabelChunks
from superpoint_tf.data.labels.labels import MOST_LEFT_OUT, count_labels
from superpoint_tf.data.labels.photograph_chunks import PhotographChunks, chunk_size, list_sha256
from superpoint_tf.data.permutations import NUM_ROUNDS, permuted
from superpoint_tf.data.photographs import held_out, photograph_sets
from superpoint_tf.data.photographs.held_out import hold_out
from superpoint_tf.data.photographs.photograph_sets import find_photographs, list_photographs, stream_photographs
from superpoint_tf.data.sources import index_of_sample
from superpoint_tf.runtime import storage

MANY = 50_000
FEW_BYTES = 2**20  # a list of so many names has more than 3 MB, one of names and hashes 10


class MadeUp(Collection[str]):
    """Many photographs that are nowhere."""

    def __len__(self) -> int:
        return MANY

    def __iter__(self) -> Iterator[str]:
        return (f"{number // 1000:03d}/{number:06d}.jpg" for number in range(MANY))

    def __contains__(self, name: object) -> bool:
        return False


def peak_bytes(function: Callable[[], object]) -> int:
    tracemalloc.start()
    try:
        function()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_list_of_so_many_names_would_be_seen():
    assert peak_bytes(lambda: list(MadeUp())) > 3 * FEW_BYTES


def test_photographs_are_put_in_chunks_without_a_list_of_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    written: list[int] = []
    monkeypatch.setattr(photograph_chunks.storage, "write_json", lambda path, names: written.append(len(names)))
    lists = PhotographChunks(str(tmp_path), MANY, chunk_size(MANY, 0))

    def write() -> None:
        lists.write(MadeUp(), (), list_sha256(MadeUp(), ()))

    assert peak_bytes(write) < FEW_BYTES
    assert sum(written) == MANY and len(written) == len(lists) == 257


def test_two_hundred_of_many_photographs_are_held_out_in_one_pass_without_a_list_of_all(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(held_out, "_content_hash", lambda path: storage.sha256(path.rpartition("/")[2].encode()))
    passes: list[int] = []

    def names() -> Iterator[str]:
        passes.append(1)
        yield from MadeUp()

    found: list[tuple[tuple[str, ...], int]] = []
    choose = lambda: found.append(hold_out("", names(), photograph_sets.num_held_out, lambda path: True))  # noqa: E731
    assert peak_bytes(choose) < FEW_BYTES and len(passes) == 1
    chosen, total = found[0]
    smallest = sorted(MadeUp(), key=lambda name: storage.sha256(Path(name).name.encode()))[:200]
    assert total == MANY and chosen == tuple(sorted(smallest))


def test_unreadable_photographs_are_passed_over_however_small_their_hashes_are_and_each_is_tried_once(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(held_out, "_content_hash", lambda path: f"{int(path.strip('/')) % 50:064x}")
    tried: list[str] = []

    def is_readable(path: Path) -> bool:
        tried.append(path.name)
        return int(path.name) % 50 >= 10

    chosen, total = hold_out("", map(str, range(100)), lambda count: 4, is_readable)
    assert total == 100 and chosen == ("10", "11", "60", "61")  # copies stay together
    assert len(tried) == len(set(tried)) and len([name for name in tried if int(name) % 50 < 10]) == 10


def test_a_walk_is_in_the_order_of_sorted_paths(tmp_path: Path):
    names = ["a-b/x.jpg", "a.jpg", "a/x.jpg", "a/y/z.jpg", "a/y.jpg", "ab.jpg", "a/y.png/z.jpg", "é/b.jpg", "B.jpg"]
    for name in names:
        storage.write_bytes(tmp_path / name, b"")
    (tmp_path / "a/y.bmp").mkdir()  # an empty folder with a picture's name
    assert list_photographs(tmp_path) == sorted([*names, "a/y.bmp"])
    assert list_photographs(tmp_path, ["a/y.png", "a", "é"]) == sorted(
        [name for name in names if name.startswith(("a/", "é/"))] + ["a/y.bmp"]
    )


@pytest.mark.parametrize("section", [{}, {"validation": "000002"}, {"train": "000001,000000"}])
def test_a_stream_of_photographs_is_the_list_of_them(tmp_path: Path, section: dict[str, str]):
    make_photographs(str(tmp_path), 2100)
    settings = PhotographsSection(root=str(tmp_path), **section)
    stream, found = stream_photographs(settings), find_photographs(settings)
    assert tuple(stream.train) == found.train and len(stream.train) == len(found.train)
    assert (stream.validation, stream.note) == (found.validation, found.note)
    assert found.train[7] in stream.train and found.validation[0] not in stream.train
    for name in found.validation[:2]:
        (tmp_path / name).write_bytes(b"no picture")
    again = stream.with_readable_validation()
    assert again.validation == found.validation[2:] and len(again.train) == len(found.train) + 2
    assert tuple(again.train) == tuple(sorted({*found.train, *found.validation[:2]}))


def test_planning_writes_lists_of_what_is_not_held_out(tmp_path: Path):
    make_photographs(str(tmp_path / "photographs"), 1500)
    figures = plan(str(tmp_path / "photographs"), str(tmp_path / "labels"))
    lists = [json.loads(path.read_text()) for path in sorted((tmp_path / "labels/photographs").iterdir())]
    assert figures["held_out"] == 75 and figures["chunks"] == len(lists) == 45
    found = find_photographs(PhotographsSection(), str(tmp_path / "photographs"))
    assert tuple(itertools.chain.from_iterable(lists)) == found.train


# ---------------------------------------------------------------------------------------------- training


def test_a_sample_of_a_hundred_million_labels_is_drawn_in_little_memory():
    def draw() -> None:
        labels = LabelChunks("labels", 1, [1024] * 97_657)
        places = {labels.place(index_of_sample(3, number, len(labels))) for number in range(1000)}
        assert len(places) == 1000 and len({place.path for place in places}) > 900

    assert peak_bytes(draw) < 5 * FEW_BYTES  # a number a chunk; of all labels it would be 800 MB


@pytest.mark.parametrize("count", [1, 2, 3, 7, 64, 1000, 4097])
def test_a_computed_permutation_gives_every_item_once(count: int):
    for first in range(3):
        keys = [first * NUM_ROUNDS + number for number in range(NUM_ROUNDS)]
        assert sorted(permuted(position, count, keys) for position in range(count)) == list(range(count))


def test_computed_orders_of_epochs_and_keys_differ_and_neighbours_are_far_apart(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sources, "_MOST_SHUFFLED", 100)
    orders = [
        [index_of_sample(key, number, 1000) for number in range(1000 * epoch, 1000 * epoch + 1000)]
        for key, epoch in ((5, 0), (5, 1), (6, 0))
    ]
    assert all(sorted(order) == list(range(1000)) for order in orders)
    for one, other in itertools.combinations([*orders, list(range(1000))], 2):
        assert sum(a == b for a, b in zip(one, other, strict=True)) < 12  # one is expected
    steps = [abs(a - b) for a, b in itertools.pairwise(orders[0])]
    assert 300 < sum(steps) / len(steps) < 367  # of two random numbers below 1000: 333


def test_a_manifest_names_a_thousand_photographs_left_out_and_counts_all():
    left_out = [{"path": f"{number:05d}", "reason": "empty file"} for number in reversed(range(2000))]
    counts = count_labels(5, 10, "0" * 64, left_out, 5000)
    assert counts["num_left_out"] == 5000 and len(counts["left_out"]) == MOST_LEFT_OUT
    assert counts["left_out"][0]["path"] == "00000"
