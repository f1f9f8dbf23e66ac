"""Child processes of the demo: started with a log file each, watched while waiting, always ended."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from edge_bundle.errors import UnavailableError

STOP_S = 10.0
"""Time between SIGTERM and SIGKILL; an agent drains for less than that."""

POLL_S = 0.05
LOG_TAIL_LINES = 8

T = TypeVar("T")


@dataclass
class Crew:
    """The running children. Leaving the ``with`` block ends all of them, youngest first."""

    log_dir: Path
    _children: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self.log_dir.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in reversed(list(self._children)):
            self.stop(name)

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """Run ``python -m skerry ARGUMENTS`` with its output in ``NAME.log``."""
        command = [sys.executable, "-m", "skerry", *arguments]
        with self.log(name).open("wb") as log:
            child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)  # noqa: S603
        self._children[name] = child

    def stop(self, name: str) -> None:
        """End one child and forget it."""
        child = self._children.pop(name)
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    async def wait_for(self, what: str, probe: Callable[[], Awaitable[T | None]], *, timeout_s: float) -> T:
        """Ask ``probe`` until it answers; ``UnavailableError`` when time is up or a child has died."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = await probe()
            if found is not None:
                return found
            self._check_alive()
            if time.monotonic() > deadline:
                raise UnavailableError(what=what, detail=f"not within {timeout_s:g} s", advice=self._tails())
            await asyncio.sleep(POLL_S)

    def _check_alive(self) -> None:
        for name, child in self._children.items():
            if child.poll() is not None:
                raise UnavailableError(
                    what=f"process {name}", detail=f"it ended with code {child.returncode}", advice=self._tail(name)
                )

    def _tails(self) -> str:
        return "\n".join(self._tail(name) for name in self._children)

    def _tail(self, name: str) -> str:
        lines = self.log(name).read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join([f"last lines of {self.log(name)}:", *lines])

    def log(self, name: str) -> Path:
        """Where a child writes."""
        return self.log_dir / f"{name}.log"
