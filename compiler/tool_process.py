"""A vendor's tool in a process of its own: it may crash, hang, or write without end, and the compile goes on.

The rules are pure (``complaint``); ``watch_tool`` is the only part that starts and ends processes. A tool ends with the
compile, however that ends (``edge_runtime/child_start.py``).
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from edge_bundle.errors import ToolFailedError
from edge_runtime.child_process import end_group, environment, signal_name
from edge_runtime.child_start import bound_to_us

MAX_LOG_BYTES = 64 << 10
"""Kept of what a tool writes, in bytes, from its end: tools say last what went wrong."""

DRAIN_S = 5.0
"""How long the rest of a log is waited for once the tool is gone, in seconds; a pipe is empty at once."""

_CHUNK_BYTES = 64 << 10
"""Read from the tool at a time: what a pipe of Linux holds."""

_MAX_LINE_BYTES = 64 << 10
"""Longest line that is looked at as a whole, in bytes."""


@dataclass(frozen=True, kw_only=True)
class ToolCall:
    """What to start. ``tool`` is its name in errors, ``folder`` where it runs.

    ``fallback`` are regular expressions (``re.MULTILINE``) of what the tool writes when it goes on with something
    else than it was asked for; a match is a failure even where the tool says that it succeeded. ``environment`` is
    added to ours.
    """

    tool: str
    command: tuple[str, ...]
    folder: Path
    timeout_s: float
    fallback: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    advice: str = ""


@dataclass(frozen=True, kw_only=True)
class ToolRun:
    """What became of it. ``status`` is the exit status, minus N after signal N, ``None`` if it was ended for time.

    ``log`` is the end of what it wrote to stdout and stderr, in the order of writing; ``left_out`` counts the bytes
    before that. ``fell_back`` is the first line of all that a pattern of ``fallback`` is found in.
    """

    status: int | None
    log: str = field(repr=False)
    left_out: int = 0
    fell_back: str = ""

    @property
    def last_line(self) -> str:
        """What it said last."""
        return (self.log.strip().splitlines() or [""])[-1].strip()


def run_tool(call: ToolCall) -> ToolRun:
    """Start the tool, wait for it, and end everything that it started.

    Raises:
        ToolFailedError: it cannot be started, crashed, took too long, or fell back; ``log`` has what it wrote.

    """
    run = watch_tool(call)
    if told := complaint(call, run):
        raise ToolFailedError(tool=call.tool, what=told, log=run.log, advice=call.advice)
    return run


def module_command(module: str, folder: Path) -> tuple[str, ...]:
    """``python -P -m MODULE FOLDER``: our own module as a tool; ``-P`` keeps it from importing files of the folder."""
    return (sys.executable, "-P", "-m", module, str(folder))


def complaint(call: ToolCall, run: ToolRun) -> str:
    """What is wrong with a run, or nothing.

    1. It was ended for time: "hung".
    2. A signal ended it: "crashed".
    3. Its exit status is not 0: "failed".
    4. It wrote what matches a pattern of ``fallback``: "fell back".
    """
    if run.status is None:
        return f"hung: no end within {call.timeout_s:g} s"
    if run.status < 0:
        return f"crashed: {signal_name(-run.status)}"
    if run.status > 0:
        return f"failed with exit status {run.status}"
    return f"fell back: {run.fell_back}" if run.fell_back else ""


def matching_line(log: str, patterns: tuple[str, ...]) -> str:
    """The first line of the log that one of the patterns is found in, or nothing."""
    found = (re.search(pattern, log, re.MULTILINE) for pattern in patterns)
    start = min((match.start() for match in found if match), default=None)
    if start is None:
        return ""
    return (log[log.rfind("\n", 0, start) + 1 :].splitlines() or [""])[0].strip()


def watch_tool(call: ToolCall) -> ToolRun:
    """``run_tool`` without a verdict.

    Raises:
        ToolFailedError: it cannot be started.

    """
    if shutil.which(call.command[0]) is None:
        raise ToolFailedError(tool=call.tool, what=f"cannot be started: no {call.command[0]}", advice=call.advice)
    try:
        process = subprocess.Popen(  # noqa: S603
            bound_to_us(call.command),
            cwd=call.folder,
            env=environment(call.environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        what = f"cannot be started in {call.folder}: {error.strerror or error}"
        raise ToolFailedError(tool=call.tool, what=what, advice=call.advice) from error
    log = _Log(call.fallback)
    reader = threading.Thread(target=log.read, args=(process.stdout,), name=f"log of {call.tool}", daemon=True)
    reader.start()
    try:
        status = _wait(process, call.timeout_s)
    finally:
        end_group(process)
        reader.join(DRAIN_S)
    return ToolRun(status=status, log=log.text(), left_out=log.left_out, fell_back=log.fell_back)


def _wait(process: subprocess.Popen[bytes], timeout_s: float) -> int | None:
    try:
        return process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        return None


class _Log:
    """The end of a stream; it is read to the end so that the tool never waits for a reader.

    Every line is looked at for ``patterns`` as it comes: what a tool writes afterwards does not hide it.
    """

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._patterns = patterns
        self._kept = bytearray()
        self._line = b""
        self.left_out = 0
        self.fell_back = ""

    def read(self, stream: IO[bytes]) -> None:
        with stream:
            while chunk := os.read(stream.fileno(), _CHUNK_BYTES):
                self._look(chunk)
                self._kept += chunk
                surplus = len(self._kept) - MAX_LOG_BYTES
                if surplus > 0:
                    del self._kept[:surplus]
                    self.left_out += surplus
            self._look(b"\n")

    def _look(self, chunk: bytes) -> None:
        """Whole lines now, the rest with the next chunk."""
        if not self._patterns or self.fell_back:
            return
        lines, _, self._line = (self._line + chunk).rpartition(b"\n")
        if len(self._line) > _MAX_LINE_BYTES:
            lines, self._line = lines + b"\n" + self._line, b""
        self.fell_back = matching_line(lines.decode(errors="replace"), self._patterns)

    def text(self) -> str:
        return self._kept.decode(errors="replace")
