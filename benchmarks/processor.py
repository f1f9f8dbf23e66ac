"""Processor time of another process, from the Linux process table."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Positions after the command name in ``/proc/<pid>/stat`` (proc(5): fields 14 and 15)."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, in seconds (resolution 10 ms on common kernels)."""
    text = Path(f"/proc/{pid}/stat").read_text()
    fields = text[text.rindex(")") + 2 :].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS_PER_S
