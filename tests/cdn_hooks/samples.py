"""A made-up model with inputs of every kind, as the agent and as the hook know it."""

from __future__ import annotations

import struct

from cdn_hooks.settings import HookCache, HookInput, HookOutput, HookSettings
from edge_bundle.contract import TensorRule
from edge_bundle.tensor import DYNAMIC, DType

MAX_BATCH = 3

INPUTS = (
    TensorRule(name="x", dtype=DType.FP32, shape=(DYNAMIC, 2)),
    TensorRule(name="n", dtype=DType.INT64, shape=(2, 1)),
    TensorRule(name="flags", dtype=DType.BOOL, shape=(DYNAMIC, 1)),
    TensorRule(name="half", dtype=DType.FP16, shape=(2,)),
    TensorRule(name="scale", dtype=DType.FP64, shape=()),
)
OUTPUTS = (
    TensorRule(name="y", dtype=DType.FP32, shape=(DYNAMIC, 2)),
    TensorRule(name="z", dtype=DType.FP16, shape=(DYNAMIC,)),
)


def sample_settings() -> HookSettings:
    """A hook of no real release."""
    return HookSettings(
        model="sample",
        version="1.2.3",
        profile="cpu-fp32",
        bundle_digest="sha256:" + "1" * 64,
        variant_digest="sha256:" + "2" * 64,
        model_digest="sha256:" + "3" * 64,
        contract_digest="sha256:" + "4" * 64,
        origin="http://127.0.0.1:9",
        origin_timeout_ms=1000,
        recheck_ms=60_000,
        max_batch=MAX_BATCH,
        max_body_bytes=4096,
        inputs=tuple(HookInput(name=rule.name, dtype=rule.dtype, shape=rule.shape) for rule in INPUTS),
        outputs=tuple(HookOutput(name=rule.name, dtype=rule.dtype) for rule in OUTPUTS),
        cache=HookCache(enabled=True, reason="", scope="portable-exact:sha256:" + "2" * 64, ttl_ms=60_000),
    )


def packed(dtype: DType, value: float) -> str:
    """The bytes that Python gives a value, in hexadecimal."""
    return struct.pack(f"<{dtype.struct_code}", value).hex()
