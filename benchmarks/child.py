"""A process that speaks lines on its standard input and output: any program, or a Python module."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

REPOSITORY = Path(__file__).resolve().parent.parent
STOP_TIMEOUT_S = 10.0


class LineProcess:
    """Started when made; its standard input is closed, and its end awaited, when the context ends."""

    def __init__(self, *command: str) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY)
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("a process started with pipes has none")
        self._input, self._output = self._process.stdin, self._process.stdout

    @property
    def pid(self) -> int:
        """Process number."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._output, self._input:
            pass
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def write_line(self, line: bytes) -> None:
        """Send one line."""
        self._input.write(line + b"\n")
        self._input.flush()

    def read_line(self) -> bytes:
        """The next line; ``RuntimeError`` if the process ended instead (its own words are on standard error)."""
        line = self._output.readline()
        if not line:
            raise RuntimeError(f"the process ended with status {self._process.wait(STOP_TIMEOUT_S)}")
        return line


class Child(LineProcess):
    """A Python module."""

    def __init__(self, module: str, *arguments: str) -> None:
        super().__init__(sys.executable, "-m", module, *arguments)
