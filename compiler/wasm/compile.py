"""The front door of the WebAssembly compiler: ONNX bytes in, one import-free module out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from compiler.importer.functions import has_body
from compiler.importer.read_graph import read_graph
from compiler.ir.graph import IrGraph
from compiler.wasm.canonical_nan import canonical_nan_step
from compiler.wasm.emit import running, write_module
from compiler.wasm.lower import lower_graph
from compiler.wasm.ops.table import TABLE
from compiler.wasm.options import WasmOptions
from compiler.wasm.pipeline import run_passes
from compiler.wasm.plan import BASE, Plan, make_plan
from compiler.wasm.step import Step
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import CompileError, LimitExceededError, UnsupportedOperatorError
from edge_runtime.one_line import one_line
from edge_runtime.wasm.abi import (
    ABI_VERSION,
    Feature,
    MemoryMap,
    ModuleInfo,
    StepInfo,
    TensorPlace,
    Weights,
)
from edge_runtime.wasm.seal import seal
from wasm_emit.assemble import assemble
from wasm_emit.binary import append_data

MAX_OPERATIONS = 10**13
"""Of one run, loops by their bounds: a quarter of an hour where a core does 10 billion a second."""


@dataclass(frozen=True, kw_only=True)
class WasmModule:
    """A compiled module. ``code`` has no data segment; ``weights`` belong at ``info.weights.offset``."""

    code: bytes = field(repr=False)
    weights: bytes = field(repr=False)
    info: ModuleInfo
    wat: str = field(repr=False)

    def standalone(self) -> bytes:
        """Code and weights as one ``.wasm`` file."""
        return append_data(self.code, self.info.weights.offset, self.weights)


def compile_module(model: bytes, options: WasmOptions | None = None) -> WasmModule:
    """Compile a float or QDQ model.

    Where a kernel does not cover some use of an operator that ONNX defines by others, the model is read again with that
    operator expanded.

    Raises:
        CompileError: the model is broken, or a shape stays open.
        UnsupportedOperatorError: the op table does not cover a node; names operator, node and reason.
        LimitExceededError: the model has more nodes, or the module more steps, than any engine takes; one run would not
            end in a quarter of an hour.

    """
    chosen = options or WasmOptions()
    source, native = sha256_digest(model), frozenset(TABLE)
    while True:
        graph = read_graph(model, batch=chosen.batch, dims=chosen.dims, bind=chosen.bind, stage="wasm", native=native)
        try:
            return compile_graph(graph, chosen, source=source)
        except MemoryError as error:  # a table or weights laid out anew that this machine has no place for
            raise CompileError(
                stage="wasm", detail=f"expected what fits into this machine's memory, got {one_line(error)}",
                advice="compile for a smaller batch or smaller dimensions",
            ) from error  # fmt: skip
        except UnsupportedOperatorError as error:
            if error.operator not in native or not has_body(error.operator):
                raise
            native -= {error.operator}


def compile_graph(graph: IrGraph, options: WasmOptions, *, source: str) -> WasmModule:
    """Compile a graph that ``read_graph`` gave; ``source`` is the digest of the model it came from."""
    ready = run_passes(graph, options)
    last = canonical_nan_step(ready)
    steps = [*lower_graph(ready, options), *([last] if last is not None else [])]
    operations = sum(step.flops for step in steps)
    if operations > MAX_OPERATIONS:
        raise LimitExceededError(what="one run", limit=MAX_OPERATIONS, got=operations, unit="operations")
    plan = make_plan(steps, ready.types, ready.constants, ready.inputs, ready.outputs)
    wat = write_module(steps, plan, ready.types).wat()
    info = _info(ready, steps, plan, options, source)
    code = seal(assemble(wat), info)
    return WasmModule(code=code, weights=plan.weights, info=info, wat=wat)


def _info(graph: IrGraph, steps: Sequence[Step], plan: Plan, options: WasmOptions, source: str) -> ModuleInfo:
    def places(names: tuple[str, ...]) -> tuple[TensorPlace, ...]:
        types = [(name, graph.types[name]) for name in names]
        return tuple(
            TensorPlace(name=name, dtype=kind.dtype, shape=kind.shape, offset=plan.values[name]) for name, kind in types
        )

    return ModuleInfo(
        abi=ABI_VERSION,
        features=(Feature.SIMD128, *((Feature.RELAXED_SIMD,) if options.relaxed else ())),
        source=source,
        batch=options.batch,
        inputs=places(graph.inputs),
        outputs=places(graph.outputs),
        weights=Weights(offset=BASE, bytes=len(plan.weights), digest=sha256_digest(plan.weights)),
        memory=MemoryMap(pages=plan.pages, regions=plan.regions),
        steps=tuple(StepInfo(name=step.name, op=step.op, flops=step.flops) for step in running(steps)),
    )
