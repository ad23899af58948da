"""A COLMAP database of a feature file: cameras, images, keypoints and matches, for COLMAP to verify and map.

COLMAP counts pixels from the corner of the first one, we from its centre: its coordinates are ours plus 0.5. Keypoints
with a size have its four columns, x, y, scale and orientation, others two. Its scale is the deviation of the Gaussian
that a keypoint was found with, half of OpenCV's diameter; its orientation is OpenCV's angle in radians. The schema is
that of COLMAP 3, which later versions bring up to date when they open it; a database of theirs is added to as they
would, with a rig a camera and a frame an image. A new camera is SIMPLE_RADIAL with a focal length of 1.2 times the
longer side, which COLMAP refines, as it does with pictures that do not say theirs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from superpoint_tf.features import NO_ANGLE, Features
from superpoint_tf.features.feature_files import read_features
from superpoint_tf.features.matching import match_descriptors
from superpoint_tf.runtime import operating_system, storage

PIXEL_SHIFT = 0.5
_MAX_IMAGE_ID = 2**31 - 1  # a pair is smaller id * this + larger id
_SIMPLE_RADIAL = 2  # parameters: focal length, principal point x and y, one of distortion
_CAMERA_SENSOR = 0  # what COLMAP 4 calls the kind of a sensor that is a camera
_FOCAL_LENGTH = 1.2  # of the longer side
_PAIRS_A_COMMIT = 50
# What SQLite says when it is the disk; Python 3.10 does not give the number.
_DISK_REFUSES = ("disk is full", "readonly database", "unable to open", "disk I/O error")
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS cameras (
    camera_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, model INTEGER NOT NULL, width INTEGER NOT NULL,
    height INTEGER NOT NULL, params BLOB, prior_focal_length INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS images (
    image_id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, name TEXT NOT NULL UNIQUE, camera_id INTEGER NOT NULL,
    prior_qw REAL, prior_qx REAL, prior_qy REAL, prior_qz REAL, prior_tx REAL, prior_ty REAL, prior_tz REAL,
    CONSTRAINT image_id_check CHECK(image_id >= 0 and image_id < {_MAX_IMAGE_ID}),
    FOREIGN KEY(camera_id) REFERENCES cameras(camera_id));
CREATE UNIQUE INDEX IF NOT EXISTS index_name ON images(name);
CREATE TABLE IF NOT EXISTS keypoints (
    image_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, data BLOB,
    FOREIGN KEY(image_id) REFERENCES images(image_id) ON DELETE CASCADE);
CREATE TABLE IF NOT EXISTS descriptors (
    image_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, data BLOB,
    FOREIGN KEY(image_id) REFERENCES images(image_id) ON DELETE CASCADE);
CREATE TABLE IF NOT EXISTS matches (
    pair_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, data BLOB);
CREATE TABLE IF NOT EXISTS two_view_geometries (
    pair_id INTEGER PRIMARY KEY NOT NULL, rows INTEGER NOT NULL, cols INTEGER NOT NULL, data BLOB,
    config INTEGER NOT NULL, F BLOB, E BLOB, H BLOB, qvec BLOB, tvec BLOB);
"""


def pairs_of(count: int, overlap: int | None = None) -> Iterator[tuple[int, int]]:
    """Yield pairs of 0 .. count - 1: all, or of each with the `overlap` that follow it."""
    for first in range(count):
        last = count if overlap is None else min(first + overlap + 1, count)
        yield from ((first, second) for second in range(first + 1, last))


def count_pairs(count: int, overlap: int | None = None) -> int:
    """Return how many `pairs_of` yields."""
    reach = min(count - 1, count if overlap is None else overlap)
    return reach * count - reach * (reach + 1) // 2 if count else 0


def pair_id(image_id0: int, image_id1: int) -> int:
    """Return COLMAP's number of a pair, the same for both orders."""
    smaller, larger = sorted((image_id0, image_id1))
    return smaller * _MAX_IMAGE_ID + larger


def pairs_path(path: str | Path) -> Path:
    """Return where the list of pairs of a database is written, one `name0 name1` a line, as COLMAP and hloc read it."""
    return Path(path).with_name(Path(path).stem + "_pairs.txt")


def fits_pairs_list(name: str) -> bool:
    """Tell whether COLMAP's list of pairs can hold a name; it would leave pairs of others out unsaid.

    A line there is two names with a space between them; one that begins with # is a comment.
    """
    return not name.startswith("#") and name.split() == [name]


