"""All stacks give the same numbers: today's run against a file that the reference stack (TensorFlow 2.15) wrote.

`python tests/test_both_stacks.py` writes that file anew, on the reference stack, after a change that is meant.
"""

from __future__ import annotations

import hashlib
import itertools
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import tensorflow as tf

from superpoint_tf import SuperPoint
from superpoint_tf.adaptation.aggregate import Adapter, image_seed
from superpoint_tf.config import SYNTHETIC_PHOTOMETRIC, AdaptationSection, Config, ConfigError
from superpoint_tf.config.config_files import build_config
from superpoint_tf.data.photographs.reading import cover_and_crop
from superpoint_tf.data.photometric_graph import change_pictures, photometric_seeds
from superpoint_tf.data.pipeline import BatchStream
from superpoint_tf.data.shapes.record_format import encode_sample
from superpoint_tf.data.shapes.shape_sources import GeneratedShapes
from superpoint_tf.data.views import to_unit
from superpoint_tf.detection.keypoints import detect_keypoints
from superpoint_tf.evaluation.methods.baselines import sift
from superpoint_tf.evaluation.pair_protocol import estimate_homography
from superpoint_tf.features.matching import match_descriptors
from superpoint_tf.models.patch_model import PatchModel
from superpoint_tf.networks.build import build_network
from superpoint_tf.networks.pretrained import pretrained_names
from superpoint_tf.networks.superpoint import named_variables
from superpoint_tf.networks.weights import load_network, load_weights
from superpoint_tf.runtime import storage
from superpoint_tf.synthetic import SyntheticConfig, draw_sample
from superpoint_tf.systems import SYSTEMS, VECTORS
from superpoint_tf.training.state import TrainingState
from superpoint_tf.training.tasks import make_task

REFERENCE = Path(__file__).with_suffix(".npz")
KEYPOINTS = np.array([[20.0, 31.0], [77.5, 60.25], [141.0, 99.0]], np.float32)
RESUMED_AT, RESUMED_UNTIL = 3, 6
# OpenCV 5 reads between pixels exactly, before it rounded places to 1/32 px: boards, which it warps, are other pictures
PRIMITIVES = [name for name in SyntheticConfig().primitives if name not in ("checkerboard", "stripes")]


def _config(batch_norm: bool) -> Config:
    return build_config(
        {
            "train": "detector",
            "workers": 0,
            "network": {"width": 0.0625, "batch_norm": batch_norm, "descriptor_dim": 8},
            "synthetic": {
                "source": "generator",
                "draw": {"image_shape": [40, 48], "primitives": PRIMITIVES},
                "photometric": {"backend": "graph"},  # imgaug does not run on every stack
            },
            "detector": {
                "steps": 1000,
                "batch_size": 4,
                "warmup_steps": 20,
                "schedule": "constant",
                # rounding grows with the rate: within 200 steps without batch norm TensorFlow 2.21 was off by at most
                # .0001 at 3e-5, .002 at 1e-4 and .06 at 1e-3
                "learning_rate": 1e-3 if batch_norm else 3e-5,
            },
        }
    )


def _state(batch_norm: bool) -> TrainingState:
    config = _config(batch_norm)
    validator: Any = None  # nothing is validated here
    return TrainingState(make_task(config, GeneratedShapes(config), validator))


def _train(state: TrainingState, until: int) -> np.ndarray:
    """Train on drawn, changed and warped shapes from the state's step on; return the loss of every step."""
    config, first, losses = state._task.config, int(state.step), []
    with BatchStream(state._task.source, state._task.kind, 4, config.seed, state._task.views, 0) as stream:
        for batch in itertools.islice(stream.batches(first), until - first):
            state.train_step(batch)
            losses.append(state.log.take_means()["total"])
    return np.array(losses)


def _photograph() -> np.ndarray:
    return np.ascontiguousarray(skimage.data.camera()[100:220, 150:310])


