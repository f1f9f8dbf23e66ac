"""A server under load: it and the load client each in a process of their own, processor time read from outside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.child import Child
from benchmarks.load import Load, Outcome
from benchmarks.processor import cpu_seconds
from benchmarks.rounds import Sample
from benchmarks.subjects import Subject
from benchmarks.until_closed import HOST


class Server(Child):
    """A module that serves until it is closed. ``first_unused`` numbers inputs that it has never seen."""

    def __init__(self, module: str, *arguments: str) -> None:
        super().__init__(module, *arguments)
        self.port = int(self.read_line())
        self.first_unused = 0


def agent_server(subject: Subject, models: Path) -> Server:
    """An agent that serves one subject."""
    return Server("benchmarks.serve", subject.name, str(models))


def echo_server(subject: Subject) -> Server:
    """The bare aiohttp application, taking the same requests."""
    return Server("benchmarks.echo", subject.path)


@dataclass(frozen=True)
class LoadKind:
    """``concurrency`` connections for ``seconds``; ``repeat``: the same few inputs again and again (cache hits)."""

    concurrency: int
    repeat: bool
    seconds: float

    @property
    def name(self) -> str:
        """Part of row names."""
        return f"{'hit' if self.repeat else 'miss'}.c{self.concurrency}"


class ServerLoad:
    """One kind of load on a running server; ``requests`` and ``hits`` add up over the segments."""

    def __init__(self, subject: Subject, server: Server, client: Child, kind: LoadKind) -> None:
        self._subject, self._server, self._client, self._kind = subject, server, client, kind
        self.requests = self.hits = 0

    def segment(self) -> Sample:
        """One segment; microseconds per request, processor time of the server only."""
        before = cpu_seconds(self._server.pid)
        self._client.write_line(msgspec.json.encode(self._load()))
        outcome = msgspec.json.decode(self._client.read_line(), type=Outcome)
        cpu = cpu_seconds(self._server.pid) - before
        self.requests += outcome.requests
        self.hits += outcome.hits
        self._server.first_unused += outcome.requests
        return Sample(wall_us=outcome.seconds / outcome.requests * 1e6, cpu_us=cpu / outcome.requests * 1e6)

    def _load(self) -> Load:
        head, body = self._subject.request()
        return Load(
            host=HOST,
            port=self._server.port,
            head=head,
            json=body,
            data_bytes=self._subject.input_bytes,
            concurrency=self._kind.concurrency,
            seconds=self._kind.seconds,
            repeat=self._kind.repeat,
            first=self._server.first_unused,
        )
