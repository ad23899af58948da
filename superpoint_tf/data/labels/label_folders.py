"""Which label folder a training takes; found without TensorFlow."""

from __future__ import annotations

from superpoint_tf.config import Config, ConfigError
from superpoint_tf.data.labels.label_origin import how_to_label, is_imported
from superpoint_tf.data.labels.labels import IDENTITY_FILE, manifest_path, read_manifest, read_plan
from superpoint_tf.runtime import storage
from superpoint_tf.runtime.invocation import how_to_run

DEFAULT_LABELS = "labels/coco"


def find_labels(config: Config, named: str) -> str:
    """Return the label folder: the one that is named, else labels/<config name>, else labels/coco.

    Raises ConfigError if there is none, or if the adaptation that writes it has not finished its rounds.
    """
    candidates = [named] if named else [f"labels/{config.name}", DEFAULT_LABELS]
    command = f"{how_to_run('homographic_adapt')} --iters 2"
    for folder in candidates:
        if not storage.exists(storage.join(folder, IDENTITY_FILE)):
            continue
        wanted = read_plan(folder)["rounds"]
        done = read_manifest(folder).final_round if storage.exists(manifest_path(folder)) else 0
        if done < wanted:
            again = (
                how_to_label(folder)
                if is_imported(folder)
                else f"start the `{command}` that writes it again, to its end"
            )
            raise ConfigError(f"{folder}: {done} of {wanted} rounds are done; {again}")
        return folder
    looked_in = " or ".join(dict.fromkeys(candidates))
    raise ConfigError(
        f"no labels in {looked_in}; run `{command}` with the same --config first, "
        "or pass --labels with the folder that its --output named; for points of your own, "
        f"`{how_to_run('import_labels')}`"
    )
