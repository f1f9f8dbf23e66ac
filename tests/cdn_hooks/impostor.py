"""Somebody in the agent's place who says the same bytes to every request."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

from tests.cdn_hooks.agent import HOST

MAX_REQUEST_BYTES = 65_536
SEND_TIMEOUT_S = 5.0


class Impostor:
    """Listens on ``port`` while its context lasts; ``requests`` counts connections that asked for something."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._socket = socket.create_server((HOST, 0))
        self.port = int(self._socket.getsockname()[1])
        self.requests = 0
        self._thread = threading.Thread(target=self._serve)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(SEND_TIMEOUT_S)
                self._answer_one(connection)

    def _answer_one(self, connection: socket.socket) -> None:
        try:
            if not connection.recv(MAX_REQUEST_BYTES):
                return
            self.requests += 1
            connection.sendall(self._answer)
        except OSError:
            return  # the hook had heard enough

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()
