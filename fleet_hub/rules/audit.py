"""The audit log's hash chain: each event's hash covers the one before, so nothing in the middle can change unseen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edge_bundle import canonical
from edge_bundle.digest import Digest, sha256_digest
from edge_bundle.errors import DigestMismatchError

GENESIS: Digest = sha256_digest(b"skerry-audit-1")
"""``prev_hash`` of the first event."""


@dataclass(frozen=True)
class AuditEvent:
    """Who did what to which thing, and when. ``detail`` is canonical JSON text."""

    seq: int
    at_ms: int
    actor: str
    action: str
    subject: str
    detail: str
    prev_hash: Digest
    hash: Digest


def next_event(
    last: AuditEvent | None, *, at_ms: int, actor: str, action: str, subject: str, detail: Mapping[str, object]
) -> AuditEvent:
    """The event that follows ``last``."""
    seq, prev_hash = (last.seq + 1, last.hash) if last else (1, GENESIS)
    text = canonical.dumps(dict(detail)).decode()
    digest = _hash(seq, at_ms, actor, action, subject, text, prev_hash)
    return AuditEvent(seq, at_ms, actor, action, subject, text, prev_hash, digest)


@dataclass(frozen=True)
class Break:
    """The first place where a log does not follow from what comes before it. ``seq`` counts from 1."""

    seq: int
    expected: Digest
    got: Digest


def find_break(events: Iterable[AuditEvent]) -> Break | None:
    """Where a log, from its first event on, was changed, or events removed, added or moved; ``None`` if it holds.

    Cutting off the end cannot be seen from the chain alone; compare the last hash with one noted elsewhere.
    """
    prev_hash = GENESIS
    for seq, event in enumerate(events, start=1):
        expected = _hash(seq, event.at_ms, event.actor, event.action, event.subject, event.detail, prev_hash)
        if event.seq != seq or event.prev_hash != prev_hash or event.hash != expected:
            return Break(seq, expected, event.hash)
        prev_hash = event.hash
    return None


def verify_chain(events: Iterable[AuditEvent]) -> None:
    """Raise DigestMismatchError, naming the event, for a log that ``find_break`` finds broken."""
    broken = find_break(events)
    if broken is not None:
        raise DigestMismatchError(
            subject=f"audit event {broken.seq}",
            expected=broken.expected,
            got=broken.got,
            advice="the audit log was changed; compare it with a backup",
        )


def _hash(seq: int, at_ms: int, actor: str, action: str, subject: str, detail: str, prev_hash: Digest) -> Digest:
    return sha256_digest(canonical.dumps([seq, at_ms, actor, action, subject, detail, prev_hash]))
