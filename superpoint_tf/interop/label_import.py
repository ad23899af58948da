"""Points that others found, or marked by hand, as a label folder that training takes."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from superpoint_tf.cluster.cluster import chunks
from superpoint_tf.config import Config
from superpoint_tf.config.config_files import config_to_dict
from superpoint_tf.data.labels.label_arrays import LABEL_FORMAT
from superpoint_tf.data.labels.label_chunks import ChunkIndex, write_chunk
from superpoint_tf.data.labels.label_places import archive_path
from superpoint_tf.data.labels.label_votes import votes_before_format_2
from superpoint_tf.data.labels.labels import (
    IDENTITY_FILE,
    IMPORTED,
    LABEL_STORE,
    Label,
    LabelManifest,
    add_digests,
    count_labels,
    digest_label,
    encode_label,
    write_manifest,
)
from superpoint_tf.data.labels.photograph_chunks import chunk_size, list_sha256
from superpoint_tf.data.photographs.photograph_sets import PhotographSet
from superpoint_tf.data.photographs.reading import (
    PhotographError,
    cover_and_crop,
    decode_photograph,
    printable_name,
    read_photograph,
    read_photograph_bytes,
)
from superpoint_tf.drawing.figures import figure_detections
from superpoint_tf.drawing.layout import stack
from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.geometry.numpy_reference import warp_points_numpy
from superpoint_tf.interop.point_files import read_points
from superpoint_tf.interop.point_frames import PointFrame
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console, Progress

_ROUND = 1
_NUM_FIGURES = 4
_PART_SEEN, _POINTS_TO_TELL = 0.7, 50


class LabelImportError(ValueError):
    """Points that cannot become labels; the message names the file and the remedy."""


@dataclass(frozen=True)
class LabelImport:
    """What is imported: files of points by the photograph that they are of, and how they are to be read."""

    config: Config
    photographs: PhotographSet  # those of `train` that have points are labelled, `validation` is held out
    files: dict[str, str]  # path of the file of points by photograph
    output: str  # label folder
    frame: PointFrame
    order: str = ""  # see `read_points`
    strict: bool = False  # a photograph that cannot be read is an error


class _Found(NamedTuple):
    """The points of a photograph, in its frame of labels."""

    name: str
    keypoints: np.ndarray
    scores: np.ndarray
    image_to_label: np.ndarray
    file_shape: tuple[int, int]
    sha256: str
    reach: np.ndarray  # (2,), the farthest point as a share of width and height
    num_beyond: int = 0  # points outside the part of the picture that the frame shows
    error: str = ""


def import_labels(request: LabelImport, console: Console, overwrite: bool = False) -> LabelManifest:
    """Check all files, then write labels, a figure and the manifest; nothing is written if any file is refused.

    Raises LabelImportError for points outside their picture, none that fits, or a folder that holds something else;
    PhotographError with `strict`.
    """
    _check_output(request.output, overwrite)
    names = [name for name in request.photographs.train if name in request.files]
    if not names:
        raise LabelImportError(
            f"{request.photographs.root}: the photographs with labels ({', '.join(list(request.files)[:3])}) are held "
            "out for validation, none is left to train on; give more of them, or name a sub-folder of others: "
            "--set photographs.validation=FOLDER"
        )
    with ThreadPoolExecutor(8) as pool, Progress(len(names), "check", "photographs", console=console) as progress:
        found = []
        for item in pool.map(lambda name: _find(request, name), names):
            found.append(item)
            progress.update()
    usable = [item for item in found if not item.error]
    if not usable:
        reasons = [f"{item.name}: {item.error}" for item in found[:3]]
        raise LabelImportError(f"{request.photographs.root}: none of {len(names)} photographs can be read: {reasons}")
    if not any(len(item.keypoints) for item in usable):
        beyond, shape = sum(item.num_beyond for item in usable), request.config.photographs.image_shape
        raise LabelImportError(
            f"no point is left of {len(usable)} photographs: {beyond} lie outside the middle that image_shape "
            f"{list(shape)} shows of them, once scaled until it is covered; give points, or another shape"
        )
    if overwrite:
        storage.remove_tree(request.output, marker=IDENTITY_FILE)
    storage.write_json(storage.join(request.output, IDENTITY_FILE), _identity(request))
    size = chunk_size(len(found), request.config.adaptation.labels_per_file)
    indexes = [_save(request, number, items) for number, items in enumerate(chunks(found, size))]
    _draw(request, usable)
    manifest = _manifest(request, indexes)
    write_manifest(request.output, manifest)  # last: it makes the folder a whole one
    _warn(usable, console)
    return manifest


def _check_output(output: str, overwrite: bool) -> None:
    if not storage.exists(output) or not storage.list_folder(output):
        return
    if not storage.exists(storage.join(output, IDENTITY_FILE)):
        raise LabelImportError(f"{output}: not empty and not a label folder; choose another --output")
    if not overwrite:
        raise LabelImportError(f"{output}: holds labels; choose another --output, or pass --overwrite to replace them")


def _find(request: LabelImport, name: str) -> _Found:
    path, shape = storage.join(request.photographs.root, name), request.config.photographs.image_shape
    try:
        content = read_photograph_bytes(path)
        picture = decode_photograph(content, path, request.config.photographs.stretch)
    except PhotographError as error:
        if request.strict:
            raise
        nothing = np.zeros((0, 2))
        shown = printable_name(name)  # what is left out is stored as text
        return _Found(shown, nothing, nothing, np.eye(3), (0, 0), "", np.zeros(2), error=str(error.reason))
    file_shape = (picture.shape[0], picture.shape[1])
    points = read_points(request.files[name], request.order)
    problem = request.frame.misfit(points.keypoints, file_shape)
    if problem:
        raise LabelImportError(f"{request.files[name]}: {problem}")
    _, image_to_label = cover_and_crop(picture, shape)
    keypoints = warp_points_numpy(request.frame.to_file(points.keypoints, file_shape), image_to_label)
    inside = ((keypoints >= -0.5) & (keypoints < np.array(shape[::-1]) - 0.5)).all(axis=1)
    reach = points.keypoints.max(axis=0, initial=0) / np.array(request.frame.shape(file_shape)[::-1])
    sha256 = storage.sha256(content)
    beyond = int(np.count_nonzero(~inside))
    return _Found(name, keypoints[inside], points.scores[inside], image_to_label, file_shape, sha256, reach, beyond)


def _save(request: LabelImport, chunk: int, items: Sequence[_Found]) -> ChunkIndex:
    usable = [item for item in items if not item.error]
    labels = {item.name: encode_label(_label(request, item)) for item in usable}
    counts, left_out = [len(item.keypoints) for item in usable], {item.name: item.error for item in items if item.error}
    return write_chunk(archive_path(request.output, _ROUND, chunk), "", labels, counts, left_out)


def _label(request: LabelImport, item: _Found) -> Label:
    shape = request.config.photographs.image_shape
    votes = request.frame.known(item.image_to_label, item.file_shape, shape)
    order = np.argsort(-item.scores, kind="stable")
    return Label(
        item.keypoints[order].astype(np.float32),
        item.scores[order].astype(np.float32),
        shape,
        item.image_to_label,
        item.sha256,
        votes=np.minimum(votes, votes_before_format_2(shape)),
    )


def _identity(request: LabelImport) -> dict[str, Any]:
    return {
        "rounds": _ROUND,
        "detector_sha256": "",
        "photographs_sha256": list_sha256(request.photographs.train, request.photographs.validation),
        "label_format": LABEL_FORMAT,
        "label_store": LABEL_STORE,
        "config": config_to_dict(request.config),
    }


def _manifest(request: LabelImport, indexes: Sequence[ChunkIndex]) -> LabelManifest:
    counts = [len(index.photographs) for index in indexes]
    left_out = [{"path": name, "reason": reason} for index in indexes for name, reason in index.left_out.items()]
    digests = add_digests(digest_label(label.photograph, label.sha256) for index in indexes for label in index)
    keypoints = sum(int(index.num_keypoints.sum()) for index in indexes)
    return LabelManifest(
        image_root=request.photographs.root,
        final_round=_ROUND,
        rounds=(_ROUND,),
        detector={"path": IMPORTED, "sha256": ""},
        config=config_to_dict(request.config),
        counts=count_labels(sum(counts), keypoints, digests, left_out, len(left_out)),
        validation=request.photographs.validation,
        chunks=tuple(counts),
    )


def _draw(request: LabelImport, usable: Sequence[_Found]) -> None:
    """Draw the labels of some photographs, spread evenly over the list: a look tells what no check can."""
    rows = []
    for index in np.unique(np.linspace(0, len(usable) - 1, _NUM_FIGURES).astype(int)):
        item = usable[index]
        path = storage.join(request.photographs.root, item.name)
        picture = read_photograph(path, request.config.photographs.stretch)
        frame, _ = cover_and_crop(picture, request.config.photographs.image_shape)
        rows.append(figure_detections(frame, item.keypoints, title=Path(item.name).name))
    save_png(figure_path(request.output), stack(rows))


def figure_path(output: str) -> str:
    """Return where the figure of some labels lies."""
    return storage.join(output, "figures", f"round_{_ROUND}.png")


def _warn(usable: Sequence[_Found], console: Console) -> None:
    """Say how many points the frame does not show, and if all lie in one part of the pictures, as of smaller ones."""
    beyond = sum(item.num_beyond for item in usable)
    if beyond:
        console.line(
            "left",
            f"{beyond} of {beyond + sum(len(item.keypoints) for item in usable)} points, outside the middle of their "
            "pictures that photographs.image_shape shows",
        )
    reach = np.max([item.reach for item in usable], axis=0)
    if (reach < _PART_SEEN).all() and sum(len(item.keypoints) for item in usable) >= _POINTS_TO_TELL:
        console.line(
            "warn",
            f"all points lie in the first {reach[0]:.0%} of the widths and {reach[1]:.0%} of the heights: if they were "
            "found in pictures of another size, import again with --scaled",
        )
