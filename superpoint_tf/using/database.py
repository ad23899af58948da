"""From a feature file to a COLMAP database, with progress, and what to run next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from superpoint_tf.features.feature_files import open_features
from superpoint_tf.interop.colmap import count_pairs, fits_pairs_list, pairs_path, write_database
from superpoint_tf.runtime.interruption import StopRequest
from superpoint_tf.runtime.progress import Console, Progress
from superpoint_tf.using.picture_sources import Source

_MANY_PAIRS = 20_000  # from about here, half an hour on a laptop


def export_database(
    database: str | Path,
    features_path: str | Path,
    names: Sequence[str],
    sources: Sequence[Source],
    console: Console,
    overlap: int | None = None,
    single_camera: bool = False,
) -> None:
    """Write the pictures `names` of a feature file and the matches of their pairs as a COLMAP database.

    Frames of one video share a camera; with `single_camera` all pictures of a size do. Raises ValueError as
    `write_database` does, Interrupted after Ctrl-C or SIGTERM.
    """
    videos = {source.name for source in sources if source.is_video}

    def camera_of(name: str) -> str:
        folder = name.rpartition("/")[0]
        return "" if single_camera else folder if folder in videos else name

    pairs = count_pairs(len(names), overlap)
    if overlap is None and pairs > _MANY_PAIRS:
        console.line("plan", f"{pairs} pairs; of a sequence --colmap-overlap 10 matches neighbours alone")
    with (
        StopRequest() as stop,
        open_features(features_path) as features,
        Progress(pairs, "pairs", "pairs", console=console) as progress,
    ):

        def on_pair() -> None:
            progress.update()
            stop.raise_if_requested(f"{database}: stopped at pair {progress.done} of {pairs}")

        matches = write_database(database, features, names, overlap, camera_of, on_pair)
    console.line("feat", f"{database}: {len(names)} pictures, {pairs} pairs, {matches} matches")
    verify = f"verify_matches({str(database)!r}, {str(pairs_path(database))!r})"
    if not pairs_path(database).exists():
        strange = next(name for name in names if not fits_pairs_list(name))
        console.line("note", f"no list of pairs: COLMAP's cannot hold {strange!r}, with a space or a # in front")
        verify = f"geometric_verification({str(database)!r})"  # every pair with matches
    console.line("next", f'python -c "import pycolmap; pycolmap.{verify}"')
