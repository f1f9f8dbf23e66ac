"""A small module written by hand after the ABI: ``scaled = weights * x`` in float, ``next = count + 1`` in int64, and
``same = flags`` in bool. It serves where a compiled model would hide what is tested."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

import wasmtime

from edge_bundle.digest import sha256_digest
from edge_bundle.tensor import DType
from edge_runtime.wasm.abi import (
    ABI_VERSION,
    SECTION,
    Feature,
    MemoryMap,
    ModuleInfo,
    Region,
    StepInfo,
    TensorPlace,
    Weights,
)
from edge_runtime.wasm.seal import seal
from wasm_emit.binary import append_custom, append_data

WEIGHTS = (0.5, -2.0, 3.0, 4.0)
_AT_WEIGHTS, _AT_EXPANDED, _AT_X, _AT_COUNT, _AT_FLAGS, _AT_SCALED, _AT_NEXT, _AT_SAME = range(1024, 1024 + 8 * 64, 64)

WAT = f"""
(module
  (memory (export "memory") 1 1)
  (global (export "abi_version") i32 (i32.const {{abi}}))
  (func (export "init")
    (v128.store (i32.const {_AT_EXPANDED}) (v128.load (i32.const {_AT_WEIGHTS}))))
  (func $scale (export "step.0")
    (v128.store (i32.const {_AT_SCALED})
      (f32x4.mul (v128.load (i32.const {_AT_EXPANDED})) (v128.load (i32.const {_AT_X})))))
  (func $count (export "step.1")
    (i64.store (i32.const {_AT_NEXT}) (i64.add (i64.load (i32.const {_AT_COUNT})) (i64.const 1)))
    (i32.store (i32.const {_AT_SAME}) (i32.load (i32.const {_AT_FLAGS}))))
  (func (export "run") (result i32) (call $scale) (call $count) (i32.const {{status}})))
"""


@dataclass(frozen=True)
class Sample:
    """A stand-alone module and what it says of itself."""

    code: bytes
    info: ModuleInfo


def sample_info(*, abi: int = ABI_VERSION, weights: Sequence[float] = WEIGHTS) -> ModuleInfo:
    """The section of the sample."""

    def place(name: str, dtype: DType, shape: tuple[int, ...], offset: int) -> TensorPlace:
        return TensorPlace(name=name, dtype=dtype, shape=shape, offset=offset)

    packed = struct.pack("<4f", *weights)
    return ModuleInfo(
        abi=abi,
        features=(Feature.SIMD128,),
        source=sha256_digest(b"sample"),
        batch=1,
        inputs=(
            place("x", DType.FP32, (1, 4), _AT_X),
            place("count", DType.INT64, (), _AT_COUNT),
            place("flags", DType.BOOL, (2, 2), _AT_FLAGS),
        ),
        outputs=(
            place("scaled", DType.FP32, (1, 4), _AT_SCALED),
            place("next", DType.INT64, (), _AT_NEXT),
            place("same", DType.BOOL, (2, 2), _AT_SAME),
        ),
        weights=Weights(offset=_AT_WEIGHTS, bytes=len(packed), digest=sha256_digest(packed)),
        memory=MemoryMap(pages=1, regions=(Region(name="weights", offset=_AT_WEIGHTS, bytes=len(packed)),)),
        steps=(StepInfo(name="mul", op="mul_f32", flops=4), StepInfo(name="add", op="add_i64", flops=1)),
    )


def sample_module(
    *, abi: int = ABI_VERSION, status: int = 0, section: bytes | None = None, weights: Sequence[float] = WEIGHTS
) -> Sample:
    """The sample; ``abi``, ``status`` and ``section`` make it a wrong one."""
    info = sample_info(abi=abi, weights=weights)
    code = bytes(wasmtime.wat2wasm(WAT.format(abi=abi, status=status)))
    code = seal(code, info) if section is None else append_custom(code, SECTION, section)
    return Sample(append_data(code, _AT_WEIGHTS, struct.pack("<4f", *weights)), info)
