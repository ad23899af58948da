"""Labels in chunks are those of single files, and a chunk that is damaged is named with what to do."""

from __future__ import annotations

import dataclasses
import functools
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.labels.chunk_writer import ChunkWriter
from superpoint_tf.data.labels.label_chunks import read_index, unpack_archive, unpack_rows, write_chunk
from superpoint_tf.data.labels.label_origin import IDENTITY_FILE
from superpoint_tf.data.labels.label_places import archive_path, archived_path, index_path, split_archived
from superpoint_tf.data.labels.label_sets import LabelChunks, LabelFiles, LabelSet, find_label, resolve_place
from superpoint_tf.data.labels.labels import Label, LabelError, encode_label, label_path, load_label, save_label
from superpoint_tf.data.labels.photograph_chunks import Chunk, PhotographChunks, chunk_size, list_sha256
from superpoint_tf.data.photographs.labelled_photographs import LabelledPhotographs
from superpoint_tf.runtime import storage

NAMES = ("a b.png", "deep/é.png", "deep/b.png", "x/y/c.jpg", "z.png")
SHAPE = (32, 40)
DETECTOR = "d" * 64


def label(number: int, photograph_sha256: str = "ab" * 32) -> Label:
    points = np.random.default_rng(number).uniform(0, 24, (number, 2)).astype(np.float32)
    return Label(points, np.ones(number, np.float32), SHAPE, np.eye(3), photograph_sha256, DETECTOR)


