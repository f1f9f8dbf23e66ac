"""Telemetry records: what an agent counts and sends, as zstd-compressed MessagePack (``docs/bundle-format.md``)."""

from __future__ import annotations

from typing import Annotated

import msgspec

from edge_bundle.ddsketch import Sketch

TELEMETRY_SCHEMA = 1
MAX_RECORDS_PER_BATCH = 1000
MAX_BATCH_BYTES = 4 << 20
"""Largest uncompressed batch that the hub unpacks."""


class ServingRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Counters of one variant over one window ``[start_ms, end_ms)`` (Unix milliseconds).

    ``requests`` = answered + rejected + failed; ``samples`` counts rows answered; ``hits + misses`` = answered.
    """

    model: str
    version: str
    variant_digest: str
    profile: str
    start_ms: int
    end_ms: int
    requests: int = 0
    samples: int = 0
    hits: int = 0
    misses: int = 0
    rejected: int = 0
    failed: int = 0
    clipped: int = 0
    flagged: int = 0
    latency_us: Sketch = msgspec.field(default_factory=Sketch)


class EventRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Something that happened once on the node: an activation, a refusal, a restart."""

    at_ms: int
    kind: str
    model: str = ""
    detail: str = ""


class TelemetryBatch(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One upload. ``(node_id, boot_id, sequence)`` identifies it, so that a batch sent twice counts once."""

    schema: Annotated[int, msgspec.Meta(ge=TELEMETRY_SCHEMA, le=TELEMETRY_SCHEMA)] = TELEMETRY_SCHEMA
    node_id: str
    boot_id: str
    sequence: Annotated[int, msgspec.Meta(ge=0)]
    serving: Annotated[tuple[ServingRecord, ...], msgspec.Meta(max_length=MAX_RECORDS_PER_BATCH)] = ()
    events: Annotated[tuple[EventRecord, ...], msgspec.Meta(max_length=MAX_RECORDS_PER_BATCH)] = ()
