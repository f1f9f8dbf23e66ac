"""A real workerd process that serves a built hook (or a probe of its modules) on a free port."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import pytest

HERE = Path(__file__).parent
STOP_TIMEOUT_S = 10.0
HOST = "127.0.0.1"


def workerd_binary() -> Path:
    """The pinned workerd; its absence skips the test, or fails it where heavy tests were asked for."""
    found = sorted((HERE / "node_modules" / "@cloudflare").glob("workerd-*/bin/workerd"))
    if found:
        return found[0]
    missing = "workerd is not installed: run `npm ci --prefix tests/cdn_hooks`"
    if os.environ.get("SKERRY_HEAVY") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


class Workerd:
    """Serves ``config.capnp`` of a directory while its context lasts; ``log`` holds what it wrote to standard error."""

    def __init__(self, directory: Path) -> None:
        read_end, write_end = os.pipe()
        self._process = subprocess.Popen(
            [
                str(workerd_binary()),
                "serve",
                str(directory / "config.capnp"),
                "--socket-addr",
                f"http={HOST}:0",
                f"--control-fd={write_end}",
            ],
            stderr=subprocess.PIPE,
            pass_fds=(write_end,),
        )
        os.close(write_end)
        assert self._process.stderr is not None
        self.log: list[str] = []
        self._reader = threading.Thread(target=self._read_log, args=(self._process.stderr,))
        self._reader.start()
        with os.fdopen(read_end) as control:
            line = control.readline()
        if not line:
            self.close()
            pytest.fail(f"workerd did not start: {''.join(self.log)}")
        self.port = int(json.loads(line)["port"])

    def close(self) -> None:
        """End the process and its reader."""
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _read_log(self, stream: IO[bytes]) -> None:
        with stream:
            self.log.extend(line.decode(errors="replace") for line in stream)
