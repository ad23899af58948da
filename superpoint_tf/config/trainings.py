"""What every training is told, and the joint model's."""

from __future__ import annotations

from dataclasses import dataclass

from superpoint_tf.config.fields import PRECISIONS, setting
from superpoint_tf.systems import SYSTEMS


@dataclass(frozen=True)
class TrainingConfig:
    """One optimisation."""

    steps: int = setting(200_000, free=True, minimum=1, maximum=10**9)  # updates of the weights
    batch_size: int = setting(32, minimum=1, maximum=2**16)  # of one update, over all micro-batches and devices
    # Micro-batches an update, one in memory at a time. Batch norm sees one micro-batch at a time: its statistics are
    # those of batch_size / accumulate pictures, and its moving averages move `accumulate` times an update.
    accumulate: int = setting(1, minimum=1, maximum=2**16)
    learning_rate: float = setting(1e-3, free=True, minimum=0.0, maximum=10.0)  # peak
    # How the rate falls: cosine ends at a hundredth, linear at zero; steps: times `fall` after every `fall_every` steps
    schedule: str = setting("cosine", free=True, choices=("cosine", "constant", "linear", "steps"))
    fall: float = setting(0.1, free=True, minimum=0.0, maximum=1.0)  # of `schedule: steps`
    fall_every: int = setting(10_000, free=True, minimum=1, maximum=10**9)  # of `schedule: steps`
    optimizer: str = setting("adam", choices=("adam", "momentum"))  # momentum: gradient descent
    momentum: float = setting(0.9, free=True, minimum=0.0, maximum=1.0)  # of `optimizer: momentum`
    weight_decay: float = setting(0.0, free=True, minimum=0.0, maximum=1.0)  # times kernels, added to their gradients
    warmup_steps: int = setting(1000, free=True, minimum=0, maximum=10**9)  # linear from zero
    clip_norm: float = setting(10.0, free=True, minimum=0.0, maximum=1e9)  # global gradient norm; 0 = off
    ema_decay: float = setting(0.0, minimum=0.0, maximum=0.99999)  # moving average of the weights; 0 = off
    # What the detector is taught of a label between pixels: the nearest `pixel`, as in the paper, or `bilinear`: its
    # four pixels by nearness, across cells too.
    targets: str = setting("pixel", choices=("pixel", "bilinear"))
    precision: str = setting("float32", choices=PRECISIONS)  # of the layers' arithmetic; weights stay float32
    xla: bool = setting(False, free=True)  # compile the step with XLA
    # Weights.npz, run folder, checkpoint or shipped name; a narrower network's are widened. Joint: `adapted` is the
    # detector that made the labels.
    init: str = setting("", free=True)
    # What is trained: layers whose names begin so, comma-separated; the others stay as they are. "": all.
    trainable: str = setting("")
    log_every: int = setting(100, free=True, minimum=1, maximum=10**9)  # steps
    validate_every: int = setting(5000, free=True, minimum=1, maximum=10**9)  # steps
    checkpoint_every: int = setting(1000, free=True, minimum=1, maximum=10**9)  # steps; what SIGKILL can cost
    num_figures: int = setting(4, free=True, minimum=0, maximum=1000)  # pictures drawn at each validation

    @property
    def num_samples(self) -> int:
        """Return how many samples of the source one update takes."""
        return self.batch_size


@dataclass(frozen=True)
class JointSection(TrainingConfig):
    """Training of detector and descriptor together (paper section 3)."""

    batch_size: int = setting(8, minimum=1, maximum=2**16)
    labels: str = setting("", free=True)  # label folder; "" = labels/<config name>, else labels/coco
    descriptor_loss: str = setting("hinge", choices=SYSTEMS["superpoint"].losses)  # hinge: the paper's
    descriptor_weight: float = setting(1.0, minimum=0.0, maximum=1e9)  # lambda: of the descriptor loss in the total
    positive_weight: float = setting(250.0, minimum=0.0, maximum=1e9)  # lambda_d, quoted for 1,200 cells (240x320)
    positive_margin: float = setting(1.0, minimum=-10.0, maximum=10.0)  # m_p
    negative_margin: float = setting(0.2, minimum=-10.0, maximum=10.0)  # m_n
    # cells whose centres lie this near correspond
    positive_radius_px: float = setting(8.0, minimum=0.0, maximum=1024.0)
    # Beside the cells: descriptors read where they are used, at corresponding keypoints. 0: off, the paper's form.
    keypoint_weight: float = setting(0.0, minimum=0.0, maximum=1e9)
    keypoint_loss: str = setting("softmax", choices=("softmax", "hardest"))  # cross-entropy, or hardest negatives
    keypoint_temperature: float = setting(0.05, minimum=1e-4, maximum=100.0)  # of the softmax
    keypoint_margin: float = setting(0.5, minimum=0.0, maximum=4.0)  # of the hardest negatives, as a distance
    keypoint_radius_px: float = setting(2.0, minimum=0.0, maximum=1024.0)  # nearer points are no negatives
    max_keypoints: int = setting(300, minimum=1, maximum=10**5)  # corresponding ones a pair, chosen at random
    # Negatives: the other `keypoints` of the view; all cells of its `map` too; or those and the keypoints of the
    # other pictures of the `batch` (of one micro-batch and one device: a part of the batch is a weaker adversary).
    keypoint_negatives: str = setting("keypoints", choices=("keypoints", "map", "batch"))
    random_points: int = setting(0, minimum=0, maximum=10**5)  # points off the labels that are added to them, a pair
    # Consistency of the detector's answer between the picture and a copy moved by 1 to 7 pixels; 0: off.
    consistency_weight: float = setting(0.0, minimum=0.0, maximum=1e9)
    # Weights of a trained network whose answers to both views are learnt beside the labels; "": no teacher. For a
    # network that is much smaller than it. Where its descriptors have another number of numbers, its detector's alone.
    teacher: str = setting("", free=True)
    teacher_weight: float = setting(1.0, minimum=0.0, maximum=1e9)  # of its terms in the total
