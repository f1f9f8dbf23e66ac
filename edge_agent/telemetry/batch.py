"""The bytes of one telemetry upload: MessagePack under zstd (RFC 8878). Encoded once, sent until accepted."""

from __future__ import annotations

import msgspec
import zstandard

from edge_bundle.errors import LimitExceededError
from edge_bundle.telemetry import MAX_BATCH_BYTES, TelemetryBatch

LEVEL = 3
"""zstd's default: batches are small, and a node's CPU is for inference."""

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(TelemetryBatch)


def encode_batch(batch: TelemetryBatch) -> bytes:
    """Raises ``LimitExceededError`` for a batch that the hub would not unpack."""
    plain = _encoder.encode(batch)
    if len(plain) > MAX_BATCH_BYTES:
        raise LimitExceededError(what="telemetry batch", limit=MAX_BATCH_BYTES, got=len(plain), unit="bytes")
    return zstandard.compress(plain, LEVEL)


def decode_batch(data: bytes) -> TelemetryBatch:
    """The batch of bytes that ``encode_batch`` made on this node (the hub has its own, distrustful reader)."""
    return _decoder.decode(zstandard.decompress(data, max_output_size=MAX_BATCH_BYTES))
