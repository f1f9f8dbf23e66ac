"""Unpacking a telemetry batch and adding it up. No I/O.

A batch is zstd-compressed MessagePack of ``TelemetryBatch``; its size is bounded before and after unpacking.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Annotated

import msgspec

from edge_bundle import blobs
from edge_bundle.contract import ModelName, VersionText
from edge_bundle.ddsketch import MAX_BINS, Sketch
from edge_bundle.digest import parse_digest
from edge_bundle.errors import FormatError, LimitExceededError, RefusedError
from edge_bundle.limits import MAX_RATIO
from edge_bundle.telemetry import MAX_BATCH_BYTES, ServingRecord, TelemetryBatch

MAX_COMPRESSED_BYTES = 1 << 20
"""Largest upload; ``MAX_BATCH_BYTES`` of counters and sketches pack far below a quarter."""

MAX_COUNT = 1 << 53
"""Largest count in one record: beyond it the sums could leave 64 bits within a fleet's lifetime."""

COUNTERS = ("requests", "samples", "hits", "misses", "rejected", "failed", "clipped", "flagged")
"""Counters of a serving record that totals add up."""

MAX_BIN_INDEX = 36_000
"""Largest bin that a 64-bit float can fall into: ln(1.8e308) / ln(1.01 / 0.99) = 35,490."""

_Names = tuple[ModelName, VersionText, ModelName]
_Counts = list[Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT)]]
_decoder = msgspec.msgpack.Decoder(TelemetryBatch)


@dataclass(frozen=True)
class TotalKey:
    """What one row of totals is about."""

    node_id: str
    model: str
    version: str
    variant_digest: str
    profile: str


@dataclass
class Total:
    """Sums over all records of one key. Times are Unix milliseconds."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTERS, 0))
    batches: int = 0
    first_ms: int = 0
    last_ms: int = 0
    latency_us: Sketch = field(default_factory=Sketch)

    def add(self, record: ServingRecord) -> None:
        """Count one record."""
        for name in COUNTERS:
            self.counts[name] += getattr(record, name)
        self.first_ms = min(self.first_ms, record.start_ms) if self.first_ms else record.start_ms
        self.last_ms = max(self.last_ms, record.end_ms)
        self.latency_us.merge(record.latency_us)


def decode(data: bytes, *, node_id: str) -> TelemetryBatch:
    """Unpack one upload of the node that signed it.

    Raises LimitExceededError, FormatError, or RefusedError when the batch names another node.
    """
    unpacked = blobs.decompress(data, max_bytes=MAX_BATCH_BYTES, max_ratio=MAX_RATIO)
    try:
        batch = _decoder.decode(unpacked)
    except msgspec.DecodeError as error:
        raise FormatError(what="telemetry batch", expected="a MessagePack TelemetryBatch", got=str(error)) from None
    if batch.node_id != node_id:
        raise RefusedError(what="telemetry batch", detail=f"{node_id} signed a batch of {batch.node_id}")
    for record in batch.serving:
        _check(record)
    return batch


def add_up(batch: TelemetryBatch) -> dict[TotalKey, Total]:
    """The sums of one batch, per model, version, variant and profile."""
    totals: dict[TotalKey, Total] = {}
    for record in batch.serving:
        key = TotalKey(batch.node_id, record.model, record.version, record.variant_digest, record.profile)
        total = totals.setdefault(key, Total(batches=1))
        total.add(record)
    return totals


def _check(record: ServingRecord) -> None:
    try:
        msgspec.convert((record.model, record.version, record.profile), _Names)
        msgspec.convert([getattr(record, name) for name in COUNTERS], _Counts)
    except msgspec.ValidationError as error:
        raise FormatError(what="telemetry batch", expected="names and counts in bounds", got=str(error)) from None
    parse_digest(record.variant_digest, what="telemetry batch: variant_digest")
    _check_sketch(record.latency_us)


def _check_sketch(sketch: Sketch) -> None:
    if len(sketch.bins) > MAX_BINS:
        raise LimitExceededError(what="latency sketch", limit=MAX_BINS, got=len(sketch.bins), unit="bins")
    counts = (sketch.count, sketch.zeros, *sketch.bins.values())
    sound = (
        min(counts) >= 0
        and max(counts) <= MAX_COUNT
        and sketch.zeros + sum(sketch.bins.values()) == sketch.count
        and max((abs(index) for index in sketch.bins), default=0) <= MAX_BIN_INDEX
        and math.isfinite(sketch.total)
        and (sketch.count == 0 or (math.isfinite(sketch.smallest) and math.isfinite(sketch.largest)))
    )
    if not sound:
        raise FormatError(what="latency sketch", expected="counts that add up and finite values", got="others")
