"""The agent's ports: network, disk, clock and randomness reach the rules only through these."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from edge_bundle.messages import EnrolRequest, EnrolResponse, PollRequest, PollResponse

Clock: TypeAlias = Callable[[], float]
"""Unix time in seconds."""

RandomBytes: TypeAlias = Callable[[int], bytes]
"""``os.urandom`` or a seeded stand-in."""


class Disk(Protocol):
    """Durable files. Every mutation of the agent's state goes through here, so that tests can crash between any two.

    Failures to write raise ``UnavailableError`` (disk full, read-only): the same call may work later.
    """

    def read(self, path: Path, *, max_bytes: int) -> bytes | None:
        """The whole file, or None if there is none; ``LimitExceededError`` if it is longer."""

    def write(self, path: Path, data: bytes) -> None:
        """Replace a file atomically and durably, private to this user; parents are created."""

    def append(self, path: Path, data: bytes) -> None:
        """Extend a file (created if missing); not durable, for downloads that are checked when complete."""

    def rename(self, source: Path, target: Path) -> None:
        """Make ``source`` durable, then move it to ``target`` durably."""

    def remove(self, path: Path) -> None:
        """Remove a file if it exists."""

    def fresh_folder(self, path: Path) -> None:
        """Make a folder, empty and private to this user, in place of one that is there; not durable."""

    def remove_folder(self, path: Path) -> None:
        """Remove a folder with all that is in it, if it exists."""


class HubPort(Protocol):
    """What an agent asks of its hub. Calls raise ``UnavailableError`` or ``RefusedError`` when they cannot succeed."""

    async def enrol(self, request: EnrolRequest) -> EnrolResponse:
        """Spend a one-time token, bind this node's key."""

    async def poll(self, node_id: str, request: PollRequest) -> PollResponse:
        """Report what runs, learn what should run."""

    async def metadata(self, file: str, *, max_bytes: int) -> bytes | None:
        """A TUF metadata file, or None if the hub has no such file."""

    def blob(self, node_id: str, digest: str, *, offset: int) -> AsyncGenerator[bytes, None]:
        """The bytes of a blob from ``offset`` on, unverified."""

    async def telemetry(self, node_id: str, batch: bytes) -> None:
        """Hand over one compressed batch; a batch known already is accepted too."""
