"""The COLMAP database, read back by SQLite alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from superpoint_tf.features import Features
from superpoint_tf.features.feature_files import open_features, write_features
from superpoint_tf.interop.colmap import count_pairs, pair_id, pairs_of, pairs_path, write_database
from superpoint_tf.runtime import storage

NAMES = ["a.jpg", "b.jpg", "d/c.jpg"]


def features(order: list[int]) -> Features:
    """Keypoints whose descriptors are unit vectors in this order: equal ones match."""
    points = np.array([[10.0 * number, number] for number in order], np.float32).reshape(-1, 2)
    return Features(points, np.ones(len(order), np.float32), np.eye(8, dtype=np.float32)[order])


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[h5py.File]:
    with open_features(tmp_path / "f.h5", "a") as file:
        write_features(file, "a.jpg", features([0, 1, 2]), (480, 640))
        write_features(file, "b.jpg", features([2, 0, 5]), (480, 640))
        write_features(file, "d/c.jpg", features([]), (100, 300))
        yield file


def rows(path: Path, query: str) -> list[tuple]:
    connection = sqlite3.connect(path)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def test_the_tables_hold_what_colmap_reads(tmp_path: Path, stored: h5py.File):
    path = tmp_path / "new/database.db"
    assert write_database(path, stored, NAMES) == 2
    assert rows(path, "SELECT image_id, name, camera_id FROM images") == [
        (1, "a.jpg", 1), (2, "b.jpg", 2), (3, "d/c.jpg", 3)
    ]  # fmt: skip
    camera = rows(path, "SELECT model, width, height, params, prior_focal_length FROM cameras")[2]
    assert camera[:3] == (2, 300, 100) and camera[4] == 0
    assert np.frombuffer(camera[3]).tolist() == [360, 150, 50, 0]
    ((count, columns, data),) = rows(path, "SELECT rows, cols, data FROM keypoints WHERE image_id = 1")
    points = np.frombuffer(data, np.float32).reshape(count, columns)
    assert points.tolist() == [[0.5, 0.5], [10.5, 1.5], [20.5, 2.5]]  # the corner of the first pixel is (0, 0) there
    assert pairs_path(path).read_text() == "a.jpg b.jpg\na.jpg d/c.jpg\nb.jpg d/c.jpg\n"


def test_matches_are_pairs_of_rows_in_the_order_of_the_image_numbers(tmp_path: Path, stored: h5py.File):
    path = tmp_path / "database.db"
    write_database(path, stored, NAMES)
    number = 1 * (2**31 - 1) + 2
    assert pair_id(1, 2) == pair_id(2, 1) == number
    ((count, columns, data),) = rows(path, f"SELECT rows, cols, data FROM matches WHERE pair_id = {number}")
    matches = np.frombuffer(data, np.uint32).reshape(count, columns)
    assert sorted(matches.tolist()) == [[0, 1], [2, 0]]
    assert rows(path, "SELECT rows FROM matches") == [(2,), (0,), (0,)]  # none with the empty picture


def test_a_list_of_pairs_that_a_killed_writer_left_half_is_removed(tmp_path: Path, stored: h5py.File):
    for name in ("database_pairs.txt.12ab.part", "other_pairs.txt.12ab.part"):
        (tmp_path / name).write_text("a.jpg b.j")
    write_database(tmp_path / "database.db", stored, NAMES)
    assert [path.name for path in tmp_path.glob("*.part")] == ["other_pairs.txt.12ab.part"]


@pytest.mark.parametrize(
    ("count", "overlap", "pairs"),
    [
        (3, None, [(0, 1), (0, 2), (1, 2)]),
        (4, 1, [(0, 1), (1, 2), (2, 3)]),
        (4, 2, [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3)]),
        (2, 9, [(0, 1)]),
        (1, None, []),
        (0, 2, []),
    ],
)
def test_pairs_are_all_or_neighbours(count: int, overlap: int | None, pairs: list[tuple[int, int]]):
    assert list(pairs_of(count, overlap)) == pairs and count_pairs(count, overlap) == len(pairs)


def test_pictures_of_one_size_share_a_camera_where_asked(tmp_path: Path, stored: h5py.File):
    write_database(tmp_path / "d.db", stored, NAMES, camera_of=lambda name: "")
    assert rows(tmp_path / "d.db", "SELECT camera_id FROM images") == [(1,), (1,), (2,)]


def test_an_interrupted_database_keeps_its_other_name_and_is_gone_on_with(tmp_path: Path, stored: h5py.File):
    path, done = tmp_path / "d.db", []

    def stop() -> None:
        done.append(1)
        if len(done) == 2:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_database(path, stored, NAMES, on_pair=stop)
    assert not path.exists() and len(rows(tmp_path / "d.db.unfinished", "SELECT * FROM matches")) == 2
    assert write_database(path, stored, NAMES) == 2
    assert len(rows(path, "SELECT * FROM matches")) == 3 and not (tmp_path / "d.db.unfinished").exists()


def test_a_wider_overlap_adds_pairs_to_the_database_that_is_there(tmp_path: Path, stored: h5py.File):
    path = tmp_path / "d.db"
    write_database(path, stored, NAMES, overlap=1)
    assert len(rows(path, "SELECT * FROM matches")) == 2
    write_database(path, stored, NAMES)
    assert len(rows(path, "SELECT * FROM matches")) == 3


def test_a_database_of_other_pictures_keypoints_or_sizes_is_refused_unchanged(tmp_path: Path, stored: h5py.File):
    path = tmp_path / "d.db"
    write_database(path, stored, NAMES)
    before = path.read_bytes()
    write_features(stored, "new.jpg", features([1]), (480, 640))
    with pytest.raises(ValueError, match=r"holds other pictures \(a\.jpg"):
        write_database(path, stored, ["new.jpg"])
    write_features(stored, "b.jpg", features([3]), (480, 640))
    with pytest.raises(ValueError, match=r"b\.jpg has other keypoints there"):
        write_database(path, stored, ["new.jpg", *NAMES])
    write_features(stored, "b.jpg", features([2, 0, 5]), (640, 480))
    with pytest.raises(ValueError, match=r"the camera of b\.jpg is of 640x480 there, 480x640 in the features"):
        write_database(path, stored, ["new.jpg", *NAMES])
    assert path.read_bytes() == before


def test_a_grown_collection_is_added_to_and_what_is_there_stays(tmp_path: Path, stored: h5py.File):
    path, matched = tmp_path / "d.db", []
    write_database(path, stored, NAMES)
    before = {table: rows(path, f"SELECT * FROM {table}") for table in ("cameras", "images", "keypoints", "matches")}
    write_features(stored, "aa.jpg", features([0, 1]), (480, 640))
    grown = ["a.jpg", "aa.jpg", "b.jpg", "d/c.jpg"]  # by name it comes between
    assert write_database(path, stored, grown, on_pair=lambda: matched.append(1)) == 2 + 2 + 1
    assert len(matched) == 6
    for table, first in before.items():
        assert set(first) <= set(rows(path, f"SELECT * FROM {table}"))
    assert rows(path, "SELECT name, camera_id FROM images WHERE image_id = 4") == [("aa.jpg", 4)]
    data = rows(path, f"SELECT data FROM matches WHERE pair_id = {pair_id(2, 4)}")[0][0]
    assert np.frombuffer(data, np.uint32).reshape(-1, 2).tolist() == [[1, 0]]  # b.jpg has the smaller number
    assert pairs_path(path).read_text().splitlines()[0] == "a.jpg aa.jpg"
    del stored["b.jpg"]  # not there any more, or left out this time: what is known of it stays
    write_database(path, stored, ["a.jpg", "aa.jpg"])
    assert len(rows(path, "SELECT * FROM images")) == 4 and len(rows(path, "SELECT * FROM matches")) == 6


def test_new_pictures_of_a_shared_camera_take_the_one_that_is_there(tmp_path: Path, stored: h5py.File):
    path = tmp_path / "d.db"
    write_database(path, stored, NAMES, camera_of=lambda name: "")
    write_features(stored, "e.jpg", features([4]), (480, 640))
    write_database(path, stored, [*NAMES, "e.jpg"], camera_of=lambda name: "")
    assert rows(path, "SELECT camera_id FROM images") == [(1,), (1,), (2,), (1,)]


COLMAP_4 = """
CREATE TABLE rigs (rig_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, ref_sensor_id INTEGER NOT NULL,
    ref_sensor_type INTEGER NOT NULL);