def _seen_by(name: str) -> dict[str, np.ndarray]:
    """Return every tenth pixel of the heatmap of a photograph, and descriptors; or those of patches about keypoints."""
    photograph = _photograph()
    if SYSTEMS[load_weights(name).network.system].gives == VECTORS:
        return {"descriptors": PatchModel.from_pretrained(name).describe(photograph, KEYPOINTS)}
    model = SuperPoint.from_pretrained(name)
    seen = {"heatmap": model.heatmap(photograph)[::10, ::10]}
    return {**seen, "descriptors": model.describe(photograph, KEYPOINTS)} if model.with_descriptor else seen


def _label() -> dict[str, np.ndarray]:
    """Return what adaptation by few homographies labels in a photograph, and the votes of every tenth pixel."""
    config = AdaptationSection(num_homographies=6, chunk_size=3)
    adapter = Adapter(load_network("magicpoint-small")[0], config)
    heatmap, votes = adapter(to_unit(_photograph()), image_seed(1, "ab" * 32))
    keypoints, scores = detect_keypoints(heatmap.numpy(), config.detection)
    return {"keypoints": keypoints, "scores": scores, "votes": votes.numpy()[::10, ::10]}


def _changed() -> dict[str, np.ndarray]:
    """Return pictures whose light is changed in the graph."""
    images = tf.constant(np.stack([_photograph()[:48, :64]] * 12))
    seeds = photometric_seeds(5, tf.range(12, dtype=tf.int64), 0)
    return {"pictures": change_pictures(images, seeds, SYNTHETIC_PHOTOMETRIC).numpy()}


def _of_opencv() -> dict[str, np.ndarray]:
    """Return what OpenCV draws, reads, finds and estimates for the package."""
    photograph = skimage.data.camera()
    first, second = (sift(image).take(slice(400)) for image in (photograph, photograph[40:, 30:]))
    drawn = [draw_sample(3, number, SyntheticConfig(image_shape=(40, 48))) for number in range(24)]
    matches = match_descriptors(first.descriptors, second.descriptors)
    points = first.keypoints[matches[:, 0]], second.keypoints[matches[:, 1]]
    return {
        "shapes": np.stack([image for image, _ in drawn]),
        "corners": np.concatenate([corners for _, corners in drawn]),
        "frame": cover_and_crop(photograph, (240, 320))[0][::7, ::7],
        "keypoints": first.keypoints[:200],
        "descriptors": first.descriptors[:200],
        "homography": estimate_homography(*points, 3.0),
    }


def _save_checkpoint(state: TrainingState, folder: Path) -> dict[str, np.ndarray]:
    manager = tf.train.CheckpointManager(state.checkpoint, str(folder), max_to_keep=1, checkpoint_name="latest")
    manager.save(checkpoint_number=int(state.step))
    return {path.name: np.frombuffer(path.read_bytes(), np.uint8) for path in sorted(folder.glob("latest*"))}


def write_reference() -> None:
    """Write all that the tests compare with."""
    reference = {f"{name}/{key}": value for name in pretrained_names() for key, value in _seen_by(name).items()}
    for kind, make in {"label": _label, "changed": _changed, "opencv": _of_opencv}.items():
        reference |= {f"{kind}/{key}": value for key, value in make().items()}
    reference["losses"] = _train(_state(False), 200)
    reference["losses with batch norm"] = _train(_state(True), 5)
    state = _state(True)
    _train(state, RESUMED_AT)
    with tempfile.TemporaryDirectory() as folder:
        files = _save_checkpoint(state, Path(folder))
    reference["losses after the checkpoint"] = _train(state, RESUMED_UNTIL)
    storage.write_bytes(REFERENCE, storage.npz_bytes(**reference, **{f"file {name}": a for name, a in files.items()}))


@pytest.fixture(scope="module")
def reference() -> dict[str, np.ndarray]:
    return storage.load_npz(REFERENCE)


@pytest.mark.parametrize("name", pretrained_names())
def test_shipped_weights_give_the_same_heatmap_and_descriptors(name: str, reference: dict[str, np.ndarray]) -> None:
    seen = _seen_by(name)
    assert reference.get(f"{name}/heatmap", np.ones(1)).max() > 0.05  # the picture does have something to see
    for key, value in seen.items():
        np.testing.assert_allclose(value, reference[f"{name}/{key}"], rtol=0, atol=1e-4)


