"""Reading, building and signing TUF metadata: what the ceremony, the teams and the hub have in common.

Terms and checks follow the TUF specification 1.0.34 (https://theupdateframework.github.io/specification/latest/).
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable
from typing import TypeVar

from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Key, Signature
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, Targets, Timestamp
from tuf.api.serialization import DeserializationError, SerializationError

from edge_bundle.errors import FormatError, LimitExceededError
from edge_bundle.keys import SigningKey
from update_trust import nacl_key

MAX_METADATA_BYTES = 5_000_000
"""Largest metadata file read or served: the default ``targets_max_length`` of ``tuf.ngclient.UpdaterConfig``."""

S = TypeVar("S", Root, Timestamp, Snapshot, Targets)

nacl_key.register()


def parse(data: bytes, role_type: type[S], *, what: str) -> Metadata[S]:
    """Parse one metadata file; signatures are not checked here.

    Raises LimitExceededError: larger than ``MAX_METADATA_BYTES``.
    FormatError: not TUF metadata, or of another role type.
    """
    if len(data) > MAX_METADATA_BYTES:
        raise LimitExceededError(what=what, limit=MAX_METADATA_BYTES, got=len(data), unit="bytes")
    try:
        metadata: Metadata[S] = Metadata.from_bytes(data)
    except DeserializationError as error:
        raise FormatError(what=what, expected=f"TUF {role_type.type} metadata", got=_reason(error)) from error
    if not isinstance(metadata.signed, role_type):
        raise FormatError(what=what, expected=f"TUF {role_type.type} metadata", got=f"{metadata.signed.type} metadata")
    return metadata


def sign(signed: S, keys: Iterable[SigningKey]) -> bytes:
    """The signed metadata file: one signature by each key, over the canonical JSON of ``signed``."""
    metadata = Metadata(signed)
    for key in keys:
        metadata.sign(nacl_key.NaclSigner(key), append=True)
    return metadata.to_bytes()


def valid_signers(metadata: Metadata[S], keys: Iterable[Key]) -> frozenset[str]:
    """Keyids, of those given, whose signature over ``metadata`` holds.

    Raises FormatError: it has values that TUF's canonical form lacks (fractions, halves of characters), over which no
    signature can be.
    """
    try:
        payload = metadata.signed_bytes
    except SerializationError as error:
        raise FormatError(what="TUF metadata", expected="values of canonical JSON", got=_reason(error)) from error
    return frozenset(key.keyid for key in keys if _holds(key, metadata.signatures.get(key.keyid), payload))


def utc(unix_s: float) -> dt.datetime:
    """TUF dates: UTC with whole seconds."""
    return dt.datetime.fromtimestamp(int(unix_s), tz=dt.UTC)


def meta_file(version: int, data: bytes) -> MetaFile:
    """How snapshot and timestamp list a file: version, length and SHA-256."""
    return MetaFile(version=version, length=len(data), hashes={"sha256": hashlib.sha256(data).hexdigest()})


def _holds(key: Key, signature: Signature | None, payload: bytes) -> bool:
    if signature is None:
        return False
    try:
        key.verify_signature(signature, payload)
    except UnverifiedSignatureError:
        return False
    return True


def _reason(error: DeserializationError | SerializationError) -> str:
    cause = error.__cause__
    return f"{type(cause).__name__}: {cause}"[:200] if cause else str(error)
