"""The table of models being served: an atomic swap that never takes an engine away from a request in flight.

One event loop owns the table. A request takes a ``Served`` from it, calls ``users.enter()`` and works on that object
to its end, so that a swap in between does not touch it; the old engine is closed when its last user has left.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Protocol

from edge_agent.slots import InsteadOf
from edge_bundle.contract import Contract
from edge_bundle.errors import NotFoundError
from edge_bundle.manifest import VariantManifest
from edge_bundle.proof import Proof
from edge_runtime.engine import Engine

DRAIN_TIMEOUT_S = 30.0
"""How long a swap waits for requests in flight before it goes on without them (they still finish undisturbed)."""


class Closer(Protocol):
    """Called once, when the last user of a retired variant has left."""

    def __call__(self) -> None:
        """Free what the variant holds."""


class Users:
    """Counts who works with a variant; after ``retire`` the last one to leave closes it."""

    __slots__ = ("_closer", "_idle", "count")

    def __init__(self) -> None:
        self.count = 0
        self._closer: Closer | None = None
        self._idle: asyncio.Event | None = None

    def enter(self) -> None:
        """One more user."""
        self.count += 1

    def leave(self) -> None:
        """One user less; the last one of a retired variant closes it."""
        self.count -= 1
        if self.count == 0 and self._closer is not None:
            self._close()

    async def retire(self, closer: Closer, *, timeout_s: float) -> bool:
        """Have ``closer`` called once nobody uses the variant; wait for that at most ``timeout_s``.

        Returns whether it was closed in time. When not, it is closed later, by the last user.
        """
        self._closer = closer
        if self.count == 0:
            self._close()
            return True
        self._idle = asyncio.Event()
        try:
            async with asyncio.timeout(timeout_s):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def _close(self) -> None:
        closer, self._closer = self._closer, None
        if closer is not None:
            closer()
        if self._idle is not None:
            self._idle.set()


@dataclass(frozen=True, eq=False, kw_only=True)
class Served:
    """One variant, opened and proven on this device, ready to answer. Compared by identity.

    ``instead_of`` says why it is not the variant of the node's own profile, where it is not.
    """

    name: str
    version: str
    variant_digest: str
    bundle_digest: str
    model_digest: str
    contract: Contract
    contract_digest: str
    manifest: VariantManifest
    proof: Proof | None
    engine: Engine
    instead_of: InsteadOf | None = None
    users: Users = field(default_factory=Users, repr=False)

    @property
    def profile(self) -> str:
        """Hardware profile the variant was compiled for."""
        return self.manifest.profile

    async def retire(self, *, timeout_s: float = DRAIN_TIMEOUT_S) -> bool:
        """Close the engine once no request uses it; returns whether that was within ``timeout_s``.

        Call it with what ``ModelTable.activate`` or ``ModelTable.remove`` returned, so that no new request comes in.
        """
        return await self.users.retire(self.engine.close, timeout_s=timeout_s)


class ModelTable:
    """Which variant answers for each model name."""

    def __init__(self) -> None:
        self._served: dict[str, Served] = {}

    def get(self, name: str, version: str | None = None) -> Served:
        """The variant that answers for a model. Raises ``NotFoundError`` for an unknown name or another version."""
        served = self._served.get(name)
        if served is None:
            known = ", ".join(self.names()) or "none"
            raise NotFoundError(what="model", name=name, advice=f"models served here: {known}")
        if version is not None and version != served.version:
            advice = f"this node serves {name} {served.version}"
            raise NotFoundError(what=f"version of model {name}", name=version, advice=advice)
        return served

    def find(self, name: str) -> Served | None:
        """The variant that answers for a model, or None."""
        return self._served.get(name)

    def names(self) -> tuple[str, ...]:
        """Model names, sorted."""
        return tuple(sorted(self._served))

    def activate(self, served: Served) -> Served | None:
        """Let ``served`` answer from now on. Returns what it replaced, which the caller retires."""
        old = self._served.get(served.name)
        self._served[served.name] = served
        return old if old is not served else None

    def remove(self, name: str) -> Served | None:
        """Answer for this model no more. Returns what was served, which the caller retires."""
        return self._served.pop(name, None)
