"""Features of pictures, one after the other in this process, or on a cluster in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from superpoint_tf import command_line
from superpoint_tf.cluster.cluster import Cluster, chunk_size, chunks
from superpoint_tf.cluster.worker import differs, unshared
from superpoint_tf.config.differences import differences
from superpoint_tf.data.photographs.masked_photographs import PhotographReading
from superpoint_tf.data.photographs.orientation import stored_shape, turn_back
from superpoint_tf.data.photographs.stretch import looks_narrow
from superpoint_tf.data.photographs.videos import FrameFolder
from superpoint_tf.features import Features
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.memory import PictureTooLarge
from superpoint_tf.using.extractor import AnyExtractor
from superpoint_tf.using.picture_sources import Source
from superpoint_tf.using.pictures import Picture, count_pictures, read_pictures

_CHUNK = 4  # pictures that a worker gets at once: 2048 keypoints with descriptors of 256 are 2 MB


class Reading(NamedTuple):
    """Which pictures are read, and how."""

    sources: Sequence[Source]
    every: int = 1  # frame of a video
    frames: FrameFolder | None = None  # that frames of videos are written to
    photographs: PhotographReading = PhotographReading()


class Found(NamedTuple):
    """What came of a picture."""

    picture: Picture  # its pixels left out; with its error if it cannot be used
    features: Features | None = None  # in its file's own pixels; None: they are there already
    shape: tuple[int, ...] = ()  # of the file's pixels
    is_narrow: bool = False  # with hardly a keypoint and few grey levels


class ExtractionCluster(NamedTuple):
    """A cluster, and how its workers open the extractor."""

    cluster: Cluster
    open_extractor: Callable[[], AnyExtractor]


def find_here(
    reading: Reading, digests: Mapping[str, str], extractor: AnyExtractor, stop: StopRequest, stopped: str
) -> Iterator[Found]:
    """Yield what comes of each picture; those whose digest is among those by name are done.

    Raises Interrupted with the message `stopped` when `stop` asks for it.
    """
    for picture in _read(reading, reading.sources, digests):
        stop.raise_if_requested(stopped)
        yield extract_picture(picture, extractor)


def _read(reading: Reading, sources: Sequence[Source], digests: Mapping[str, str]) -> Iterator[Picture]:
    def is_done(name: str, sha256: str) -> bool:
        return digests.get(name) == sha256

    return read_pictures(sources, is_done, reading.every, reading.frames, reading.photographs)


def extract_picture(picture: Picture, extractor: AnyExtractor) -> Found:
    """Return the features of a picture, if it has pixels, in its file's own."""
    if picture.error or picture.image is None:
        return Found(picture)
    image, bare = picture.image, picture._replace(image=None, mask=None)
    try:
        features = extractor(image, picture.mask)
    except PictureTooLarge as error:
        return Found(bare._replace(error=str(error)))
    is_narrow = looks_narrow(image, len(features.keypoints))
    turned = turn_back(features, image.shape, picture.orientation)
    return Found(bare, turned, stored_shape(image.shape, picture.orientation), is_narrow)


# ------------------------------------------------------------------------------------------------ on a cluster


class _Chunk(NamedTuple):
    """Pictures for a worker: files that it reads, frames of videos with their pixels; digests of what is done."""

    pictures: tuple[Source | Picture, ...]
    digests: dict[str, str]


def find_on_cluster(
    on: ExtractionCluster,
    reading: Reading,
    digests: Mapping[str, str],
    identity: Mapping[str, Any],
    stop: StopRequest,
    stopped: str,
) -> Iterator[Found]:
    """Do what `find_here` does, in workers whose extractors must be of this identity.

    Videos are read here, one frame after the other.
    """
    total = count_pictures(reading.sources, reading.every)
    size = chunk_size(total, on.cluster, _CHUNK)
    sent = reading._replace(sources=(), frames=None)
    example = next((source.path for source in reading.sources if not source.is_video), "")
    start = partial(_start_extracting, on.open_extractor, dict(identity), sent, example)
    items = (_chunk(pictures, digests) for pictures in chunks(_pictures(reading, digests), size))
    for found in on.cluster.map(start, items, -(-total // size), stop, stopped, _describe):
        yield from found


def _pictures(reading: Reading, digests: Mapping[str, str]) -> Iterator[Source | Picture]:
    for source in reading.sources:
        if source.is_video:
            yield from _read(reading, [source], digests)
        else:
            yield source


def _chunk(pictures: tuple[Source | Picture, ...], digests: Mapping[str, str]) -> _Chunk:
    return _Chunk(pictures, {each.name: digests[each.name] for each in pictures if each.name in digests})


def _describe(chunk: _Chunk) -> str:
    first, last = chunk.pictures[0].name, chunk.pictures[-1].name
    return first if first == last else f"{first} to {last}"


def _start_extracting(
    open_extractor: Callable[[], AnyExtractor], identity: dict[str, Any], reading: Reading, example: str
) -> Callable[[_Chunk], list[Found]]:
    """Return, in a worker, the function that extracts a chunk."""
    command_line.set_up_tensorflow(announce=False)
    for path in (example, reading.photographs.masks):
        if path and not storage.exists(path):
            raise unshared(path)
    extractor = open_extractor()
    if extractor.identity != identity:
        raise differs(f"the extractor is not the same ({'; '.join(differences(identity, extractor.identity))})")

    def extract(chunk: _Chunk) -> list[Found]:
        files = [each for each in chunk.pictures if isinstance(each, Source)]
        read = iter(_read(reading, files, chunk.digests))
        pictures = (next(read) if isinstance(each, Source) else each for each in chunk.pictures)
        return [extract_picture(picture, extractor) for picture in pictures]

    return extract
