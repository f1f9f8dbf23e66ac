"""Single flight: requests for the same missing answer wait for the one that is computing it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from edge_agent.serving.cache import Entry
from edge_bundle.errors import SkerryError


@dataclass(frozen=True, slots=True)
class Landed:
    """How a flight ended: an answer, an error for everybody, or neither when its leader was cancelled."""

    entry: Entry | None = None
    error: SkerryError | None = None


class Flights:
    """Flights by cache key. The future of a flight is only made when somebody joins it."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Landed] | None] = {}

    def lead(self, key: str) -> bool:
        """Become the leader of a key's flight, unless there is one already."""
        if key in self._waiting:
            return False
        self._waiting[key] = None
        return True

    async def join(self, key: str) -> Landed:
        """Wait for the flight of a key. Cancelling one who waits touches neither the leader nor the others."""
        future = self._waiting[key]
        if future is None:
            future = self._waiting[key] = asyncio.get_running_loop().create_future()
        return await asyncio.shield(future)

    def is_joined(self, key: str) -> bool:
        """Whether anybody waits for the flight of a key."""
        return self._waiting[key] is not None

    def land(self, key: str, landed: Landed) -> None:
        """End the flight of a key; the leader always calls this, however it fared."""
        future = self._waiting.pop(key)
        if future is not None and not future.done():
            future.set_result(landed)
