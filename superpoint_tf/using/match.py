"""What `match` does: align two picture files, say what was found, and write what was asked for."""

from __future__ import annotations

from pathlib import Path

from superpoint_tf.data.photographs.reading import PhotographError, read_grey_and_colour
from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console
from superpoint_tf.using.extractor import AnyExtractor
from superpoint_tf.using.figure import draw_alignment
from superpoint_tf.using.two_views import NoHomography, align, format_homography, save_matches


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
) -> None:
    """Align two picture files and print keypoints, matches and inliers.

    Writes a `figure` (PNG), the `matches` (.npz or .txt), a `panorama` (PNG), and deletes what killed calls left of
    them; with `homography` prints the matrix.
    Raises NoHomography if one is needed and the matches agree on none, after the rest is written; ValueError for a file
    that cannot be read, PictureTooLarge, PanoramaTooLarge.
    """
    for output in filter(None, (figure, matches, panorama)):
        storage.remove_unfinished_of(output)
    try:
        (image0, picture0), (image1, picture1) = read_grey_and_colour(path0), read_grey_and_colour(path1)
    except PhotographError as error:  # a wrong argument here, where only two are named
        raise ValueError(str(error)) from error
    found = align(extractor, image0, image1, ratio, threshold_px)
    counts = f"{len(found.features0.keypoints)} and {len(found.features1.keypoints)} keypoints"
    inliers = f"no homography: {found.reason}" if found.reason else f"{int(found.inliers.sum())} inliers"
    console.line("match", f"{counts} | {len(found.matches)} matches | {inliers}")
    if matches:
        save_matches(matches, found)
        console.line("match", f"matches in {matches}")
    if figure:
        save_png(figure, draw_alignment(f"{Path(path0).name}, {Path(path1).name}", picture0, picture1, found))
        console.line("match", f"look at {figure}")
    if not (homography or panorama):
        return
    if found.homography_0to1 is None:
        raise NoHomography(f"{path0} and {path1}: no homography, {found.reason}")
    if homography:
        console.line("match", f"homography from {path0} to {path1}, xy in pixels:")
        print("\n".join(format_homography(found.homography_0to1)))
    if panorama:
        from superpoint_tf.using.panorama import stitch  # TensorFlow's warps, which nothing else here needs

        save_png(panorama, stitch(picture0, picture1, found.homography_0to1))
        console.line("match", f"look at {panorama}")