def write_database(
    path: str | Path,
    features: h5py.File,
    names: Sequence[str],
    overlap: int | None = None,
    camera_of: Callable[[str], str] = lambda name: name,
    on_pair: Callable[[], None] = lambda: None,
) -> int:
    """Write the pictures `names` of a feature file, and the matches of their pairs; return how many matches.

    Names must be in the order in which `overlap` counts neighbours. New pictures with equal `camera_of(name)` and size
    share a camera. The database has the name `<path>.unfinished` until it is complete. One of either name that holds
    some of the pictures is added to, COLMAP's own too: its images, cameras and keypoints stay, pictures without
    keypoints get them, pairs that are in it are not matched again. The list of pairs is written if it can hold all
    names. `on_pair` is called after each pair; it may raise. Raises ValueError, and changes nothing, for features
    without descriptors or a database with none of the pictures, other keypoints or sizes; WriteError if the disk
    refuses.
    """
    final = Path(path)
    storage.remove_unfinished_of(pairs_path(final))
    working = final if final.exists() else final.with_name(final.name + ".unfinished")
    with storage.writing(working):
        working.parent.mkdir(parents=True, exist_ok=True)
    try:
        connection = sqlite3.connect(working)
        try:
            if working == final:
                _check_is_colmap(connection, final)
            with connection:
                connection.executescript(_SCHEMA)
                identifiers = _write_pictures(connection, working, features, names, camera_of)
            total = _write_matches(connection, features, names, identifiers, overlap, on_pair)
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if any(refusal in str(error) for refusal in _DISK_REFUSES):
            raise storage.WriteError(working, OSError(str(error))) from error
        raise ValueError(f"{working}: not a database that can be written ({error}); name another file") from error
    if all(fits_pairs_list(name) for name in names):
        lines = (f"{names[first]} {names[second]}\n" for first, second in pairs_of(len(names), overlap))
        storage.write_bytes(pairs_path(final), "".join(lines).encode())
    else:
        pairs_path(final).unlink(missing_ok=True)  # one of before would leave pairs out
    if working != final:
        with storage.writing(final):
            operating_system.replace(working, final)
    return total


def _check_is_colmap(connection: sqlite3.Connection, path: Path) -> None:
    if (tables := _tables(connection)) and not {"cameras", "images", "keypoints", "matches"} <= tables:
        raise ValueError(f"{path}: a database, but not COLMAP's (it has {min(tables)}); name another file")


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def _write_pictures(
    connection: sqlite3.Connection,
    path: Path,
    features: h5py.File,
    names: Sequence[str],
    camera_of: Callable[[str], str],
) -> dict[str, int]:
    """Add cameras, images and keypoints that are not there; return the number of each image by its name."""
    there = dict(connection.execute("SELECT name, image_id FROM images"))
    if there and not there.keys() & {*names}:
        raise ValueError(f"{path}: holds other pictures ({min(there)} ...); move it or name another file")
    cameras: dict[tuple[str, int, int], int] = {}
    for name in sorted(there.keys() & {*names}, key=there.__getitem__):
        camera_id, width, height = _camera_of_image(connection, there[name])
        cameras.setdefault((camera_of(name), width, height), camera_id)
    described = dict(connection.execute("SELECT image_id, rows FROM keypoints"))
    for name in names:
        found, image_shape = read_features(features, name)
        if found.descriptors is None or image_shape is None:
            raise ValueError(f"{features.filename}: {name} has no descriptors or no size; nothing can be matched")
        height, width = image_shape
        if name not in there:
            shared = (camera_of(name), width, height)
            if shared not in cameras:
                cameras[shared] = _write_camera(connection, width, height)
            there[name] = _write_image(connection, name, cameras[shared])
        else:
            _check_size(connection, path, name, there[name], (width, height))
        points = _columns(found)
        if described.get(there[name]):
            _check_same(connection, path, name, there[name], points)
        else:
            _forget_empty_matches(connection, there[name])
            values = (there[name], *points.shape, points.tobytes())
            connection.execute(
                "INSERT OR REPLACE INTO keypoints(image_id, rows, cols, data) VALUES (?, ?, ?, ?)", values
            )
    return there


def _forget_empty_matches(connection: sqlite3.Connection, image_id: int) -> None:
    """Delete that an image without keypoints had no matches: it gets keypoints now."""
    own = (_MAX_IMAGE_ID, image_id, _MAX_IMAGE_ID, image_id)
    for table in ("matches", "two_view_geometries"):
        connection.execute(f"DELETE FROM {table} WHERE rows = 0 AND (pair_id / ? = ? OR pair_id % ? = ?)", own)


def _camera_of_image(connection: sqlite3.Connection, image_id: int) -> tuple[int, int, int]:
    """Return number, width and height of an image's camera."""
    query = "SELECT camera_id, width, height FROM cameras JOIN images USING (camera_id) WHERE image_id = ?"
    row = connection.execute(query, (image_id,)).fetchone()
    return row if row is not None else (0, 0, 0)


def _write_image(connection: sqlite3.Connection, name: str, camera_id: int) -> int:
    """Add an image, and where this database has them its frame; return its number."""
    row = connection.execute("INSERT INTO images(name, camera_id) VALUES (?, ?)", (name, camera_id))
    image_id = int(row.lastrowid or 0)
    if _has_rigs(connection):
        rig_id = _rig_of_camera(connection, camera_id)
        frame_id = connection.execute("INSERT INTO frames(rig_id) VALUES (?)", (rig_id,)).lastrowid
        values = (frame_id, image_id, camera_id, _CAMERA_SENSOR)
        connection.execute(
            "INSERT INTO frame_data(frame_id, data_id, sensor_id, sensor_type) VALUES (?, ?, ?, ?)", values
        )
    return image_id


