"""What an .npz file from elsewhere can do: nothing but hold the arrays that its checksums vouch for."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from superpoint_tf.runtime import npz_files, storage

ARRAYS = {
    "a": np.arange(30, dtype=np.float32).reshape(6, 5) ** 2,
    "b": np.zeros((3, 2), np.float32),
    "text": np.array("some words"),
}
PICKLED: list[str] = []


def execute() -> None:
    PICKLED.append("executed")


class Bomb:
    """Its pickle calls a function when it is loaded."""

    def __reduce__(self) -> Any:
        return execute, ()


def load(folder: Path, content: bytes) -> dict[str, np.ndarray]:
    (folder / "x.npz").write_bytes(content)
    return storage.load_npz(folder / "x.npz")


def is_original(arrays: dict[str, np.ndarray]) -> bool:
    return arrays.keys() == ARRAYS.keys() and all(
        value.dtype == ARRAYS[name].dtype and np.array_equal(value, ARRAYS[name]) for name, value in arrays.items()
    )


def packed(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return buffer.getvalue()


def array_bytes(array: np.ndarray, **options: Any) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, **options)
    return buffer.getvalue()


def with_shape(shape: tuple[int, ...]) -> bytes:
    """Return the bytes of an array of 16 zeros whose header claims another shape."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "<f4", "fortran_order": False, "shape": shape})
    return buffer.getvalue() + bytes(64)


def test_whatever_numpy_writes_comes_back(tmp_path: Path):
    assert is_original(load(tmp_path, storage.npz_bytes(**ARRAYS)))
    np.savez(tmp_path / "plain.npz", **ARRAYS)
    assert is_original(storage.load_npz(tmp_path / "plain.npz"))


def test_no_flipped_bit_and_no_cut_gives_other_arrays_than_those_written(tmp_path: Path):
    content = storage.npz_bytes(**ARRAYS)
    for place in range(len(content)):
        for bit in (0, 3, 6):
            flipped = bytearray(content)
            flipped[place] ^= 1 << bit
            try:
                arrays = npz_files.unpack_npz(bytes(flipped))
            except Exception:
                continue
            assert is_original(arrays), (place, bit)  # a bit of a date, for example
    for length in range(0, len(content), 7):
        with pytest.raises(ValueError, match=r"x\.npz: damaged or not an \.npz file"):
            load(tmp_path, content[:length])


def test_a_pickle_is_refused_and_not_executed(tmp_path: Path):
    content = packed(a=array_bytes(np.array([Bomb()], object), allow_pickle=True))
    with pytest.raises(ValueError, match="holds Python objects, which are not read"):
        load(tmp_path, content)
    with pytest.raises(ValueError, match="damaged"):
        load(tmp_path, packed(a=b"cos\nsystem\n(S'true'\ntR."))  # a pickle where an array should be
    assert not PICKLED
    np.load(io.BytesIO(content), allow_pickle=True)["a"]
    assert PICKLED == ["executed"]  # it would have been


@pytest.mark.parametrize("shape", [(2**40,), (2**31, 2**31, 64), (-4, -4), (8,), (17,)])
def test_an_array_that_claims_another_size_is_refused_before_it_is_allocated(tmp_path: Path, shape: tuple[int, ...]):
    header = with_shape(shape)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="damaged"):
            load(tmp_path, packed(a=header))
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(npz_files, "MAX_BYTES", 10_000_000)
    content = packed(a=bytes(11_000_000))
    assert len(content) < 20_000
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="11000000 bytes when unpacked"):
            load(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_that_lies_about_its_size_unpacks_to_no_more_than_it_says(tmp_path: Path):
    content = packed(a=bytes(50_000_000)).replace(struct.pack("<I", 50_000_000), struct.pack("<I", 1000))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="damaged"):
            load(tmp_path, content)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_file_beyond_all_measure_is_refused_before_it_is_read(tmp_path: Path):
    with open(tmp_path / "huge.npz", "wb") as file:
        os.truncate(file.fileno(), 2**40)  # a terabyte of nothing
    with pytest.raises(ValueError, match=r"huge\.npz: 1099511627776 bytes are more than any"):
        storage.load_npz(tmp_path / "huge.npz")


def test_two_arrays_of_one_name_and_other_packings_are_refused(tmp_path: Path):
    buffer, array = io.BytesIO(), array_bytes(np.zeros(1))
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a.npy", array)
    with pytest.raises(ValueError, match="another method"):
        load(tmp_path, buffer.getvalue())
    twice = packed(a=array, b=array).replace(b"b.npy", b"a.npy")
    with pytest.raises(ValueError, match="two arrays of one name"):
        load(tmp_path, twice)


@pytest.mark.parametrize(
    "array",
    [np.float32(2.5), np.arange(6, dtype=">i2"), np.asfortranarray(ARRAYS["a"]), np.zeros((0, 3), bool), np.array("é")],
    ids=["a number", "another byte order", "column by column", "nothing", "text"],
)
def test_an_array_comes_back_as_numpy_reads_it(array: np.ndarray):
    stream = io.BytesIO()
    np.savez_compressed(stream, array=array)
    (read,) = npz_files.unpack_npz(stream.getvalue()).values()
    expected = np.load(io.BytesIO(stream.getvalue()))["array"]
    assert (read.dtype, read.shape, read.flags.f_contiguous) == (
        expected.dtype,
        expected.shape,
        expected.flags.f_contiguous,
    )
    np.testing.assert_array_equal(read, expected)
    assert read.flags.writeable


def test_no_header_is_parsed_as_python_source(monkeypatch: pytest.MonkeyPatch):
    content = storage.npz_bytes(**ARRAYS)
    monkeypatch.setattr("ast.literal_eval", None)
    assert npz_files.unpack_npz(content).keys() == ARRAYS.keys()


def test_a_header_of_endless_digits_is_refused_at_once():
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (" + b"1" * 50_000 + b" }\n"
    member = b"\x93NUMPY\x02\x00" + struct.pack("<I", len(header)) + header
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.npy", member)
    with pytest.raises(ValueError, match="header"):
        npz_files.unpack_npz(stream.getvalue())
