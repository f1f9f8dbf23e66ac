"""Admitting releases: joins the trust registry, the blobs and the database. One at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from edge_bundle.digest import check_digest
from edge_bundle.errors import DigestMismatchError, NotFoundError, SubjectMismatchError
from edge_bundle.limits import MAX_INDEX_BYTES
from fleet_hub.api import ReleaseRow, TeamRules, VariantRow
from fleet_hub.blob_store import BlobStore
from fleet_hub.reachability import ReachableRelease, reach
from fleet_hub.store import releases as store
from fleet_hub.store.writer import Writer
from fleet_hub.trust.admission import ReleaseTarget
from fleet_hub.trust.registry import TrustRegistry


class ReleaseDesk:
    """The only place where metadata changes.

    The commit of a release is the new ``timestamp.json``; the database follows. ``reconcile`` at start repairs what a
    crash between the two left out.
    """

    def __init__(self, trust: TrustRegistry, blobs: BlobStore, writer: Writer, clock: Callable[[], float]) -> None:
        self._trust, self._blobs, self._writer, self._clock = trust, blobs, writer, clock
        self._lock = asyncio.Lock()

    async def admit(self, team_role: str, offered: bytes, *, actor: str) -> tuple[ReleaseRow, ...]:
        """Take over new team metadata, if every rule of ``trust/admission.py`` and every blob agrees.

        Raises what ``check_next`` raises, NotFoundError for a missing blob, DigestMismatchError, SubjectMismatchError.
        """
        async with self._lock:
            targets = await asyncio.to_thread(self._trust.check, team_role, offered)
            rows = [await asyncio.to_thread(self._examine, target, actor) for target in targets]
            await asyncio.to_thread(self._trust.publish, team_role, offered)
            for row in rows:
                await self._writer.run(partial(store.add, release=row))
        return tuple(rows)

    async def team_metadata(self, team_role: str) -> bytes:
        """Current metadata of a team role.

        Raises NotFoundError: before its first release.
        """
        async with self._lock:
            found = await asyncio.to_thread(self._trust.team_metadata, team_role)
        if found is None:
            raise NotFoundError(what="team role with releases", name=team_role)
        return found

    async def team_rules(self, team_role: str) -> TeamRules:
        """Whose signatures its releases take.

        Raises NotFoundError: no such team role.
        """
        async with self._lock:
            return await asyncio.to_thread(self._trust.team_rules, team_role)

    async def refresh(self) -> None:
        """Sign the timestamp again."""
        async with self._lock:
            await asyncio.to_thread(self._trust.refresh)

    async def expiries(self) -> dict[str, float]:
        """When each role's metadata expires, Unix seconds."""
        async with self._lock:
            return await asyncio.to_thread(self._trust.expiries)

    async def reconcile(self) -> None:
        """Register every release that the metadata names and the database does not know."""
        async with self._lock:
            known = {row.index_digest for row in await self._writer.run(store.all_releases)}
            for target in await asyncio.to_thread(self._trust.releases):
                if target.index_digest in known:
                    continue
                row = await asyncio.to_thread(self._examine, target, "reconcile")
                await self._writer.run(partial(store.add, release=row))

    def _examine(self, target: ReleaseTarget, actor: str) -> ReleaseRow:
        index = self._blobs.read(target.index_digest, max_bytes=MAX_INDEX_BYTES)
        check_digest(index, target.index_digest, subject=f"release index {target.path}")
        if len(index) != target.length:
            raise DigestMismatchError(
                subject=f"release index {target.path}", expected=f"{target.length} bytes", got=f"{len(index)} bytes"
            )
        release = reach(index, self._blobs)
        _check_same(target, release)
        for blob in release.blobs:
            size = self._blobs.size(blob.digest)
            if size is None:
                raise NotFoundError(what="blob", name=blob.digest, advice="upload every blob before the release")
            if size != blob.size:
                raise DigestMismatchError(
                    subject=f"blob {blob.digest}", expected=f"{blob.size} bytes", got=f"{size} bytes"
                )
        return _row(target, release, actor=actor, at_ms=int(self._clock() * 1000))


def _check_same(target: ReleaseTarget, release: ReachableRelease) -> None:
    document, custom = release.document, target.custom
    for what, expected, got in (
        ("bundle digest", custom.bundle_digest, document.bundle.digest),
        ("name", custom.model, document.name),
        ("version", custom.version, document.version),
    ):
        if expected != got:
            raise SubjectMismatchError(subject=f"release {target.path}: {what}", expected=expected, got=got)


def _row(target: ReleaseTarget, release: ReachableRelease, *, actor: str, at_ms: int) -> ReleaseRow:
    return ReleaseRow(
        model=target.custom.model,
        version=target.custom.version,
        bundle_digest=target.custom.bundle_digest,
        index_digest=target.index_digest,
        team_role=target.team_role,
        admitted_at_ms=at_ms,
        admitted_by=actor,
        variants=tuple(
            VariantRow(
                profile=profile,
                variant_digest=variant.manifest.digest,
                size_bytes=sum(blob.size for blob in variant.blobs),
            )
            for profile, variant in sorted(release.variants.items())
        ),
    )