def write(root: str, labels: dict[str, Label], size: int = 2, left_out: dict[str, str] | None = None) -> LabelChunks:
    """Write labels in chunks of `size`."""
    names, counts = list(labels), []
    for number in range(0, len(names), size):
        part = names[number : number + size]
        keypoints = [len(labels[name].keypoints) for name in part]
        contents = {name: encode_label(labels[name]) for name in part}
        write_chunk(archive_path(root, 1, number // size), DETECTOR, contents, keypoints, left_out or {})
        counts.append(len(part))
    return LabelChunks(root, 1, counts)


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "labels")


@pytest.fixture
def five(root: str) -> LabelChunks:
    return write(root, {name: label(number) for number, name in enumerate(NAMES)})


def test_labels_in_chunks_are_byte_for_byte_those_in_files_and_any_zip_program_shows_them(five: LabelChunks, root: str):
    for number, name in enumerate(NAMES):
        save_label(label_path(f"{root}/files", 1, name), label(number))
    apart = {name: Path(label_path(f"{root}/files", 1, name)).read_bytes() for name in NAMES}
    packed = [unpack_archive(archive_path(root, 1, number)) for number in range(3)]
    assert {name: content for chunk in packed for name, content in chunk.items()} == apart
    with zipfile.ZipFile(archive_path(root, 1, 1)) as archive:
        assert archive.namelist() == ["deep/b.png.npz", "x/y/c.jpg.npz"] and archive.testzip() is None


def test_the_same_labels_give_the_same_archive_and_index(five: LabelChunks, root: str):
    write(f"{root}/again", {name: label(number) for number, name in enumerate(NAMES)})
    for number in range(3):
        for of in (str, index_path):
            paths = [of(archive_path(folder, 1, number)) for folder in (root, f"{root}/again")]
            assert Path(paths[0]).read_bytes() == Path(paths[1]).read_bytes()


def test_an_index_comes_back_with_names_counts_and_why_photographs_are_left_out(root: str):
    write(root, {"é b.png": label(3)}, left_out={"bad.jpg": "empty file", "worse.jpg": "too small"})
    index = read_index(archive_path(root, 1, 0))
    assert index.photographs == ("é b.png",) and index.detector_sha256 == DETECTOR
    assert [(stored.photograph, stored.num_keypoints) for stored in index] == [("é b.png", 3)]
    assert index.left_out == {"bad.jpg": "empty file", "worse.jpg": "too small"}
    assert next(iter(index)).sha256 == storage.sha256(encode_label(label(3)))


@pytest.mark.parametrize("store", ["chunks", "files"])
def test_a_set_of_labels_is_a_sequence_of_photographs_and_knows_where_each_label_lies(
    store: str, five: LabelChunks, root: str
):
    labels: LabelSet = five
    if store == "files":
        labels = LabelFiles(root, 1, NAMES)
        for number, name in enumerate(NAMES):
            save_label(label_path(root, 1, name), label(number))
    assert len(labels) == 5 and tuple(labels) == NAMES and labels[3] == "x/y/c.jpg" and labels[-1] == "z.png"
    with pytest.raises(IndexError):
        labels[5]
    for number, name in enumerate(NAMES):
        found, path = resolve_place(labels.place(number))
        assert found == name and len(load_label(path).keypoints) == number


def test_a_chunk_without_a_label_is_passed_over(root: str):
    write(root, {"a.png": label(1)}, left_out={})
    write_chunk(archive_path(root, 1, 1), DETECTOR, {}, [], {"b.png": "empty file"})
    write_chunk(archive_path(root, 1, 2), DETECTOR, {"c.png": encode_label(label(2))}, [2], {})
    labels = LabelChunks(root, 1, [1, 0, 1])
    assert tuple(labels) == ("a.png", "c.png") and labels[1] == "c.png"


def test_a_label_is_found_by_its_photograph_in_chunks_and_in_files(five: LabelChunks, root: str):
    assert find_label(root, 1, "x/y/c.jpg") == f"{root}/round_1/000001.zip/x/y/c.jpg.npz"
    assert find_label(root, 2, "a.png") == label_path(root, 2, "a.png")
    with pytest.raises(FileNotFoundError, match=r"000000\.zip/no\.png\.npz: no such label; run python tools/hom"):
        load_label(archived_path(archive_path(root, 1, 0), "no.png"))
    assert split_archived("labels/round_1/a.zip/b.npz") == ("", "") == split_archived("x/round_1/a.png.npz")


def test_a_chunk_that_was_written_again_is_read_again(root: str):
    path = archived_path(archive_path(root, 1, 0), "a.png")
    for number in (2, 5, 3):
        labels = {"0.png": label(number), "a.png": label(number)} if number == 5 else {"a.png": label(number)}
        write(root, labels)
        assert len(load_label(path).keypoints) == number


# ---------------------------------------------------------------------------------------------- damage


def cut(path: str, keep: int) -> None:
    Path(path).write_bytes(Path(path).read_bytes()[:keep])


@pytest.mark.parametrize(
    "damage",
    [
        lambda archive: Path(archive).unlink(),
        lambda archive: cut(archive, 0),
        lambda archive: cut(archive, 400),
        lambda archive: Path(archive).write_bytes(Path(archive).read_bytes().replace(b"PK\3\4", b"PK\3\5x")),
    ],
)
def test_a_damaged_archive_is_named_with_the_index_to_delete(
    five: LabelChunks, root: str, damage: Callable[[str], None]
):
    archive = archive_path(root, 1, 1)
    damage(archive)
    with pytest.raises(
        LabelError,
        match=r"000001\.zip/x/y/c\.jpg\.npz: damaged, or missing .*; delete .*000001\.index\.npz and run",
    ):
        load_label(resolve_place(five.place(3))[1])
    storage.write_json(f"{root}/{IDENTITY_FILE}", {"rounds": 1, "detector_sha256": ""})
    with pytest.raises(LabelError, match=r"c\.jpg\.npz: damaged.*; import them again"):
        load_label(resolve_place(five.place(3))[1])


@pytest.mark.parametrize("keep", [0, 30, 500])
def test_a_damaged_index_is_named_with_the_remedy(five: LabelChunks, root: str, keep: int):
    cut(index_path(archive_path(root, 1, 1)), keep)
    with pytest.raises(LabelError, match=r"000001\.index\.npz: damaged .*; delete it and run python tools/homographic"):
        read_index(archive_path(root, 1, 1))


@pytest.mark.parametrize(
    "change, message",
    [
        ({"format": np.array(2)}, "index format 2, this version reads 1"),
        ({"offsets": None}, r"not an index of labels \(offsets missing\)"),
        ({"offsets": np.zeros((2, 2), np.int64)}, r"offsets is int64 \(2, 2\)"),
        ({"offsets": np.zeros(1, np.int64)}, r"columns do not belong together \(rows: \[2, 1, 2, 2, 2\]\)"),
        ({"photographs": np.frombuffer(b"a\0a\0", np.uint8)}, "do not belong together"),
        ({"photographs": np.frombuffer(b"a\0\xff\0", np.uint8)}, "its names are damaged"),
        ({"photographs": np.frombuffer(b"a\0b", np.uint8)}, r"its names are damaged \(cut\)"),
        ({"reasons": np.frombuffer(b"a\0", np.uint8)}, "do not belong together"),
        ({"offsets": np.array([-5, 0])}, r"offsets must lie between 0 and \d+"),
        ({"offsets": np.array([0, 2**63], np.uint64)}, r"offsets must lie between 0 and \d+"),
        ({"lengths": np.array([0, 2**40])}, r"lengths must lie between 0 and \d+"),
        ({"num_keypoints": np.array([0, -1])}, r"num_keypoints must lie between 0 and \d+"),
    ],
)
def test_an_index_that_is_none_is_refused(five: LabelChunks, root: str, change: dict[str, np.ndarray], message: str):
    path = index_path(archive_path(root, 1, 0))
    arrays = {**storage.load_npz(path), **change}
    content = storage.npz_bytes(**{name: value for name, value in arrays.items() if value is not None})
    Path(path).write_bytes(content)
    with pytest.raises(LabelError, match=rf"000000\.index\.npz: .*{message}.*; delete it and run"):
        read_index(archive_path(root, 1, 0))


def test_an_index_that_leads_out_of_its_archive_gives_no_label(five: LabelChunks, root: str):
    path = index_path(archive_path(root, 1, 0))
    Path(path).write_bytes(storage.npz_bytes(**{**storage.load_npz(path), "offsets": np.array([10**9, 10**9])}))
    with pytest.raises(LabelError, match="damaged, or missing"):
        load_label(archived_path(archive_path(root, 1, 0), NAMES[0]))


def test_numbers_of_other_types_in_an_index_find_the_same_labels(five: LabelChunks, root: str):
    path = index_path(archive_path(root, 1, 0))
    arrays = storage.load_npz(path)
    changed = {name: arrays[name].astype(np.uint64) for name in ("offsets", "lengths", "num_keypoints")}
    before = unpack_rows(archive_path(root, 1, 0), read_index(archive_path(root, 1, 0)))
    Path(path).write_bytes(storage.npz_bytes(**{**arrays, **changed}))
    index = read_index(archive_path(root, 1, 0))
    assert unpack_rows(archive_path(root, 1, 0), index) == before and list(before) == list(NAMES[:2])


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_that_another_program_compressed_and_a_disk_damaged_ends_nothing(root: str, method: int):
    path = Path(archive_path(root, 1, 0))
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("a.png.npz", np.random.default_rng(0).bytes(3000))
    content = path.read_bytes()
    assert list(unpack_archive(str(path))) == ["a.png"]
    found = []
    for place in range(40, 200, 7):
        path.write_bytes(content[:place] + b"\xff\xff\xff\xff" + content[place + 4 :])
        found.append([*unpack_archive(str(path))])
    assert [] in found and {*map(tuple, found)} <= {(), ("a.png",)}  # what is left is no label file: `decode_label`


# ---------------------------------------------------------------------------------------------- writing


CHUNK = Chunk(0, ("a.png", "b.png", "c.png"))


def writer(root: str, detector: str = DETECTOR) -> ChunkWriter:
    return ChunkWriter(root, 1, CHUNK, detector, SHAPE)


def waiting(chunk: ChunkWriter) -> list[tuple[str, str]]:
    return [tuple(turn) for turn in chunk.turns]


def test_a_chunk_goes_on_where_it_was_saved_and_ends_as_if_it_had_never_stopped(root: str):
    contents = {name: encode_label(label(number, name)) for number, name in enumerate(CHUNK.photographs)}

    def finish(folder: str, stops: bool) -> list[bytes]:
        chunk = writer(folder)
        for name, content in contents.items():
            chunk.add(name, content, 1)
            if stops:
                chunk.save()
                chunk = writer(folder)
        chunk.save()
        return [path.read_bytes() for path in sorted(Path(folder, "round_1").iterdir())]

    assert finish(f"{root}/once", False) == finish(f"{root}/thrice", True)
    done = writer(f"{root}/once")
    assert waiting(done) == [] and [stored.photograph for stored in done.stored] == list(CHUNK.photographs)


def test_what_a_killed_process_had_not_saved_is_labelled_again_and_an_older_index_fits_a_newer_archive(root: str):
    first = writer(root)
    first.add("a.png", encode_label(label(1)), 1)
    first.save()
    index = Path(index_path(archive_path(root, 1, 0)))
    saved = index.read_bytes()
    first.add("b.png", encode_label(label(2)), 2)
    first.save()
    index.write_bytes(saved)  # killed between archive and index
    second = writer(root)
    assert waiting(second) == [("b.png", ""), ("c.png", "")]
    assert len(load_label(find_label(root, 1, "a.png")).keypoints) == 1


def test_a_photograph_that_could_not_be_read_is_tried_again_and_its_reason_kept(root: str):
    first = writer(root)
    first.add("a.png", encode_label(label(1)), 1)
    first.leave_out("b.png", "empty file")
    first.add("c.png", encode_label(label(1)), 1)
    first.save()
    before = {path: path.stat().st_mtime_ns for path in Path(root, "round_1").iterdir()}
    second = writer(root)
    assert waiting(second) == [("b.png", "")]
    second.leave_out("b.png", "empty file")
    second.save()  # nothing new
    assert before == {path: path.stat().st_mtime_ns for path in Path(root, "round_1").iterdir()}
    third = writer(root)
    third.add("b.png", encode_label(label(2)), 2)
    third.save()
    assert read_index(archive_path(root, 1, 0)).left_out == {} and waiting(writer(root)) == []
    assert {name: len(load_label(find_label(root, 1, name)).keypoints) for name in CHUNK.photographs} == {
        "a.png": 1,
        "b.png": 2,
        "c.png": 1,
    }


def test_without_an_index_labels_of_the_same_pictures_detector_and_frame_are_taken_from_the_archive(root: str):
    first = writer(root)
    first.add("a.png", encode_label(label(1, "a1")), 1)
    first.add("b.png", encode_label(dataclasses.replace(label(2, "b1"), detector_sha256="other")), 2)
    first.add("c.png", encode_label(dataclasses.replace(label(2, "c1"), image_shape=(16, 16), votes=None)), 2)
    first.save()
    Path(index_path(archive_path(root, 1, 0))).unlink()
    second = writer(root)
    assert waiting(second) == [("a.png", "a1"), ("b.png", ""), ("c.png", "")]
    assert second.keep("a.png").num_keypoints == 1
    assert waiting(writer(root, "other")) == [("a.png", ""), ("b.png", "b1"), ("c.png", "")]


def test_labels_without_an_index_stay_when_looking_at_them_again_is_stopped(root: str):
    first = writer(root)
    for number, name in enumerate(CHUNK.photographs):
        first.add(name, encode_label(label(number, name)), number)
    first.save()
    whole = {path: path.read_bytes() for path in Path(root, "round_1").iterdir()}
    index = Path(index_path(archive_path(root, 1, 0)))
    index.unlink()
    second = writer(root)
    second.keep("a.png")
    second.save()  # stopped
    assert not index.exists()
    third = writer(root)
    assert waiting(third) == [(name, name) for name in CHUNK.photographs]
    for turn in third.turns:
        third.keep(turn.photograph)
    third.save()
    assert whole == {path: path.read_bytes() for path in Path(root, "round_1").iterdir()}


# ---------------------------------------------------------------------------------------------- training


def test_a_training_sees_the_same_samples_in_chunks_and_in_files(root: str, tmp_path: Path):
    labels = {}
    for number, name in enumerate(NAMES):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.random.default_rng(number).integers(0, 255, SHAPE, np.uint8))
        labels[name] = label(5 + number, storage.sha256_file(path))
        save_label(label_path(f"{root}/files", 1, name), labels[name])
    config = build_config({"photographs": {"image_shape": list(SHAPE)}})
    source = functools.partial(LabelledPhotographs, config, str(tmp_path / "images"), with_pairs=True)
    packed, apart = source(labels=write(root, labels)), source(labels=LabelFiles(f"{root}/files", 1, NAMES))
    for each in (packed, apart):
        each.check_photographs()
    batches = [each.render(each.payloads(range(10))) for each in (packed, apart)]
    assert batches[0].keys() == batches[1].keys()
    for key, values in batches[0].items():
        np.testing.assert_array_equal(values, batches[1][key])
    assert [packed.picture_name(n) for n in range(10)] == [apart.picture_name(n) for n in range(10)]


