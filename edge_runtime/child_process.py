"""What all processes that we start have in common: they find our packages, are ended as a group, and are quoted."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

_LOG_TAIL_BYTES = 4 << 10
"""Read of a log for an error."""


def environment(added: Mapping[str, str]) -> dict[str, str]:
    """Ours, with this project's root and our own path first, so that a module of ours imports what we import."""
    paths = [str(Path(__file__).resolve().parents[1]), *filter(None, sys.path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), **added}


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that leads its group, and everything else in it: a grandchild would hold pipes and logs open."""
    with contextlib.suppress(ProcessLookupError):  # nothing is left of the group
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def signal_name(number: int) -> str:
    """``SIGSEGV`` for 11."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def last_line(log: IO[bytes]) -> str:
    """What a process wrote last into a log that can be sought in; empty where it wrote nothing."""
    log.seek(max(0, log.seek(0, os.SEEK_END) - _LOG_TAIL_BYTES))
    lines = log.read().decode(errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else ""
