"""SHA-256 digests in OCI form (``sha256:`` and 64 lower-case hex digits), bounded and streaming."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import BinaryIO, TypeAlias

from edge_bundle.errors import DigestMismatchError, FormatError, LimitExceededError

Digest: TypeAlias = str
"""``sha256:<64 hex>`` (OCI image spec, "Digests")."""

_PATTERN = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_CHUNK_BYTES = 1 << 20


def sha256_digest(data: bytes | memoryview) -> Digest:
    """Digest of bytes in memory."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def sha256_stream(stream: BinaryIO, *, max_bytes: int) -> tuple[Digest, int]:
    """Digest and length of a stream read to its end; ``LimitExceededError`` once it passes ``max_bytes``."""
    writer = Sha256Writer(max_bytes=max_bytes)
    while chunk := stream.read(_CHUNK_BYTES):
        writer.write(chunk)
    return writer.digest, writer.size


def check_digest(data: bytes | memoryview, expected: Digest, *, subject: str) -> None:
    """Raise ``DigestMismatchError`` unless ``data`` has the expected digest."""
    got = sha256_digest(data)
    if not hmac.compare_digest(got, expected):
        raise DigestMismatchError(subject=subject, expected=expected, got=got)


def parse_digest(text: str, *, what: str) -> Digest:
    """The text itself when it is a well-formed digest, else ``FormatError``. Safe to use in a path afterwards."""
    if not _PATTERN.fullmatch(text):
        raise FormatError(what=what, expected="sha256: and 64 lower-case hex digits", got=repr(text[:80]))
    return text


def hex_of(digest: Digest) -> str:
    """The 64 hex digits alone, as in-toto subjects and OCI blob paths have them."""
    return parse_digest(digest, what="digest").removeprefix("sha256:")


class Sha256Writer:
    """Hashes and counts what passes through ``write``; copies it to ``target`` when one is given.

    ``LimitExceededError`` is raised before the write that would pass ``max_bytes``.
    """

    def __init__(self, target: BinaryIO | None = None, *, max_bytes: int) -> None:
        self._target = target
        self._max_bytes = max_bytes
        self._hash = hashlib.sha256()
        self.size = 0

    def write(self, data: bytes | memoryview) -> int:
        """Take one chunk; returns its length in bytes."""
        if self.size + len(data) > self._max_bytes:
            raise LimitExceededError(what="stream", limit=self._max_bytes, got=self.size + len(data), unit="bytes")
        if self._target is not None:
            self._target.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    @property
    def digest(self) -> Digest:
        """Digest of everything written so far."""
        return f"sha256:{self._hash.hexdigest()}"
