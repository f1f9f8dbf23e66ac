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
from edge_bundle.limits import MAX_RATIO, MAX_SAFE_INTEGER
from edge_bundle.messages import Detail, Millis, Name, Word
from edge_bundle.telemetry import MAX_BATCH_BYTES, ServingRecord, TelemetryBatch

MAX_COMPRESSED_BYTES = 1 << 20
"""Largest upload; ``MAX_BATCH_BYTES`` of counters and sketches pack far below a quarter."""

MAX_COUNT = 1 << 40
"""Largest count in one record: a million requests a second for twelve days."""

MAX_TOTALS_PER_NODE = 10_000
"""Rows of totals that one node may fill: 64 models in 156 versions. A stolen node must not fill the hub's disk."""

COUNTERS = ("requests", "samples", "hits", "misses", "rejected", "failed", "clipped", "flagged")
"""Counters of a serving record that totals add up."""

MIN_BIN_INDEX = -37_300
"""Below every bin that a 64-bit float falls into: ln(5e-324) / ln(1.01 / 0.99) = -37,221."""

MAX_BIN_INDEX = 35_000
"""Bins up to 1e304; the bound of the last bins overflows a 64-bit float when a quantile is taken."""

_Names = tuple[ModelName, VersionText, ModelName]
_SafeInteger = Annotated[int, msgspec.Meta(ge=0, le=MAX_SAFE_INTEGER)]
_Identity = tuple[Name, _SafeInteger]
_Times = tuple[_SafeInteger, _SafeInteger]
_EventBounds = tuple[Millis, Word, Word, Detail]
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

    def merge(self, other: Total) -> None:
        """Add another total. Sums stop at what JSON keeps exactly, so that no node can spoil the hub's answers."""
        for name in COUNTERS:
            self.counts[name] = min(self.counts[name] + other.counts[name], MAX_SAFE_INTEGER)
        self.batches += other.batches
        self.first_ms = min(self.first_ms, other.first_ms)
        self.last_ms = max(self.last_ms, other.last_ms)
        self.latency_us.merge(other.latency_us)


def decode(data: bytes, *, node_id: str) -> TelemetryBatch:
    """Unpack one upload of the node that signed it.

    Raises LimitExceededError, FormatError, or RefusedError when the batch names another node.
    """
    unpacked = blobs.decompress(data, max_bytes=MAX_BATCH_BYTES, max_ratio=MAX_RATIO)
    try:
        batch = _decoder.decode(unpacked)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise FormatError(what="telemetry batch", expected="a MessagePack TelemetryBatch", got=str(error)) from None
    if batch.node_id != node_id:
        raise RefusedError(what="telemetry batch", detail=f"{node_id} signed a batch of {batch.node_id}")
    try:
        _check_bounds(batch)
    except msgspec.ValidationError as error:
        raise FormatError(what="telemetry batch", expected="names and numbers in bounds", got=str(error)) from None
    for record in batch.serving:
        parse_digest(record.variant_digest, what="telemetry batch: variant_digest")
        _check_sketch(record.latency_us)
    return batch


def add_up(batch: TelemetryBatch) -> dict[TotalKey, Total]:
    """The sums of one batch, per model, version, variant and profile."""
    totals: dict[TotalKey, Total] = {}
    for record in batch.serving:
        key = TotalKey(batch.node_id, record.model, record.version, record.variant_digest, record.profile)
        total = totals.setdefault(key, Total(batches=1))
        total.add(record)
    return totals


def _check_bounds(batch: TelemetryBatch) -> None:
    msgspec.convert((batch.boot_id, batch.sequence), _Identity)
    for record in batch.serving:
        msgspec.convert((record.model, record.version, record.profile), _Names)
        msgspec.convert([getattr(record, name) for name in COUNTERS], _Counts)
        msgspec.convert((record.start_ms, record.end_ms), _Times)
    for event in batch.events:
        msgspec.convert((event.at_ms, event.kind, event.model, event.detail), _EventBounds)


def _check_sketch(sketch: Sketch) -> None:
    if len(sketch.bins) > MAX_BINS:
        raise LimitExceededError(what="latency sketch", limit=MAX_BINS, got=len(sketch.bins), unit="bins")
    counts = (sketch.count, sketch.zeros, *sketch.bins.values())
    sound = (
        min(counts) >= 0
        and max(counts) <= MAX_COUNT
        and sketch.zeros + sum(sketch.bins.values()) == sketch.count
        and all(MIN_BIN_INDEX <= index <= MAX_BIN_INDEX for index in sketch.bins)
        and math.isfinite(sketch.total)
        and (sketch.count == 0 or (math.isfinite(sketch.smallest) and math.isfinite(sketch.largest)))
    )
    if not sound:
        raise FormatError(what="latency sketch", expected="counts that add up and finite values", got="others")
