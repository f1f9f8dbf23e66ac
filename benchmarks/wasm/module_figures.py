"""Figures of the modules themselves: compile time, size, cold start; of the slower or larger precision each."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import wasmtime

from benchmarks.rows import Row, figure
from benchmarks.wasm.cold_start import cold_start_ms
from benchmarks.wasm.models import Model
from compiler.importer.read_graph import read_graph
from compiler.wasm.compile import WasmModule, compile_module
from edge_runtime.wasm.runtime import wasmtime_engine

COMPILES = 2
"""Compiles of each module; the faster one counts."""

COMPILE_TARGETS_S = {"mobilenetv2": 5.0, "kws": 0.5}
COLD_START_TARGETS_MS = {"mobilenetv2": 25.0, "kws": 2.0}
SIZE_TARGETS = {"mobilenetv2": 150 << 10}


@dataclass(frozen=True)
class Compiled:
    """A module and the seconds that it took to make and validate."""

    module: WasmModule
    seconds: float


def compile_timed(model: Model, onnx: bytes) -> Compiled:
    """Compile and validate; raises ``CompileError`` as the compiler does, ``wasmtime.WasmtimeError`` if invalid."""
    taken = []
    for _ in range(COMPILES):
        started = time.perf_counter()
        module = compile_module(onnx, model.options())
        wasmtime.Module.validate(wasmtime_engine(relaxed_simd=False), module.standalone())
        taken.append(time.perf_counter() - started)
    return Compiled(module, min(taken))


def overhead_bytes(model: Model, onnx: bytes, module: WasmModule) -> int:
    """Bytes of the stand-alone file beyond the constants of the ONNX graph."""
    graph = read_graph(onnx, batch=1, dims=model.dims, bind=model.bind, stage="benchmark")
    return len(module.standalone()) - sum(array.nbytes for array in graph.constants.values())


def module_rows(model: Model, made: Sequence[tuple[bytes, Compiled]]) -> Iterator[Row]:
    """The rows of one model, from the ONNX bytes and the module of each precision."""
    seconds = max(one.seconds for _, one in made)
    yield figure(f"compile_s/{model.name}", seconds, "s", COMPILE_TARGETS_S.get(model.name))
    size = max(overhead_bytes(model, onnx, one.module) for onnx, one in made)
    yield figure(f"module_bytes/{model.name}", size, "bytes", SIZE_TARGETS.get(model.name))
    start = max(cold_start_ms(one.module.standalone()) for _, one in made)
    yield figure(f"cold_start_ms/{model.name}", start, "ms", COLD_START_TARGETS_MS.get(model.name))
