"""One update, step by step, and the way back after a restart.

The steps of ``apply`` are the whole story: each succeeds or raises, and what serves is touched only by the last one.
Interrupted anywhere, a restart finds in ``slots.json`` either the old or the new current, both verified and proven.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from edge_agent import slots as rules
from edge_agent.downloader import Downloader
from edge_agent.fallback import because, next_profiles, why_missing
from edge_agent.models import ModelTable, Served
from edge_agent.ports import Clock
from edge_agent.slots import Event, InsteadOf, Slot
from edge_agent.store import Store
from edge_agent.trust import ReleaseTrust, TrustedTarget
from edge_agent.verify import Candidate, verify_release
from edge_bundle.errors import EngineError, SkerryError, SubjectMismatchError
from edge_bundle.keys import TrustPolicy
from edge_bundle.limits import MAX_INDEX_BYTES
from edge_bundle.messages import DesiredRelease
from edge_bundle.oci import Descriptor
from edge_bundle.walk import VerifiedVariant

logger = logging.getLogger(__name__)

Prover: TypeAlias = Callable[[VerifiedVariant], Served]
"""``activate.prove``: opens the engine and replays the golden vectors, in a thread."""

Journal: TypeAlias = Callable[[str, str, str], None]
"""Told ``(kind, model, detail)`` of what happened once: an activation, a refusal, a rollback."""


@dataclass(frozen=True, kw_only=True)
class Updater:
    """Brings models to the ordered releases and back from disk after a restart."""

    profile: str
    policy: TrustPolicy
    store: Store
    trust: ReleaseTrust
    downloader: Downloader
    table: ModelTable
    prove: Prover
    journal: Journal
    clock: Clock
    drain_s: float
    fulfilled: dict[str, str] = field(default_factory=dict)
    """Model -> version of the orders that this process has fulfilled."""

    async def apply(self, node_id: str, order: DesiredRelease) -> None:
        """Run the ordered release, or raise the refusal and leave everything as it was."""
        if self._is_done(order):
            return
        slots = self.store.slots(order.model)
        rules.check_floor(slots, order.version, subject=f"release of {order.model}")
        target = await self.trust.locate(order.target_path)
        self._check_order(order, target)
        index = await self._fetch_index(node_id, target)
        candidate = await self._verify(node_id, index, self.profile, fall_back=True)
        self._check_target(target, candidate)
        proven = await self._first_that_runs(node_id, index, candidate)
        self.fulfilled[order.model] = order.version
        if proven is None:
            await self.sweep()
        else:
            await self._tidy(self._activate(proven))

    async def sweep(self) -> None:
        """Remove what no slot needs; what a failure leaves behind goes with the next update."""
        try:
            await asyncio.to_thread(self.store.sweep)
        except SkerryError as error:
            logger.warning("sweep failed: %s: %s", error.name, error)

    async def restore(self) -> None:
        """After a start: serve the newest release on disk that still verifies and proves itself, for every model."""
        try:
            self.trust.clear()
        except SkerryError as error:
            logger.warning("what a stopped update left stays: %s: %s", error.name, error)
        for model in self.store.models:
            await self._restore(model)

    # The steps, in order.

    def _check_order(self, order: DesiredRelease, target: TrustedTarget) -> None:
        """The hub's order is only a hint; what the team signed must say the same."""
        ordered, signed = f"{order.model} {order.version}", f"{target.custom.model} {target.custom.version}"
        if ordered != signed:
            raise SubjectMismatchError(subject=f"target {target.path}", expected=ordered, got=signed)

    async def _fetch_index(self, node_id: str, target: TrustedTarget) -> bytes:
        index = await self.downloader.fetch(node_id, target.digest, target.length)
        target.check(index)
        return index

    def _is_done(self, order: DesiredRelease) -> bool:
        """Another profile's variant is left for the node's own at the first order after a start, never later.

        A driver or a package may have come with the start; trying at every poll would fetch and prove for nothing.
        """
        served = self.table.find(order.model)
        if served is None or served.version != order.version:
            return False
        if served.instead_of is None:
            return served.profile == self.profile
        return served.instead_of.profile == self.profile and self.fulfilled.get(order.model) == order.version

    async def _verify(self, node_id: str, index: bytes, profile: str, *, fall_back: bool = False) -> Candidate:
        async def read(descriptor: Descriptor) -> bytes:
            return await self.downloader.fetch(node_id, descriptor.digest, descriptor.size)

        return await verify_release(index, profile=profile, policy=self.policy, read=read, fall_back=fall_back)

    def _check_target(self, target: TrustedTarget, candidate: Candidate) -> None:
        """Both locks must mean the same release: what TUF names is what the owners signed."""
        custom, release = target.custom, candidate.release
        expected = f"{custom.model} {custom.version} {custom.bundle_digest}"
        got = f"{release.name} {release.version} {release.bundle_digest}"
        if got != expected:
            raise SubjectMismatchError(subject=f"release index of {target.path}", expected=expected, got=got)

    async def _first_that_runs(self, node_id: str, index: bytes, candidate: Candidate) -> Served | None:
        """The node's own variant or, by the contract, the first in its place that proves itself on this device.

        ``None`` if that one serves already. Raises the first variant's ``EngineError`` if none does.
        """
        missing, refusal = why_missing(candidate, self.profile), None
        waiting = next_profiles(candidate, self.profile)
        while True:
            instead_of = missing if refusal is None else because(self.profile, refusal)
            serving = self.table.find(candidate.release.name)
            if instead_of and serving and serving.variant_digest == candidate.variant.variant_digest:
                return None
            self._stage(candidate, instead_of)
            try:
                return await self._prove(candidate, instead_of)
            except EngineError as error:
                refusal = refusal or error
                if not waiting:
                    raise refusal from None
                self._tell_fallback(candidate, error, waiting[0])
            candidate = await self._verify(node_id, index, waiting.pop(0))

    def _tell_fallback(self, candidate: Candidate, error: EngineError, following: str) -> None:
        release, profile = candidate.release, candidate.variant.manifest.profile
        detail = f"{release.version} {profile}: {error.name}: {error}; {following} is next"
        logger.warning("fallback of %s %s", release.name, detail)
        self.journal("fallback", release.name, detail)

    def _stage(self, candidate: Candidate, instead_of: InsteadOf | None) -> None:
        model = candidate.release.name
        self.store.commit(model, rules.stage(self.store.slots(model), candidate.slot(instead_of)))

    async def _prove(self, candidate: Candidate, instead_of: InsteadOf | None) -> Served:
        try:
            return replace(await asyncio.to_thread(self.prove, candidate.variant), instead_of=instead_of)
        except SkerryError:
            model = candidate.release.name
            self.store.commit(model, rules.fail(self.store.slots(model)))
            raise

    def _activate(self, served: Served) -> Served | None:
        """Disk first, table second, nothing awaited in between: a crash here wakes up with the new release."""
        model = served.name
        at_ms = int(self.clock() * 1000)
        try:
            self.store.commit(model, rules.activate(self.store.slots(model), at_ms=at_ms))
        except SkerryError:
            served.engine.close()
            raise
        old = self.table.activate(served)
        logger.info("activated %s %s", model, served.version)
        why = f", {served.profile} {served.instead_of}" if served.instead_of else ""
        self.journal("activated", model, f"{served.version} {served.variant_digest}{why}")
        return old

    async def _tidy(self, old: Served | None) -> None:
        if old is not None:
            await old.retire(timeout_s=self.drain_s)
        await self.sweep()

    # Coming back.

    async def _restore(self, model: str) -> None:
        slots = self.store.slots(model)
        if slots.staged is not None:
            self._commit_quietly(model, rules.fail(slots), "dropped what an interrupted update had staged")
        for slot, is_previous in ((slots.current, False), (slots.previous, True)):
            if slot is None:
                continue
            try:
                served = await self._load(model, slot)
            except SkerryError as error:
                detail = f"{slot.version}: {error.name}: {error}"
                logger.warning("cannot serve %s %s", model, detail)
                self.journal("rollback", model, detail)
                self._roll_back(model)
                continue
            self.table.activate(served)
            logger.info("serving %s %s%s", model, slot.version, " (previous release)" if is_previous else "")
            return

    def _roll_back(self, model: str) -> None:
        slots = self.store.slots(model)
        if Event.ROLLBACK in rules.ALLOWED[slots.phase]:
            self._commit_quietly(model, rules.rollback(slots), "left a release that cannot be served")

    def _commit_quietly(self, model: str, slots: rules.ModelSlots, why: str) -> None:
        """A full disk must not keep the agent from serving: the change is made again at the next start."""
        try:
            self.store.commit(model, slots)
        except SkerryError as error:
            logger.warning("%s: %s, but %s: %s", model, why, error.name, error)

    async def _load(self, model: str, slot: Slot) -> Served:
        """Digests and signatures are checked again, from the first byte: the disk is not trusted."""

        async def read(descriptor: Descriptor) -> bytes:
            return await asyncio.to_thread(self.store.read, descriptor.digest, max_bytes=descriptor.size)

        index = self.store.read(slot.index_digest, max_bytes=MAX_INDEX_BYTES)
        candidate = await verify_release(index, profile=slot.profile, policy=self.policy, read=read)
        if (candidate.release.name, candidate.release.version) != (model, slot.version):
            expected, got = f"{model} {slot.version}", f"{candidate.release.name} {candidate.release.version}"
            raise SubjectMismatchError(subject="release on disk", expected=expected, got=got)
        return replace(await asyncio.to_thread(self.prove, candidate.variant), instead_of=slot.instead_of)
