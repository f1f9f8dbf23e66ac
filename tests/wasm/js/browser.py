"""A real browser, headless, that opens pages of a folder served on a loopback port."""

from __future__ import annotations

import contextlib
import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.cdn_hooks.workerd import HOST
from tests.wasm.js.parts import HERE, chromium_binary, npm_part

STOP_TIMEOUT_S = 20.0


class Browser:
    """Runs JavaScript on pages while its context lasts; skips the test where a part is not installed."""

    def __init__(self, node: str) -> None:
        npm_part("playwright-core/package.json")
        chromium = chromium_binary()
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            [node, str(HERE / "drive_browser.js"), chromium, self._profile.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, url: str, body: str, given: object = None) -> Any:
        """What ``body``, the text of an async function of ``(page, given)``, returns once ``url`` is open.

        ``page`` is Playwright's. An error that it or the page throws fails the test.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(json.dumps({"url": url, "body": body, "given": given}), file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        assert line, f"the browser's driver ended with {self._process.wait(STOP_TIMEOUT_S)}"
        answer = json.loads(line)
        assert "error" not in answer, answer["error"]
        return answer.get("value")

    def close(self) -> None:
        """End the browser and remove its profile."""
        try:
            self._process.communicate(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        self._profile.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Files(SimpleHTTPRequestHandler):
    extensions_map = {  # noqa: RUF012 - the base class declares it so
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Say nothing."""


@contextlib.contextmanager
def served(directory: Path) -> Iterator[str]:
    """The origin under which the files of ``directory`` are served."""
    with ThreadingHTTPServer((HOST, 0), partial(_Files, directory=str(directory))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
