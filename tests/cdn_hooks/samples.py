"""Settings of a hook for a made-up model with every kind of input, and cases for the conversion of JSON values."""

from __future__ import annotations

import struct

from cdn_hooks.settings import HookCache, HookInput, HookSettings
from edge_bundle.tensor import DType


def sample_settings(*, origin: str = "http://127.0.0.1:9") -> HookSettings:
    """A hook of no real release."""
    return HookSettings(
        model="sample",
        version="1.2.3",
        profile="cpu-fp32",
        bundle_digest="sha256:" + "1" * 64,
        variant_digest="sha256:" + "2" * 64,
        model_digest="sha256:" + "3" * 64,
        contract_digest="sha256:" + "4" * 64,
        origin=origin,
        origin_timeout_ms=1000,
        max_batch=4,
        max_body_bytes=4096,
        inputs=(
            HookInput(name="x", dtype=DType.FP32, shape=(-1, 2)),
            HookInput(name="n", dtype=DType.INT64, shape=(1,)),
        ),
        outputs=("y",),
        cache=HookCache(enabled=True, reason="", scope="portable-exact", ttl_ms=60_000),
    )


def packed(dtype: DType, value: float) -> str:
    """The bytes that Python gives a value, in hexadecimal."""
    return struct.pack(f"<{dtype.struct_code}", value).hex()