CREATE TABLE rig_sensors (rig_id INTEGER NOT NULL, sensor_id INTEGER NOT NULL, sensor_type INTEGER NOT NULL,
    sensor_from_rig BLOB);
CREATE TABLE cameras (camera_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, model INTEGER NOT NULL,
    width INTEGER NOT NULL, height INTEGER NOT NULL, params BLOB, prior_focal_length INTEGER NOT NULL);
CREATE TABLE frames (frame_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, rig_id INTEGER NOT NULL);
CREATE TABLE frame_data (frame_id INTEGER NOT NULL, data_id INTEGER NOT NULL, sensor_id INTEGER NOT NULL,
    sensor_type INTEGER NOT NULL);
CREATE TABLE images (image_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, name TEXT NOT NULL UNIQUE,
    camera_id INTEGER NOT NULL);
CREATE TABLE keypoints (image_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, data BLOB);
CREATE TABLE descriptors (image_id INTEGER PRIMARY KEY NOT NULL, type INTEGER NOT NULL, rows INTEGER NOT NULL,
    cols INTEGER NOT NULL, data BLOB);
CREATE TABLE matches (pair_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, data BLOB);
CREATE TABLE two_view_geometries (pair_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL,
    data BLOB, config INTEGER NOT NULL, F BLOB, E BLOB, H BLOB, qvec BLOB, tvec BLOB, camera1 BLOB, camera2 BLOB);
