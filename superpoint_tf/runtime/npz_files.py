"""Reading .npz files from anywhere: nothing in them is executed, nothing is allocated that they do not hold."""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from typing import Any, Literal

import numpy as np

MAX_BYTES = 2**30  # unpacked, of all arrays; full-width weights take 5 MB
_LENGTH = {(1, 0): "<H", (2, 0): "<I"}  # of an array's header, by the version of the format
# NumPy's own reader parses the header as Python source; before Python 3.11.9 that may raise SystemError where another
# thread, TensorFlow's tracing, parses source at the same time.
_HEADER = re.compile(
    rb"\{'descr': '(?P<dtype>[<>|=]?[A-Za-z]\d{0,9})', 'fortran_order': (?P<fortran>True|False), "
    rb"'shape': \((?P<shape>(?:\d{1,19}(?:, \d{1,19})*,?)?)\), \} *\n"
)
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what NumPy writes


def unpack_npz(content: bytes) -> dict[str, np.ndarray]:
    """Return the arrays of a .npz.

    Every member is read to its end, where its checksum stands. Raises ValueError, or what zipfile raises, for damage,
    for pickles, and for what claims to be larger than MAX_BYTES, before any of it is unpacked.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = archive.infolist()
        claimed = sum(member.file_size for member in members)
        if claimed > MAX_BYTES:
            raise ValueError(f"{claimed} bytes when unpacked, more than the {MAX_BYTES} that are read")
        if content[-22:-18] != b"PK\5\6" or int.from_bytes(content[-12:-10], "little") != len(members):
            raise ValueError("its list of arrays is incomplete")  # zipfile does not count what it finds
        names = [member.filename.removesuffix(".npy") for member in members]
        if len(set(names)) < len(names):
            raise ValueError("two arrays of one name")
        if any(member.compress_type not in _METHODS for member in members):
            raise ValueError("packed by another method than NumPy's")
        return {name: _read_array(_unpack(archive, member)) for name, member in zip(names, members, strict=True)}


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes:
    with archive.open(member) as file:
        return file.read(member.file_size + 1)  # without a number it unpacks first and then cuts to the size claimed


def _read_array(content: bytes) -> np.ndarray:
    stream = io.BytesIO(content)
    version = np.lib.format.read_magic(stream)
    if version not in _LENGTH:
        raise ValueError(f"an array in format {version}")
    length = _LENGTH[version]
    (size,) = struct.unpack(length, stream.read(struct.calcsize(length)))
    header = _HEADER.fullmatch(stream.read(size))
    if header is None:
        raise ValueError("an array whose header is not of the form that NumPy writes")
    dtype, shape = _read_dtype(header["dtype"].decode()), tuple(map(int, re.findall(rb"\d+", header["shape"])))
    needed, there = math.prod(shape) * dtype.itemsize, len(content) - stream.tell()
    if needed != there:
        raise ValueError(f"an array of shape {shape} and type {dtype} in {there} bytes")
    order: Literal["C", "F"] = "F" if header["fortran"] == b"True" else "C"
    return np.ndarray(shape, dtype, content, stream.tell(), order=order).copy(order)


def _read_dtype(name: str) -> np.dtype[Any]:
    try:
        dtype = np.dtype(name)
    except TypeError as error:
        raise ValueError(f"an array of the unknown type {name}") from error
    if dtype.hasobject:
        raise ValueError("holds Python objects, which are not read")
    return dtype
