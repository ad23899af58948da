"""What `match --disparity` does: match the pixels of a rectified pair of picture files and write their disparities."""

from __future__ import annotations

import numpy as np

from superpoint_tf.config.stretch import NO_STRETCH
from superpoint_tf.data.photographs.reading import PhotographError, read_photograph
from superpoint_tf.data.stereo.disparity_files import default_view, save_disparity
from superpoint_tf.drawing.visualization import save_png
from superpoint_tf.models.stereo_model import StereoModel
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.progress import Console
from superpoint_tf.stereo.coloured import colour_disparity


def write_disparities(
    path0: str,
    path1: str,
    weights: str,
    output: str,
    num_disparities: int,
    console: Console,
    view: str = "",
    stretch: str = NO_STRETCH,
) -> None:
    """Match the left and the right picture file of a rectified pair by a stereo network.

    Writes the disparities of the left one (`.png` of 16 bits times 256, `.pfm` or `.npy`) and, in colours, a `view`
    (PNG; "": beside it). Raises ValueError for a file that cannot be read or for differing sizes, WeightsError for
    weights of another kind.
    """
    view = view or default_view(output)
    for each in (output, view):
        storage.remove_unfinished_of(each)
    try:
        left, right = read_photograph(path0, stretch), read_photograph(path1, stretch)
    except PhotographError as error:
        raise ValueError(str(error)) from error
    model = StereoModel.from_pretrained(weights)
    found = model.match(left, right, num_disparities)
    shown = np.quantile(found.disparity, 0.99)
    console.line("match", f"{model.system} | disparities to {shown:.1f} px | {found.agreement:.0%} of the pixels agree")
    if rows := model.rows_apart(left, right, num_disparities):
        console.line(
            "warn",
            f"{path1} fits {path0} better {abs(rows)} rows {'lower' if rows > 0 else 'higher'}: are they the left and "
            "the right picture of one rectified pair (the same point in the same row)? If not, rectify them first",
        )
    save_disparity(output, found.disparity)
    save_png(view, colour_disparity(found.disparity))
    console.line("match", f"disparities in {output} | look at {view}")