INSERT INTO cameras VALUES (1, 1, 640, 480, x'00', 1);
INSERT INTO rigs VALUES (1, 1, 0);
INSERT INTO images VALUES (7, 'b.jpg', 1), (9, 'a.jpg', 1);
INSERT INTO frames VALUES (3, 1), (4, 1);
INSERT INTO frame_data VALUES (3, 7, 1, 0), (4, 9, 1, 0);
"""  # what COLMAP 4's import_images leaves, with a calibrated camera


def test_a_database_that_colmap_imported_pictures_into_gets_keypoints_matches_and_new_pictures(
    tmp_path: Path, stored: h5py.File
):
    path = tmp_path / "c.db"
    connection = sqlite3.connect(path)
    connection.executescript(COLMAP_4)
    connection.close()
    assert write_database(path, stored, NAMES) == 2
    assert rows(path, "SELECT * FROM cameras")[0] == (1, 1, 640, 480, b"\0", 1)
    assert rows(path, "SELECT * FROM images") == [(7, "b.jpg", 1), (9, "a.jpg", 1), (10, "d/c.jpg", 2)]
    assert rows(path, "SELECT image_id, rows FROM keypoints") == [(7, 3), (9, 3), (10, 0)]
    data = rows(path, f"SELECT data FROM matches WHERE pair_id = {pair_id(7, 9)}")[0][0]
    assert sorted(np.frombuffer(data, np.uint32).reshape(-1, 2).tolist()) == [[0, 2], [1, 0]]  # of b.jpg, of a.jpg
    assert rows(path, "SELECT * FROM rigs") == [(1, 1, 0), (2, 2, 0)]  # every camera in a rig, every image in a frame
    assert rows(path, "SELECT * FROM frames")[-1] == (5, 2)
    assert rows(path, "SELECT * FROM frame_data")[-1] == (5, 10, 2, 0)


def test_a_database_of_ours_that_colmap_opened_gets_no_frames_of_some_images_alone(tmp_path: Path, stored: h5py.File):
    path = tmp_path / "d.db"
    write_database(path, stored, NAMES[:2])
    connection = sqlite3.connect(path)  # what COLMAP 4 makes of it: its tables, empty
    for statement in COLMAP_4.split(";"):
        if any(f"TABLE {table} " in statement for table in ("rigs", "rig_sensors", "frames", "frame_data")):
            connection.execute(statement)
    connection.close()
    write_database(path, stored, NAMES)
    assert len(rows(path, "SELECT * FROM images")) == 3 and rows(path, "SELECT * FROM frames") == []


@pytest.mark.parametrize("name", ["IMG 1 (1).png", "#1.png"])
def test_names_that_the_list_of_pairs_cannot_hold_are_written_without_it(tmp_path: Path, stored: h5py.File, name: str):
    path = tmp_path / "d.db"
    write_database(path, stored, NAMES)
    write_features(stored, name, features([0]), (480, 640))
    assert write_database(path, stored, [*NAMES, name]) == 4
    assert (name,) in rows(path, "SELECT name FROM images")
    assert not pairs_path(path).exists()  # that of before had not all of them


def test_a_database_of_another_program_is_refused_unchanged(tmp_path: Path, stored: h5py.File):
    path = tmp_path / "bookmarks.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE bookmarks (url TEXT)")
    connection.close()
    with pytest.raises(ValueError, match=r"a database, but not COLMAP's \(it has bookmarks\)"):
        write_database(path, stored, NAMES)
    assert rows(path, "SELECT name FROM sqlite_master") == [("bookmarks",)]


def test_a_disk_that_fills_up_is_named_and_the_same_call_goes_on_afterwards(
    tmp_path: Path, stored: h5py.File, monkeypatch: pytest.MonkeyPatch
):
    real, path = sqlite3.connect, tmp_path / "a.db"

    def small(place: Path) -> sqlite3.Connection:
        connection = real(place)
        connection.execute("PRAGMA max_page_count = 4")  # SQLite then says what it says of a full disk
        return connection

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", small)
        with pytest.raises(
            storage.WriteError, match=r"a\.db\.unfinished: cannot be written \(database or disk is full"
        ):
            write_database(path, stored, NAMES)
    assert not path.exists()
    write_database(path, stored, NAMES)
    assert path.exists()


def test_what_is_no_database_or_has_no_descriptors_is_said(tmp_path: Path, stored: h5py.File):
    (tmp_path / "thesis.db").write_text("years of work, more than sixteen bytes of it")
    with pytest.raises(ValueError, match=r"thesis\.db: not a database"):
        write_database(tmp_path / "thesis.db", stored, NAMES)
    write_features(stored, "a.jpg", features([1])._replace(descriptors=None), (480, 640))
    with pytest.raises(ValueError, match=r"a\.jpg has no descriptors"):
        write_database(tmp_path / "d.db", stored, NAMES)


def test_keypoints_with_a_size_have_colmaps_scale_and_orientation(tmp_path: Path):
    """COLMAP's scale is the sigma of SIFT, OpenCV's size twice that; both turn from x towards y."""
    angles = np.array([90, -1, 180], np.float32)
    framed = features([0, 1, 2])._replace(sizes=np.array([4, 6, 9], np.float32), angles_deg=angles)
    with open_features(tmp_path / "f.h5", "a") as file:
        write_features(file, "a.jpg", framed, (480, 640))
        write_features(file, "b.jpg", framed._replace(angles_deg=None), (480, 640))
        for _ in range(2):  # the second time they are compared with what is there
            assert write_database(tmp_path / "database.db", file, ["a.jpg", "b.jpg"]) == 3
    stored = rows(tmp_path / "database.db", "SELECT rows, cols, data FROM keypoints ORDER BY image_id")
    first, second = (np.frombuffer(data, np.float32).reshape(count, columns) for count, columns, data in stored)
    np.testing.assert_allclose(first[:, 2:], [[2, np.pi / 2], [3, 0], [4.5, np.pi]], rtol=1e-6)
    assert first[1, :2].tolist() == [10.5, 1.5] and second[:, 3].tolist() == [0, 0, 0]
