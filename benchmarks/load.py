"""A light load client: raw sockets, keep-alive, requests built once. Run as ``python -m benchmarks.load``.

A process of its own, so that its processor time is not counted with the server's. For each line of JSON on standard
input (a ``Load``) it writes one line (an ``Outcome``). ``concurrency`` connections each keep one request in flight.
"""

from __future__ import annotations

import selectors
import socket
import struct
import sys
import time
from collections.abc import Callable

import msgspec

MAX_RESPONSE_BYTES = 1 << 20
"""Largest answer taken; the models measured here answer with at most 3 kB."""

SOCKET_TIMEOUT_S = 10.0
REPEATED_REQUESTS = 16
"""Different requests in a load of repeats, so that more than one cache entry is touched."""

FIRST_VALUE_STEPS = 1 << 20
"""Distinct first values lie on a grid of 2^-20, exact in FP32 below 16; 2^24 of them fit the digits contract."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What to send: ``head`` + body of zeros with one distinct first FP32 value, starting from number ``first``."""

    host: str
    port: int
    head: str
    json: str
    data_bytes: int
    concurrency: int
    seconds: float
    repeat: bool
    first: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it. ``hits`` counts answers marked as cache hits."""

    requests: int
    hits: int
    seconds: float


def request_maker(load: Load) -> Callable[[int], bytes]:
    """Number to request bytes; with ``repeat`` the numbers wrap around."""
    start = (load.head + load.json).encode()
    rest = bytes(load.data_bytes - 4)

    def make(number: int) -> bytes:
        value = number % REPEATED_REQUESTS if load.repeat else number
        return start + struct.pack("<f", value / FIRST_VALUE_STEPS) + rest

    return make


class Connection:
    """One keep-alive connection with at most one request in flight."""

    def __init__(self, host: str, port: int) -> None:
        self.socket = socket.create_connection((host, port), timeout=SOCKET_TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._received = b""

    def send(self, request: bytes) -> None:
        """Send one request."""
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """Take what has arrived; the head of the answer once it is complete. ``OSError`` if it is not a 200."""
        piece = self.socket.recv(MAX_RESPONSE_BYTES)
        if not piece:
            raise ConnectionResetError("the server closed the connection")
        self._received += piece
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = self._received[:end].lower()
        if len(self._received) < end + 4 + _content_length(head):
            return None
        if not head.startswith(b"http/1.1 200"):
            raise ConnectionAbortedError(self._received.decode(errors="replace")[:500])
        self._received = b""
        return head


def _content_length(head: bytes) -> int:
    at = head.index(b"content-length:") + len(b"content-length:")
    end = head.find(b"\r\n", at)
    return int(head[at : end if end >= 0 else len(head)])


def run_load(load: Load) -> Outcome:
    """Send requests for ``load.seconds`` and wait for the last answers."""
    make = request_maker(load)
    number = load.first
    requests = hits = in_flight = 0
    with selectors.DefaultSelector() as selector:
        started = time.perf_counter()
        for _ in range(load.concurrency):
            connection = Connection(load.host, load.port)
            selector.register(connection.socket, selectors.EVENT_READ, connection)
            connection.send(make(number))
            number += 1
            in_flight += 1
        deadline = started + load.seconds
        while in_flight:
            for key, _ in selector.select(SOCKET_TIMEOUT_S):
                head = key.data.receive()
                if head is None:
                    continue
                requests += 1
                hits += b"skerry; hit" in head
                if time.perf_counter() < deadline:
                    key.data.send(make(number))
                    number += 1
                else:
                    in_flight -= 1
                    selector.unregister(key.fileobj)
                    key.data.socket.close()
        return Outcome(requests=requests, hits=hits, seconds=time.perf_counter() - started)


def main() -> None:
    """Answer loads until standard input ends."""
    for line in sys.stdin.buffer:
        outcome = run_load(msgspec.json.decode(line, type=Load))
        sys.stdout.buffer.write(msgspec.json.encode(outcome) + b"\n")
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