def test_a_photograph_gets_the_same_label(reference: dict[str, np.ndarray]) -> None:
    label = _label()
    assert len(label["keypoints"]) > 20
    np.testing.assert_array_equal(label["keypoints"], reference["label/keypoints"])
    np.testing.assert_allclose(label["scores"], reference["label/scores"], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(label["votes"], reference["label/votes"])


def test_the_light_of_a_picture_changes_alike_to_a_grey_level(reference: dict[str, np.ndarray]) -> None:
    differences = _changed()["pictures"].astype(int) - reference["changed/pictures"]
    assert np.abs(differences).max() <= 1 and (differences != 0).mean() < 1e-3


def test_what_opencv_draws_finds_and_estimates_is_the_same(reference: dict[str, np.ndarray]) -> None:
    found = _of_opencv()
    for name, tolerance in {
        "shapes": 2,
        "corners": 1e-4,
        "frame": 0,
        "keypoints": 1e-3,
        "descriptors": 2,
        "homography": 1e-3,
    }.items():
        expected = reference[f"opencv/{name}"].astype(float)
        np.testing.assert_allclose(found[name].astype(float), expected, rtol=0, atol=tolerance, err_msg=name)


def test_a_training_without_batch_norm_follows_the_same_losses_for_200_steps(reference: dict[str, np.ndarray]) -> None:
    expected = reference["losses"]
    assert expected[:20].mean() > expected[-20:].mean() + 0.1  # it learns
    np.testing.assert_allclose(_train(_state(False), 200), expected, rtol=0, atol=1e-3)


def test_a_training_with_batch_norm_follows_the_same_losses_for_5_steps(reference: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(_train(_state(True), 5), reference["losses with batch norm"], rtol=0, atol=1e-3)


def _unpack(reference: dict[str, np.ndarray], folder: Path) -> Path:
    for name, content in reference.items():
        if name.startswith("file "):
            (folder / name.removeprefix("file ")).write_bytes(content.tobytes())
    return folder / f"latest-{RESUMED_AT}"


def test_a_checkpoint_of_the_reference_stack_resumes_with_optimizer_and_averages(
    reference: dict[str, np.ndarray], tmp_path: Path
) -> None:
    state = _state(True)
    state.restore(_unpack(reference, tmp_path))
    assert int(state.step) == int(state.optimizer.iterations) == RESUMED_AT
    expected = reference["losses after the checkpoint"]
    np.testing.assert_allclose(_train(state, RESUMED_UNTIL), expected, rtol=0, atol=1e-3)


def test_a_checkpoint_holds_the_variables_that_one_of_the_reference_stack_holds(
    reference: dict[str, np.ndarray], tmp_path: Path
) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for folder in (ours, theirs):
        folder.mkdir()
    state = _state(True)
    state.step.assign(RESUMED_AT)
    _save_checkpoint(state, ours)
    _unpack(reference, theirs)
    kept = [tf.train.load_checkpoint(str(folder / f"latest-{RESUMED_AT}")) for folder in (ours, theirs)]
    assert kept[0].get_variable_to_shape_map() == kept[1].get_variable_to_shape_map()


def test_a_checkpoint_with_other_variables_is_refused_with_the_remedy(tmp_path: Path) -> None:
    tf.train.Checkpoint(model={"layer_with_weights-0": tf.Variable(0.0)}).write(str(tmp_path / "latest-3"))
    with pytest.raises(ConfigError, match=r"latest-3: cannot be resumed, .* --set detector\.init="):
        _state(True).restore(tmp_path / "latest-3")


def test_initial_weights_are_a_function_of_the_seed() -> None:
    def digest(seed: int) -> str:
        variables = named_variables(build_network(_config(True).network.with_system("superpoint"), seed=seed))
        return hashlib.sha256(b"".join(variables[name].numpy().tobytes() for name in sorted(variables))).hexdigest()[
            :16
        ]

    assert digest(0) == "6026bdbb4dd03113"
    assert digest(1) != digest(0)


def test_a_sample_is_serialised_to_the_same_bytes() -> None:
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    content = encode_sample(image, np.array([[1.5, 2.0]], np.float32), "star", 7)
    assert hashlib.sha256(content).hexdigest()[:16] == "c987c6bb114b157a"


if __name__ == "__main__":
    write_reference()
