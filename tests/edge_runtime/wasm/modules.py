"""Small modules of the ABI, written by hand: ``y = x * weights``, one row of four floats after the other."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
import wasmtime

from edge_bundle.digest import sha256_digest
from edge_bundle.tensor import DType, Tensor, TensorSpec
from edge_runtime.engine import EngineSource
from edge_runtime.wasm.abi import Feature, MemoryMap, ModuleInfo, Region, StepInfo, TensorPlace, Weights
from edge_runtime.wasm.seal import seal
from wasm_emit.binary import append_data

WIDTH = 4
WEIGHTS = struct.pack("<4f", 1.0, -2.0, 0.5, 3.0)
EXPANDED, WEIGHTS_AT, X_AT = 64, 128, 1024
X = TensorSpec(name="x", dtype=DType.FP32, shape=(-1, WIDTH))
Y = TensorSpec(name="y", dtype=DType.FP32, shape=(-1, WIDTH))

STEP = """
    (local $at i32)
    (loop $rows
      (v128.store offset={y} (local.get $at)
        (f32x4.mul (v128.load offset={x} (local.get $at)) (v128.load (i32.const {expanded}))))
      (br_if $rows (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 16))) (i32.const {bytes}))))"""

MODULE = """(module
  (memory (export "memory") {pages} {pages})
  (global (export "abi_version") i32 (i32.const 1))
  (func (export "init") {init})
  (func $step (export "step.0") {step})
  (func (export "run") (result i32) {run}))"""

INIT = "(memory.copy (i32.const {expanded}) (i32.const {weights}) (i32.const 16))"
RUN = "(call $step) (i32.const 0)"


def y_at(batch: int) -> int:
    """Where the output begins: behind the input."""
    return X_AT + 16 * batch


def info(batch: int = 1, **changes: Any) -> ModuleInfo:
    """What the module says of itself; ``changes`` replace fields."""
    shape = (batch, WIDTH)
    honest = ModuleInfo(
        abi=1,
        features=(Feature.SIMD128,),
        source=sha256_digest(b"the graph"),
        batch=batch,
        inputs=(TensorPlace(name="x", dtype=DType.FP32, shape=shape, offset=X_AT),),
        outputs=(TensorPlace(name="y", dtype=DType.FP32, shape=shape, offset=y_at(batch)),),
        weights=Weights(offset=WEIGHTS_AT, bytes=len(WEIGHTS), digest=sha256_digest(WEIGHTS)),
        memory=MemoryMap(pages=1, regions=(Region(name="weights", offset=WEIGHTS_AT, bytes=len(WEIGHTS)),)),
        steps=(StepInfo(name="mul", op="mul_f32", flops=4 * batch),),
    )
    return msgspec.structs.replace(honest, **changes)


def text(batch: int = 1, *, init: str = INIT, step: str = STEP, run: str = RUN, pages: int = 1) -> str:
    """The module as WAT."""
    places = {"x": X_AT, "y": y_at(batch), "bytes": 16 * batch, "expanded": EXPANDED, "weights": WEIGHTS_AT}
    return MODULE.format(init=init.format(**places), step=step.format(**places), run=run, pages=pages, **places)


@cache
def assemble(wat: str) -> bytes:
    return bytes(wasmtime.wat2wasm(wat))


def module(batch: int = 1, *, about: ModuleInfo | None = None, **parts: Any) -> bytes:
    """A sealed module without its weights."""
    return seal(assemble(text(batch, **parts)), about or info(batch))


def standalone(batch: int = 1, **parts: Any) -> bytes:
    """A sealed module with its weights inside."""
    return append_data(module(batch, **parts), WEIGHTS_AT, WEIGHTS)


def artifact(*batches: int, **parts: Any) -> dict[str, bytes]:
    """The files of a bundle's artifact."""
    return {f"b{batch}.wasm": module(batch, **parts) for batch in batches} | {"weights.bin": WEIGHTS}


def source(files: Mapping[str, bytes] | None = None, **changes: Any) -> EngineSource:
    """How to open the artifact, by default of batch size 1 alone; ``changes`` replace fields."""
    held = artifact(1) if files is None else files
    entrypoint = "b1.wasm" if "b1.wasm" in held else next(iter(held), "b1.wasm")
    fields: dict[str, Any] = {"files": held, "entrypoint": entrypoint, "inputs": (X,), "outputs": (Y,)}
    return EngineSource("wasm", **(fields | changes))


def rows(count: int, first: float = 1.0) -> Tensor:
    """An input of that many rows, every element different."""
    values = [first + i for i in range(count * WIDTH)]
    return Tensor(DType.FP32, (count, WIDTH), struct.pack(f"<{len(values)}f", *values))


def expected(x: Tensor) -> Tensor:
    """What the module makes of it."""
    values = _floats(x)
    factors = struct.unpack("<4f", WEIGHTS)
    return Tensor(x.dtype, x.shape, _packed([v * factors[i % WIDTH] for i, v in enumerate(values)]))


def _floats(tensor: Tensor) -> Sequence[float]:
    return struct.unpack(f"<{len(bytes(tensor.data)) // 4}f", tensor.data)


def _packed(values: Sequence[float]) -> bytes:
    return struct.pack(f"<{len(values)}f", *values)