# ---------------------------------------------------------------------------------------------- lists


@pytest.mark.parametrize(
    "total, wanted, size", [(7, 0, 32), (8191, 0, 32), (100_000, 0, 390), (10**8, 0, 1024), (10**6, 5, 5)]
)
def test_the_size_of_a_chunk_depends_on_the_photographs_alone(total: int, wanted: int, size: int):
    assert chunk_size(total, wanted) == size


def test_lists_of_photographs_come_back_and_are_written_once(root: str):
    names, validation = tuple(f"{number}.png" for number in range(7)), ("v.png",)
    lists = PhotographChunks(root, 7, 3)
    sha256 = list_sha256(names, validation)
    assert sha256 == storage.sha256("\n".join([*names, "", *validation]).encode())
    lists.write(iter(names), validation, sha256)
    assert [lists.read(number) for number in range(3)] == [
        Chunk(0, names[:3]),
        Chunk(1, names[3:6]),
        Chunk(2, names[6:]),
    ]
    assert len(lists) == 3 and lists.count(range(3)) == 7 and lists.count([2]) == 1
    lists.write(iter(()), (), "never read")


@pytest.mark.parametrize("now", [("0", "1", "2", "4"), ("0", "1", "2"), ("0", "1"), tuple("01234"), tuple("0123456")])
def test_photographs_that_change_while_they_are_listed_stop_the_command_and_the_next_lists_them_anew(
    root: str, now: tuple[str, ...]
):
    lists, names = PhotographChunks(root, 4, 2), ("0", "1", "2", "3")
    with pytest.raises(LabelError, match="labels: the photographs changed while they were listed; delete this folder"):
        lists.write(now, (), list_sha256(names, ()))
    lists.write(names, (), list_sha256(names, ()))
    assert lists.read(0).photographs + lists.read(1).photographs == names


@pytest.mark.parametrize("content", [None, "", "{}", "[1", '["a.png"]'])
def test_a_damaged_list_is_named(root: str, content: str | None):
    lists = PhotographChunks(root, 2, 2)
    lists.write(("a", "b"), (), list_sha256(("a", "b"), ()))
    path = Path(root, "photographs/000000.json")
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(LabelError, match=r"000000\.json: missing, or not a list of 2 .*; delete .*/photographs and"):
        lists.read(0)
