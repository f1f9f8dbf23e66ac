"""What a call into a module costs by itself: the agent's engine around a module that does nothing."""

from __future__ import annotations

import wasmtime

from benchmarks.wasm.engines import PythonEngine, wasmtime_source
from compiler.wasm.compile import WasmModule
from edge_bundle.digest import sha256_digest
from edge_bundle.tensor import DType, Tensor
from edge_runtime.factory import open_engine
from edge_runtime.wasm.abi import ABI_VERSION, MemoryMap, ModuleInfo, TensorPlace, Weights
from edge_runtime.wasm.seal import seal

INPUT, OUTPUT = (1, 1, 49, 10), (1, 12)
"""Shapes of the keyword spotter."""

INPUT_AT, OUTPUT_AT = 1024, 4096

WAT = f"""
(module
  (memory (export "memory") 1 1)
  (global (export "abi_version") i32 (i32.const {ABI_VERSION}))
  (func (export "init"))
  (func (export "run") (result i32) (i32.const 0)))
"""


def host_call_us(seconds: float) -> float:
    """Microseconds of the shortest run, tensors in and out included."""
    module = idle_module()
    given = {"input": Tensor(DType.FP32, INPUT, bytes(module.info.inputs[0].nbytes))}
    with open_engine(wasmtime_source(module)) as engine:
        loop = PythonEngine("", lambda _: {}, lambda _: engine.run(given), 1)
        loop.segment(seconds)
        return loop.segment(seconds).wall_us


def idle_module() -> WasmModule:
    """A module that computes nothing, with the keyword spotter's input and output."""
    info = ModuleInfo(
        abi=ABI_VERSION,
        features=(),
        source=sha256_digest(b"idle"),
        batch=1,
        inputs=(TensorPlace(name="input", dtype=DType.FP32, shape=INPUT, offset=INPUT_AT),),
        outputs=(TensorPlace(name="output", dtype=DType.FP32, shape=OUTPUT, offset=OUTPUT_AT),),
        weights=Weights(offset=0, bytes=0, digest=sha256_digest(b"")),
        memory=MemoryMap(pages=1, regions=()),
        steps=(),
    )
    return WasmModule(code=seal(bytes(wasmtime.wat2wasm(WAT)), info), weights=b"", info=info, wat=WAT)
