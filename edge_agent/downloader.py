"""Resumable download of blobs: into ``partial/``, checked, then moved to ``blobs/``."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass

from edge_agent.config import LimitsConfig
from edge_agent.ports import Clock, Disk, HubPort
from edge_agent.store import Store
from edge_agent.transfer import RateFloor
from edge_bundle.digest import Digest, check_digest, parse_digest
from edge_bundle.errors import DigestMismatchError, LimitExceededError, NotFoundError, UnavailableError

APPEND_BYTES = 1 << 20
"""Received bytes are written to the partial file in pieces of about this size."""


@dataclass(frozen=True)
class Downloader:
    """Fetches blobs of known digest and size. ``monotonic`` is the clock that rates are judged by, in seconds."""

    store: Store
    disk: Disk
    hub: HubPort
    limits: LimitsConfig
    monotonic: Clock

    async def fetch(self, node_id: str, digest: Digest, size: int) -> bytes:
        """A blob from disk, or from the hub starting where an interrupted download left off.

        Raises ``LimitExceededError`` (too large), ``UnavailableError`` (try again later, the partial file stays) or
        ``DigestMismatchError`` (the hub's bytes are wrong; nothing of them stays).
        """
        parse_digest(digest, what="digest of a wanted blob")
        if size > self.limits.max_artifact_bytes:
            limit = self.limits.max_artifact_bytes
            raise LimitExceededError(what=f"blob {digest}", limit=limit, got=size, unit="bytes")
        stored = await asyncio.to_thread(self._stored, digest, size)
        if stored is not None:
            return stored
        prefix = self._partial(digest, size)
        try:
            return await self._complete(node_id, digest, size, prefix)
        except DigestMismatchError:
            if not prefix:
                raise
        # The part from an earlier attempt may have been what was wrong: once more, from the first byte.
        return await self._complete(node_id, digest, size, b"")

    def _stored(self, digest: Digest, size: int) -> bytes | None:
        try:
            return self.store.read(digest, max_bytes=size)
        except (NotFoundError, DigestMismatchError):
            return None
        except LimitExceededError:
            self.disk.remove(self.store.blob_path(digest))
            return None

    def _partial(self, digest: Digest, size: int) -> bytes:
        path = self.store.partial_path(digest)
        try:
            return self.disk.read(path, max_bytes=size) or b""
        except LimitExceededError:
            self.disk.remove(path)
            return b""

    async def _complete(self, node_id: str, digest: Digest, size: int, prefix: bytes) -> bytes:
        received = bytearray(prefix)
        if len(received) < size:
            try:
                async with asyncio.timeout(self.limits.download_timeout_s):
                    await self._receive(node_id, digest, size, received)
            except TimeoutError as error:
                detail = f"not complete after {self.limits.download_timeout_s:g} s"
                raise UnavailableError(what=f"blob {digest}", detail=detail) from error
        data = bytes(received)
        await asyncio.to_thread(self._accept, digest, data)
        return data

    def _accept(self, digest: Digest, data: bytes) -> None:
        path = self.store.partial_path(digest)
        try:
            check_digest(data, digest, subject=f"blob {digest} from the hub")
        except DigestMismatchError:
            self.disk.remove(path)
            raise
        if data:
            self.disk.rename(path, self.store.blob_path(digest))
        else:
            self.disk.write(self.store.blob_path(digest), data)

    async def _receive(self, node_id: str, digest: Digest, size: int, received: bytearray) -> None:
        """Extend ``received`` to ``size`` bytes; what arrived is kept on disk however this ends."""
        path = self.store.partial_path(digest)
        rate = self._rate(digest)
        written = len(received)
        try:
            async with aclosing(self.hub.blob(node_id, digest, offset=len(received))) as chunks:
                async for chunk in chunks:
                    received += chunk
                    if len(received) > size:
                        # The surplus proves a lie; nothing of this transfer is worth keeping.
                        written = len(received)
                        self.disk.remove(path)
                        raise LimitExceededError(what=f"blob {digest}", limit=size, got=len(received), unit="bytes")
                    rate.add(len(chunk))
                    if len(received) - written >= APPEND_BYTES:
                        self.disk.append(path, bytes(received[written:]))
                        written = len(received)
        finally:
            if len(received) > written:
                self.disk.append(path, bytes(received[written:]))
        if len(received) < size:
            raise UnavailableError(what=f"blob {digest}", detail=f"the hub sent {len(received)} of {size} bytes")

    def _rate(self, digest: Digest) -> RateFloor:
        return RateFloor(
            what=f"blob {digest}",
            min_bytes_per_s=self.limits.min_rate_bytes_per_s,
            window_s=self.limits.rate_window_s,
            clock=self.monotonic,
        )
