"""Blobs by digest in a directory. A blob is complete and on the disk before it has its name, and never changes."""

from __future__ import annotations

import asyncio
import errno
import os
import secrets
from collections.abc import AsyncIterable
from pathlib import Path

from edge_bundle.digest import Digest, Sha256Writer, hex_of
from edge_bundle.errors import DigestMismatchError, LimitExceededError, NotFoundError, UnavailableError

TEMPORARY_PREFIX = ".part-"


class BlobStore:
    """``<directory>/<first two hex digits>/<64 hex digits>``."""

    def __init__(self, directory: Path, *, max_blob_bytes: int) -> None:
        self._directory = directory
        self._max_blob_bytes = max_blob_bytes
        directory.mkdir(parents=True, exist_ok=True)
        for left_over in directory.glob(f"{TEMPORARY_PREFIX}*"):  # of an upload that a crash cut off
            left_over.unlink()

    def path(self, digest: Digest) -> Path:
        """Where the blob is.

        Raises NotFoundError, or FormatError for a malformed digest.
        """
        path = self._path(digest)
        if not path.is_file():
            raise NotFoundError(what="blob", name=digest)
        return path

    def size(self, digest: Digest) -> int | None:
        """Its length in bytes; ``None`` when it is not here."""
        try:
            return self._path(digest).stat().st_size
        except FileNotFoundError:
            return None

    def read(self, digest: Digest, *, max_bytes: int) -> bytes:
        """The whole blob (``edge_bundle.layout.BlobSource``).

        Raises NotFoundError, LimitExceededError.
        """
        with self.path(digest).open("rb") as file:
            data = file.read(max_bytes + 1)
        if len(data) > max_bytes:
            raise LimitExceededError(what=f"blob {digest}", limit=max_bytes, got=len(data), unit="bytes")
        return data

    async def put(self, digest: Digest, chunks: AsyncIterable[bytes]) -> bool:
        """Store a stream under its digest; ``False`` when the blob was there already (the stream is still checked).

        Raises LimitExceededError, DigestMismatchError, FormatError, UnavailableError (disk full). Nothing stays behind.
        """
        final = self._path(digest)
        temporary = self._directory / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        try:
            await self._receive(digest, chunks, temporary)
            if final.exists():
                return False
            await asyncio.to_thread(_publish, temporary, final)
        except OSError as error:
            if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
                raise
            raise UnavailableError(
                what="the hub's blob store", detail="the disk is full", advice="free space at the hub, then try again"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
        return True

    async def _receive(self, digest: Digest, chunks: AsyncIterable[bytes], temporary: Path) -> None:
        with temporary.open("xb") as file:
            writer = Sha256Writer(file, max_bytes=self._max_blob_bytes)
            async for chunk in chunks:
                writer.write(chunk)
            if writer.digest != digest:
                raise DigestMismatchError(subject="uploaded blob", expected=digest, got=writer.digest)
            file.flush()
            await asyncio.to_thread(os.fsync, file.fileno())

    def _path(self, digest: Digest) -> Path:
        name = hex_of(digest)
        return self._directory / name[:2] / name


def _publish(temporary: Path, final: Path) -> None:
    final.parent.mkdir(exist_ok=True)
    temporary.replace(final)
    for directory in (final.parent, final.parent.parent):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
