"""Becomes a command that does not outlive whoever started it: ``python -I -S child_start.py PARENT COMMAND...``.

The kernel ends it when its parent is gone, even by ``kill -9``, which leaves the parent no chance to do it. What
it starts in turn is not covered. Linux only; elsewhere it is started all the same.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1
"""``prctl(2)``; kept over ``execve``. The parent is the thread that started us, which waits until we end."""

NOT_STARTED = 127
"""Exit status where the command cannot be run, as shells have it."""


def bound_to_us(command: Sequence[str]) -> tuple[str, ...]:
    """The command to start in place of ``command``, by the thread that then waits for its end."""
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), *command)


def become(parent: int, command: list[str]) -> None:
    """Turn this process into the command; returns only where it cannot be run, which is told on stderr."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != parent:  # it was gone before we asked
            return
    try:
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"{command[0]}: {error.strerror or error}\n")


if __name__ == "__main__":
    become(int(sys.argv[1]), sys.argv[2:])
    sys.exit(NOT_STARTED)
