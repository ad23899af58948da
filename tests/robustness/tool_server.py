"""A process that has imported TensorFlow and forks one process a command, so that a tool starts in a blink.

It reads a JSON line a command: `arguments`, `folder` to work in, `log`, and `moments` as `Moments` takes them. It
answers with the process's number, and when it has ended with its exit code and the moments it met. No TensorFlow
operation runs here: a fork of a process with TensorFlow's threads would hang.
"""

from __future__ import annotations

import contextlib
import json
import os
import runpy
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[2]
PICTURES_PER_FILE = 10  # instead of a thousand: several files of a few pictures


def main() -> None:
    """Answer commands until the input ends."""
    sys.path[:0] = [str(CHECKOUT), str(Path(__file__).parent)]
    from superpoint_tf import command_line

    with contextlib.redirect_stdout(sys.stderr):  # answers alone go to stdout
        command_line.set_up_tensorflow()
    import superpoint_tf.adaptation.rounds
    import superpoint_tf.data.shapes.generation
    import superpoint_tf.data.shapes.record_folder
    import superpoint_tf.data.shapes.record_writer
    import superpoint_tf.training.build
    import superpoint_tf.training.trainer

    superpoint_tf.data.shapes.record_folder.PICTURES_PER_FILE = PICTURES_PER_FILE
    _answer("ready")
    while line := sys.stdin.readline():
        request = json.loads(line)
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _run(request, writing)
        os.close(writing)
        _answer(pid)
        _, status = os.waitpid(pid, 0)
        with open(reading, encoding="utf-8") as pipe:
            seen = pipe.read().splitlines()
        _answer({"code": os.waitstatus_to_exitcode(status), "seen": seen})


def _answer(value: Any) -> None:
    print(json.dumps(value), flush=True)


def _run(request: dict[str, Any], writing: int) -> None:
    from moments import Moments, watch
    from tensorflow.python.autograph.core import ag_ctx

    os.setsid()  # a group of its own, as under a shell
    log = os.open(request["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    null = os.open(os.devnull, os.O_RDONLY)
    for file, number in ((null, 0), (log, 1), (log, 2)):
        os.dup2(file, number)
    os.chdir(request["folder"])
    sys.argv = request["arguments"]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    moments = Moments(request["folder"], **request["moments"])
    watch(moments)
    code = 0
    try:
        # converting Python to graphs is half the time of a start, and nothing here needs it: the results are the same
        with ag_ctx.ControlStatusCtx(status=ag_ctx.Status.DISABLED):
            runpy.run_path(str(CHECKOUT / "tools" / sys.argv[0]), run_name="__main__")
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
        code = 70
    sys.stdout.flush()
    os.write(writing, "\n".join(moments.seen).encode())
    os._exit(code)


if __name__ == "__main__":
    main()
