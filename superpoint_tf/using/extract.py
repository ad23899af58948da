"""Extract a batch of pictures into a feature file: what is finished is skipped, what cannot be used is named."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.masked_photographs import PhotographReading
from superpoint_tf.data.photographs.reading import PhotographError
from superpoint_tf.data.photographs.stretch import say_narrow
from superpoint_tf.data.photographs.videos import FrameFolder
from superpoint_tf.features.feature_archive import FeatureArchive
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.interruption import Finished, StopRequest
from superpoint_tf.runtime.progress import Console, Progress, format_bytes, format_duration
from superpoint_tf.using.extractor import AnyExtractor
from superpoint_tf.using.picture_extraction import ExtractionCluster, Found, Reading, find_here, find_on_cluster
from superpoint_tf.using.picture_sources import Source
from superpoint_tf.using.pictures import AS_THEY_ARE, count_pictures, first_digest


@dataclass
class Extraction:
    """What came of a batch."""

    names: list[str] = field(default_factory=list)  # of the pictures in the file, in the order of the sources
    left_out: list[str] = field(default_factory=list)  # `path: reason`
    num_extracted: int = 0
    num_keypoints: int = 0  # of those extracted now
    unmasked: list[str] = field(default_factory=list)  # names of the pictures that have no mask
    narrow: list[str] = field(default_factory=list)  # names of those with hardly a keypoint and few grey levels

    def add(self, found: Found) -> None:
        """Count a picture that was there already or is there now."""
        name = found.picture.name
        self.names.append(name)
        if not found.picture.has_mask:
            self.unmasked.append(name)
        if found.features is not None:
            self.num_extracted += 1
            self.num_keypoints += len(found.features.keypoints)
        if found.is_narrow:
            self.narrow.append(name)

    @property
    def keypoints_per_image(self) -> float:
        """Return the mean over the pictures extracted now."""
        return self.num_keypoints / max(self.num_extracted, 1)


def extract_batch(
    sources: Sequence[Source],
    extractor: AnyExtractor,
    output: str | Path,
    console: Console,
    every: int = 1,
    strict: bool = False,
    overwrite: bool = False,
    frames: FrameFolder | None = None,
    reading: PhotographReading = AS_THEY_ARE,
    cluster: ExtractionCluster | None = None,
) -> Extraction:
    """Extract every picture of `sources` into the file `output`, and write the frames of videos into `frames`.

    On a `cluster` its workers read and extract, in this process the file is written. The file is the same.

    No keypoint lies where a picture's mask is black; features of a picture whose mask changed are made anew. Raises
    PhotographError for the first that cannot be used if `strict`, ValueError if none can be, and for an `output` that
    cannot be continued (see FeatureArchive) or has a name from another file, Interrupted after Ctrl-C or SIGTERM,
    Finished if that came with the last picture.
    """
    began, result = time.monotonic(), Extraction()
    identity = extractor.identity
    if reading.stretch != NO_STRETCH:  # feature files of before, which had none, are those of today
        identity = identity | {"stretch": reading.stretch}
    with (
        FeatureArchive(output, identity, overwrite) as archive,
        StopRequest() as stop,
        Progress(
            count_pictures(sources, every), "feat", "pictures", console=console, in_bursts=cluster is not None
        ) as progress,
    ):
        _check_names(sources, archive, reading)
        what, stopped = (Reading(sources, every, frames, reading), archive.digests), f"{output}: stopped"
        if cluster is None:
            all_found = find_here(*what, extractor, stop, stopped)
        else:
            all_found = find_on_cluster(cluster, *what, extractor.identity, stop, stopped)
        for found in all_found:
            picture = found.picture
            if picture.error:
                error = PhotographError(picture.path, picture.error)
                if strict:
                    raise error
                result.left_out.append(str(error))
            else:
                if found.features is not None:
                    archive.write(picture.name, found.features, found.shape, picture.sha256, picture.path)
                result.add(found)
            figures = {"kp/img": result.keypoints_per_image} if result.num_extracted else {}
            progress.update(1, **figures)
    _report(result, output, time.monotonic() - began, console)
    _report_masks(result, reading.masks, console)
    if result.narrow:
        console.line("hint", say_narrow(result.narrow[0], len(result.narrow)))
    stop.raise_if_requested(f"{output}: finished", Finished)
    return result


def _report_masks(result: Extraction, masks: str, console: Console) -> None:
    if not masks:
        return
    total, whole = len(result.names), result.unmasked
    console.line("masks", f"{total - len(whole)} of {total} pictures have a mask in {masks}")
    if len(whole) == total:
        console.line("warn", f"masks lie by the pictures' names with .png behind: {masks}/{whole[0]}.png")
    elif whole:
        console.line("warn", f"{len(whole)} without a mask are used as a whole: {whole[0]}{' ...' * (len(whole) > 1)}")


def _check_names(sources: Sequence[Source], archive: FeatureArchive, reading: PhotographReading) -> None:
    """Raise ValueError if a name belongs to another file than the one whose features are there.

    Two folders may hold different pictures of one name; the later would silently take the earlier's place. A file that
    was moved and is the same, or that was changed where it is, is no such case.
    """
    clashes = [(source, place) for source in sources if (place := _other_place(source, archive, reading))]
    if clashes:
        (source, place), more = clashes[0], len(clashes) - 1
        also = f" (and {more} more names)" if more else ""
        raise ValueError(
            f"{archive.path}: has {source.name} from {place}, which is not {source.path}{also}; name both folders in "
            "one command, so that names begin with the folder's, choose another --output, or delete the file"
        )


def _other_place(source: Source, archive: FeatureArchive, reading: PhotographReading) -> str:
    """Return the other file that a name belongs to, empty for none."""
    name = source.frame_name(0) if source.is_video else source.name
    place = archive.place(name)
    if place in ("", source.path) or not storage.as_path(source.path).is_file():
        return ""
    try:
        return "" if archive.has(name, first_digest(source, reading)) else place
    except (OSError, PhotographError):  # cannot be read: left out and named in its turn
        return ""


def _report(result: Extraction, output: str | Path, seconds: float, console: Console) -> None:
    """Say what was done and name what was left out; raises ValueError if nothing could be used."""
    if not result.names:
        raise ValueError(f"no picture could be used: {'; '.join(result.left_out)}")
    counts = [f"{result.num_extracted} extracted in {format_duration(seconds)}"]
    if result.num_extracted:
        counts.append(f"{result.keypoints_per_image:.1f} keypoints each")
    counts.append(f"{len(result.names) - result.num_extracted} were there")
    counts.append(f"{len(result.left_out)} left out")
    console.line("feat", f"{output}: {format_bytes(Path(output).stat().st_size)} | {', '.join(counts)}")
    for line in result.left_out:
        console.line("left", line)
