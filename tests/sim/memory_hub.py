"""The hub in memory: ``HubPort`` with real TUF metadata and real bundles, and seeded faults on the way to it."""

from __future__ import annotations

import random
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from edge_agent.ports import Clock
from edge_bundle.errors import RefusedError, UnavailableError
from edge_bundle.messages import (
    DesiredRelease,
    EnrolRequest,
    EnrolResponse,
    PollRequest,
    PollResponse,
    UpdateOutcome,
    target_path,
)
from tests.sim.memory_tuf import MemoryTuf
from tests.sim.releases import MODEL, Release

TOKEN = "a-one-time-token-of-some-length"
NODE_ID = "node-1"


@dataclass
class FakeClock:
    """Unix seconds that move only when told."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Faults:
    """Switches of what goes wrong between node and hub."""

    down: bool = False
    cut_after_bytes: int | None = None
    """Every blob transfer ends with a lost connection after this many bytes."""
    truncate_to: int | None = None
    """Every blob transfer ends early without an error."""
    flip_in: set[str] = field(default_factory=set)
    """Digests of blobs that arrive with one bit flipped."""
    metadata: dict[str, bytes] | None = None
    """Old metadata that a mirror serves instead of today's."""


class MemoryHub:
    """Holds releases and one order per model; remembers what nodes said."""

    def __init__(self, clock: Clock, *, seed: int = 1, chunk_bytes: int = 16_384) -> None:
        self.tuf = MemoryTuf(clock)
        self.faults = Faults()
        self.blobs: dict[str, bytes] = {}
        self.orders: dict[str, DesiredRelease] = {}
        self.polls: list[PollRequest] = []
        self.batches: list[bytes] = []
        self.transfers: list[tuple[str, int]] = []
        self._random = random.Random(seed)
        self._chunk_bytes = chunk_bytes
        self._tokens: dict[str, str | None] = {TOKEN: None}

    def publish(self, release: Release) -> None:
        """Admit a release."""
        self.blobs |= release.blobs
        self.tuf.publish(release)

    def order(self, version: str, *, rollout_id: str | None = None, path: str | None = None) -> DesiredRelease:
        """Order every node to run a version."""
        order = DesiredRelease(
            rollout_id=rollout_id or f"rollout-{version}",
            model=MODEL,
            version=version,
            target_path=path or target_path(MODEL, version),
        )
        self.orders[MODEL] = order
        return order

    @property
    def outcomes(self) -> list[UpdateOutcome]:
        """Every outcome reported, oldest first."""
        return [outcome for poll in self.polls for outcome in poll.outcomes]

    async def enrol(self, request: EnrolRequest) -> EnrolResponse:
        """Spend the token."""
        self._reach()
        # The same key may come again with its token: its first answer may have been lost.
        if self._tokens.get(request.token, "") not in (None, request.public_key):
            raise RefusedError(what="enrolment", detail="unknown or spent token")
        self._tokens[request.token] = request.public_key
        return EnrolResponse(node_id=NODE_ID, poll_interval_s=1.0)

    async def poll(self, node_id: str, request: PollRequest) -> PollResponse:
        """Remember the report, give the orders."""
        self._reach()
        if node_id != NODE_ID:
            raise RefusedError(what="poll", detail="unknown node")
        self.polls.append(request)
        return PollResponse(desired=tuple(self.orders.values()), poll_interval_s=1.0)

    async def metadata(self, file: str, *, max_bytes: int) -> bytes | None:
        """Today's metadata, or what the mirror kept."""
        self._reach()
        files = self.tuf.files if self.faults.metadata is None else self.faults.metadata
        return files.get(file)

    async def blob(self, node_id: str, digest: str, *, offset: int) -> AsyncGenerator[bytes, None]:
        """Chunks from ``offset`` on, through the faults."""
        self._reach()
        data = self.blobs.get(digest)
        if data is None:
            raise UnavailableError(what=f"blob {digest}", detail="not here")
        self.transfers.append((digest, offset))
        if digest in self.faults.flip_in:
            data = self.flipped(data)
        sent = 0
        for start in range(offset, len(data), self._chunk_bytes):
            for limit, lost in ((self.faults.cut_after_bytes, True), (self.faults.truncate_to, False)):
                if limit is not None and sent >= limit:
                    if lost:
                        raise UnavailableError(what=f"blob {digest}", detail="connection lost")
                    return
            chunk = data[start : start + self._chunk_bytes]
            sent += len(chunk)
            yield chunk

    async def telemetry(self, node_id: str, batch: bytes) -> None:
        """Keep the batch."""
        self._reach()
        self.batches.append(batch)

    def flipped(self, data: bytes) -> bytes:
        """The same bytes with one random bit flipped."""
        position = self._random.randrange(len(data))
        return data[:position] + bytes([data[position] ^ 1 << self._random.randrange(8)]) + data[position + 1 :]

    def _reach(self) -> None:
        if self.faults.down:
            raise UnavailableError(what="hub", detail="connection refused")
