"""What `match` does: align two picture files, say what was found, and write what was asked for."""

from __future__ import annotations

import os

import numpy as np

from superpoint_tf.data.photographs.masked_photographs import PhotographReading
from superpoint_tf.data.photographs.reading import PhotographError, decode_grey_and_colour, read_photograph_bytes
from superpoint_tf.data.photographs.stretch import looks_narrow, say_narrow
from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console
from superpoint_tf.using.extractor import AnyExtractor
from superpoint_tf.using.figure import draw_alignment
from superpoint_tf.using.picture_sources import common_folder
from superpoint_tf.using.pictures import AS_THEY_ARE
from superpoint_tf.using.two_views import NoHomography, align, format_homography, save_matches
from superpoint_tf.using.views import VIEWS


def match_pictures(
    path0: str,
    path1: str,
    extractor: AnyExtractor,
    console: Console,
    ratio: float | None = None,
    threshold_px: float = 3.0,
    figure: str | None = None,
    matches: str | None = None,
    panorama: str | None = None,
    homography: bool = False,
    views: str = "",
    reading: PhotographReading = AS_THEY_ARE,
) -> None:
    """Align two picture files and print keypoints, matches and inliers.

    Writes a `figure` (PNG), the `matches` (.npz or .txt), a `panorama` (PNG), and deletes what killed calls left of
    them; with `homography` prints the matrix. `views` is that of `align`; masks go by the names below the folder that
    both pictures share, as `extract` names them. Raises NoHomography if one is needed and the matches agree on none,
    after the rest is written; ValueError for a file that cannot be read, PictureTooLarge, PanoramaTooLarge.
    """
    for output in filter(None, (figure, matches, panorama)):
        storage.remove_unfinished_of(output)
    paths = (path0, path1)
    folder = common_folder([_folder(path) for path in paths]) if reading.masks else ""
    try:
        (image0, picture0, mask0), (image1, picture1, mask1) = (
            _read(path, storage.relative(path, folder) if folder else path, reading, console) for path in paths
        )
    except PhotographError as error:  # a wrong argument here, where only two are named
        raise ValueError(str(error)) from error
    if views:
        chosen = VIEWS[views]
        pairs = len(chosen.of_first) * len(chosen.of_second)
        console.line("plan", f"{views}: {chosen.num_extractions} extractions, {pairs} pairs of views to match")
    found = align(extractor, image0, image1, ratio, threshold_px, views, (mask0, mask1))
    for path, image, features in ((path0, image0, found.features0), (path1, image1, found.features1)):
        if looks_narrow(image, len(features.keypoints)):
            console.line("hint", say_narrow(path))
    counts = f"{len(found.features0.keypoints)} and {len(found.features1.keypoints)} keypoints"
    inliers = f"no homography: {found.reason}" if found.reason else f"{int(found.inliers.sum())} inliers"
    console.line("match", f"{counts} | {len(found.matches)} matches | {inliers}")
    if matches:
        save_matches(matches, found)
        console.line("match", f"matches in {matches}")
    if figure:
        title = ", ".join(storage.as_path(path).name for path in paths)
        save_png(figure, draw_alignment(title, picture0, picture1, found))
        console.line("match", f"look at {figure}")
    if not (homography or panorama):
        return
    if found.homography_0to1 is None:
        views_hint = "; turned or seen aslant? try --views rotations, or tilts" if not views else ""
        raise NoHomography(f"{path0} and {path1}: no homography, {found.reason}{views_hint}")
    if homography:
        console.line("match", f"homography from {path0} to {path1}, xy in pixels:")
        print("\n".join(format_homography(found.homography_0to1)))
    if panorama:
        from superpoint_tf.using.panorama import stitch  # TensorFlow's warps, which nothing else here needs

        save_png(panorama, stitch(picture0, picture1, found.homography_0to1))
        console.line("match", f"look at {panorama}")


def _folder(path: str) -> str:
    return str(storage.as_path(path if storage.is_remote(path) else os.path.abspath(path)).parent)


def _read(
    path: str, name: str, reading: PhotographReading, console: Console
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Return a picture in grey and in colour, and its mask; say where there is none. Raises PhotographError."""
    content = read_photograph_bytes(path)
    grey, colour = decode_grey_and_colour(content, path, reading.stretch)
    mask_path = reading.mask_path(name)
    if reading.masks and mask_path is None:
        console.line("warn", f"{path}: no mask {reading.masks}/{name}.png; it is used as a whole")
    return grey, colour, reading.mask(mask_path, content, path, grey.shape)
