"""Who made the labels of a folder, our adaptation or another program, and so what to do when they cannot be used."""

from __future__ import annotations

from superpoint_tf.data.labels.label_places import index_path, split_archived
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.invocation import how_to_run

IDENTITY_FILE = "adaptation.json"  # marks a label folder; says what it is made from and how many rounds are wanted


def is_imported(place: str) -> bool:
    """Tell whether a label folder, or that of a file in one, was imported: no detector made it."""
    folder = place
    while folder:
        try:
            plan = storage.read_json(storage.join(folder, IDENTITY_FILE))
        except (OSError, ValueError):  # not here, or damaged
            folder = folder.rpartition("/")[0]
        else:
            return isinstance(plan, dict) and plan.get("detector_sha256") == ""
    return False


def how_to_label(place: str) -> str:
    """Return what makes the labels of a folder, or a file in one, again."""
    if is_imported(place):
        return f"import them again ({how_to_run('import_labels')} ... --overwrite)"
    return f"run {how_to_run('homographic_adapt')} again"


def remedy(path: str) -> str:
    """Return what to do about a file in a label folder that cannot be used."""
    if is_imported(path):
        return how_to_label(path)
    archive, _ = split_archived(path)
    return f"delete {index_path(archive) if archive else 'it'} and {how_to_label(path)}"
