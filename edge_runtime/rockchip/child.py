"""The toolkit's process while it simulates: started, talked to, ended; its death and its silence are named errors."""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from edge_bundle.errors import EngineError, EngineTimeoutError
from edge_runtime.child_process import end_group, last_line
from edge_runtime.rockchip.job import ENVIRONMENT
from edge_runtime.rockchip.pipe import Pipe, PipeEndedError, PipeTimeoutError

END_TIMEOUT_S = 10.0
"""How long the process may take to end once it has closed its output, in seconds; then it is ended by force."""


class Child:
    """One process, in ``folder``. What it prints goes to a log; what it answers is read by ``receive``."""

    def __init__(self, runtime: str, command: Sequence[str], folder: Path) -> None:
        self._runtime = runtime
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        try:
            self._process = subprocess.Popen(  # noqa: S603
                command,
                cwd=folder,
                env={**os.environ, **ENVIRONMENT},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                start_new_session=True,
            )
        except OSError as error:
            self._log.close()
            raise EngineError(runtime=runtime, detail=f"cannot be started: {error.strerror or error}") from error
        ends = [end for end in (self._process.stdout, self._process.stdin) if end is not None]
        self._ends, self._pipe = ends, Pipe(*ends)

    def send(self, data: bytes | memoryview, timeout_s: float) -> None:
        """Raises ``EngineError`` if the process is gone, ``EngineTimeoutError`` if it does not read."""
        try:
            self._pipe.write(data, timeout_s)
        except PipeEndedError:
            raise self._gone() from None
        except PipeTimeoutError:
            raise EngineTimeoutError(runtime=self._runtime, limit_s=timeout_s) from None

    def receive(self, count: int, timeout_s: float) -> bytes:
        """Exactly ``count`` bytes. Raises what ``send`` raises."""
        try:
            return self._pipe.read(count, timeout_s)
        except PipeEndedError:
            raise self._gone() from None
        except PipeTimeoutError:
            raise EngineTimeoutError(runtime=self._runtime, limit_s=timeout_s) from None

    def close(self) -> None:
        """End the process and everything that it started, by force: it holds nothing, and takes seconds to end well."""
        for end in self._ends:
            with contextlib.suppress(BrokenPipeError):
                end.close()
        end_group(self._process)
        self._log.close()

    def _gone(self) -> EngineError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(END_TIMEOUT_S)
        last = last_line(self._log)
        said = f": {last}" if last else ""
        return EngineError(
            runtime=self._runtime, detail=f"the simulator ended with status {self._process.returncode}{said}"
        )
