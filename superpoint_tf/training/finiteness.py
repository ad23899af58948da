"""What was not finite in a step that failed: pictures, else a loss, else the gradient of a weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from superpoint_tf.data.batches.batch import TensorBatch

_NAMED = 3  # samples, pictures or weights that a message lists


class NonFiniteLoss(ArithmeticError):
    """A loss or gradient became NaN or infinite; the weights are still those before that step."""


class FailureRecord:
    """Flags that the compiled step sets at the first step whose loss or gradient is not finite; no step waits for them.

    Inputs are the float tensors of a batch but for the points, where NaN says that there is none. Terms and gradients
    are those of all replicas, inputs of this worker alone.
    """

    def __init__(self, batch: TensorBatch, term_names: Sequence[str], weight_names: Sequence[str]) -> None:
        self._inputs = sorted(
            name
            for name, tensor in batch.items()
            if tensor.dtype.is_floating and not name.startswith(("points", "homography"))  # NaN there: there is none
        )
        self._terms, self._weights = list(term_names), list(weight_names)
        self.failed = tf.Variable(False)
        size = int(batch[self._inputs[0]].shape[0])
        self._bad_inputs = tf.Variable(tf.zeros((len(self._inputs), size), tf.bool))
        self._bad_terms = tf.Variable(tf.zeros(len(self._terms), tf.bool))
        self._bad_gradients = tf.Variable(tf.zeros(len(self._weights), tf.bool))

    def note(self, batch: TensorBatch, values: tf.Tensor, gradients: Sequence[tf.Tensor]) -> None:
        """Set the flags from what a step was given and what came out of it; later steps find `failed`."""
        self.failed.assign(True)
        self._bad_inputs.assign(tf.stack([_bad_samples(batch[name]) for name in self._inputs]))
        self._bad_terms.assign(~tf.math.is_finite(values))
        self._bad_gradients.assign(tf.stack([~tf.reduce_all(tf.math.is_finite(each)) for each in gradients]))

    def describe(self, numbers: range, own_numbers: range, name_of: Callable[[int], str]) -> str:
        """Say what was not finite, nearest to the cause, for the samples of the whole batch and of this worker."""
        causes = []
        for name, flags in zip(self._inputs, self._bad_inputs.numpy(), strict=True):
            of_samples = flags.reshape(len(own_numbers), -1).any(axis=1)  # a sample may have many rows, of patches
            bad = [number for number, flag in zip(own_numbers, of_samples, strict=True) if flag]
            if bad:
                causes.append(f"{name} of {_list_samples(bad, name_of)}")
        if causes:
            return f"{' and '.join(causes)} not finite"
        bad_terms = _flagged(self._terms, self._bad_terms)
        what = (
            ", ".join(bad_terms) if bad_terms else f"gradient of {_list(_flagged(self._weights, self._bad_gradients))}"
        )
        return f"{what} not finite on {_list_samples(numbers, name_of)}"


def _bad_samples(tensor: tf.Tensor) -> tf.Tensor:
    """Tell which samples of (B, ...) hold a number that is not finite."""
    return ~tf.reduce_all(tf.math.is_finite(tensor), axis=list(range(1, tensor.shape.rank)))


def _flagged(names: Sequence[str], flags: tf.Variable) -> list[str]:
    return [name for name, flag in zip(names, flags.numpy(), strict=True) if flag]


def _list_samples(numbers: Sequence[int], name_of: Callable[[int], str]) -> str:
    if len(numbers) == 1:
        return f"sample {numbers[0]} ({name_of(numbers[0])})"
    numbered = f"{numbers[0]}..{numbers[-1]}" if isinstance(numbers, range) else _list([str(n) for n in numbers])
    return f"samples {numbered} ({_list([name_of(number) for number in numbers[:_NAMED]], len(numbers))})"


def _list(names: Sequence[str], count: int | None = None) -> str:
    """Name the first few of `count` (default: all of `names`)."""
    more = (len(names) if count is None else count) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