def _has_rigs(connection: sqlite3.Connection) -> bool:
    """Tell whether this is a database of COLMAP 4 that has a rig for each camera and a frame for each image.

    One of ours that it has opened has the tables, and nothing in them: COLMAP makes rigs and frames when it maps, of
    all images or of none.
    """
    if not {"rigs", "rig_sensors", "frames", "frame_data"} <= _tables(connection):
        return False
    return connection.execute("SELECT 1 FROM frames LIMIT 1").fetchone() is not None


def _rig_of_camera(connection: sqlite3.Connection, camera_id: int) -> int:
    """Return the rig that a camera is in, a new one for a camera that is in none."""
    row = connection.execute(
        "SELECT rig_id FROM rigs WHERE ref_sensor_id = :camera AND ref_sensor_type = :kind "
        "UNION SELECT rig_id FROM rig_sensors WHERE sensor_id = :camera AND sensor_type = :kind",
        {"camera": camera_id, "kind": _CAMERA_SENSOR},
    ).fetchone()
    if row is not None:
        return int(row[0])
    query = "INSERT INTO rigs(ref_sensor_id, ref_sensor_type) VALUES (?, ?)"
    return int(connection.execute(query, (camera_id, _CAMERA_SENSOR)).lastrowid or 0)


def _check_size(connection: sqlite3.Connection, path: Path, name: str, image_id: int, size: tuple[int, int]) -> None:
    _, *there = _camera_of_image(connection, image_id)
    if tuple(there) != size:
        sizes = f"{there[0]}x{there[1]} there, {size[0]}x{size[1]} in the features"
        raise ValueError(f"{path}: the camera of {name} is of {sizes}; extract from the very pictures of this database")


def _columns(features: Features) -> np.ndarray:
    """Return keypoints as COLMAP has them, float32 (N, 2), or (N, 4) where they have sizes."""
    points = features.keypoints + np.float32(PIXEL_SHIFT)
    if features.sizes is not None:
        degrees = np.zeros(len(points)) if features.angles_deg is None else features.angles_deg
        radians = np.deg2rad(np.where(degrees == NO_ANGLE, 0.0, degrees))
        points = np.column_stack([points, features.sizes / 2, radians])
    return np.ascontiguousarray(points, np.float32)


def _check_same(connection: sqlite3.Connection, path: Path, name: str, image_id: int, points: np.ndarray) -> None:
    query = "SELECT rows, cols, data FROM keypoints WHERE image_id = ?"
    row = connection.execute(query, (image_id,)).fetchone()
    if row[:2] != points.shape or bytes(row[2] or b"") != points.tobytes():
        raise ValueError(f"{path}: {name} has other keypoints there; move the database or name another file")


def _write_camera(connection: sqlite3.Connection, width: int, height: int) -> int:
    parameters = np.array([_FOCAL_LENGTH * max(width, height), width / 2, height / 2, 0.0], np.float64)
    row = connection.execute(
        "INSERT INTO cameras(model, width, height, params, prior_focal_length) VALUES (?, ?, ?, ?, 0)",
        (_SIMPLE_RADIAL, width, height, parameters.tobytes()),
    )
    return int(row.lastrowid or 0)


def _write_matches(
    connection: sqlite3.Connection,
    features: h5py.File,
    names: Sequence[str],
    identifiers: dict[str, int],
    overlap: int | None,
    on_pair: Callable[[], None],
) -> int:
    """Match the pairs that are not there, saving now and then; return the number of matches of all."""
    there = dict(connection.execute("SELECT pair_id, rows FROM matches"))
    total, unsaved, held = 0, 0, (-1, Features(np.zeros((0, 2)), np.zeros(0)))
    try:
        for first, second in pairs_of(len(names), overlap):
            ids = (identifiers[names[first]], identifiers[names[second]])
            number = pair_id(*ids)
            if number not in there:
                if held[0] != first:
                    held = (first, read_features(features, names[first])[0])
                matches = _match(held[1], read_features(features, names[second])[0])
                matches = matches if ids[0] < ids[1] else matches[:, ::-1]
                data = np.ascontiguousarray(matches, np.uint32).tobytes()
                insert = "INSERT INTO matches(pair_id, rows, cols, data) VALUES (?, ?, 2, ?)"
                connection.execute(insert, (number, len(matches), data))
                there[number], unsaved = len(matches), unsaved + 1
            total += there[number]
            if unsaved >= _PAIRS_A_COMMIT:
                connection.commit()
                unsaved = 0
            on_pair()
    finally:
        connection.commit()
    return total


def _match(features0: Features, features1: Features) -> np.ndarray:
    assert features0.descriptors is not None and features1.descriptors is not None  # checked with the pictures
    return match_descriptors(features0.descriptors, features1.descriptors)
