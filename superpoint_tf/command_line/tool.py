"""How a tool begins and ends: TensorFlow set up, errors as one message, interruptions with their code."""

from __future__ import annotations

import io
import logging
import os
import signal
import sys
from collections.abc import Callable

from superpoint_tf.config import ConfigError
from superpoint_tf.runtime.devices import check_devices, describe_devices, gpus_of_machine
from superpoint_tf.runtime.interruption import Interrupted
from superpoint_tf.runtime.progress import Console
from superpoint_tf.runtime.quiet import import_tensorflow, quieten
from superpoint_tf.runtime.stores import leave


def set_up_tensorflow(announce: bool = True) -> None:
    """Import TensorFlow without its start-up messages, let GPU memory grow, and say what it computes on.

    A GPU that it does not see is a warning with the reason; raises MissingDevice where CUDA_VISIBLE_DEVICES names it.
    """
    quieten()
    os.environ["KERAS_BACKEND"] = "tensorflow"  # Keras 3 has others, which cannot run the network
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # take memory as it is needed, not all at once
    import_tensorflow()
    why_not = check_devices()
    if announce:
        console = Console()
        console.line("on", describe_devices())
        if why_not:
            console.line("warn", f"TensorFlow does not use the GPU of this machine ({gpus_of_machine()[0]}): {why_not}")


def run_tool(main: Callable[[], None]) -> None:
    """Run a tool's main function; user errors end it with one message and code 2, interruptions with 130 or 143.

    SUPERPOINT_TF_LOG=debug in the environment also prints what the modules have to say below a warning.
    """
    try:
        _run(main)
    except SystemExit as end:
        leave(int(end.code or 0) if isinstance(end.code, int | None) else 1)
        raise
    leave(0)


def _run(main: Callable[[], None]) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):  # a file in an old encoding of Windows cannot hold every name
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        logging.basicConfig(format="%(message)s")
        logging.getLogger("superpoint_tf").setLevel(os.environ.get("SUPERPOINT_TF_LOG", "warning").upper())
        main()
    except Interrupted as stopped:
        print(f"{stopped}; start the same command again to go on", file=sys.stderr)
        sys.exit(stopped.exit_code)
    except KeyboardInterrupt:
        print("interrupted; start the same command again to go on", file=sys.stderr)
        sys.exit(128 + signal.SIGINT)
    except (ConfigError, ValueError, OSError) as error:
        if os.environ.get("SUPERPOINT_TF_TRACEBACK"):
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except Exception as error:
        # TensorFlow raises its own for a full disk or a damaged file
        ours = type(error).__module__.startswith(("superpoint_tf", "tensorflow"))
        if os.environ.get("SUPERPOINT_TF_TRACEBACK") or not ours:
            raise
        print(f"error: {error}", file=sys.stderr)
        sys.exit(getattr(error, "exit_code", 1))
