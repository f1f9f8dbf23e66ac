"""Limits of the WebAssembly target, each from the constant that enforces it."""

from __future__ import annotations

from benchmarks.docs.tables import table
from compiler.importer.control import MAX_UNROLLED
from compiler.importer.evaluate import MAX_RESULT_BYTES
from compiler.importer.functions import MAX_FUNCTION_DEPTH
from compiler.importer.model_file import MAX_MODEL_BYTES, MAX_NODES, MAX_OPSET
from compiler.wasm.ops.control import MAX_TURNS
from edge_bundle.tensor import MAX_RANK
from edge_runtime.compiled_code import MAX_CACHE_BYTES
from edge_runtime.wasm.abi import MAX_STEPS, MAX_TENSORS, PAGE_BYTES
from edge_runtime.wasm.module import MAX_CODE_BYTES, MAX_MEMORY_PAGES
from edge_runtime.wasm.runtime import MAX_STACK_BYTES
from wasm_emit.binary import MAX_SECTIONS

MIB, KIB = 1 << 20, 1 << 10


def limits_table() -> str:
    """What, how much, and who refuses more."""
    compiler, engine = "compiler", "engine"
    rows = (
        ("operator set of a model", f"1 to {MAX_OPSET}", compiler),
        ("ONNX file", f"{MAX_MODEL_BYTES // MIB} MiB, one file", compiler),
        ("nodes, function bodies and unrolled turns included", f"{MAX_NODES:,}", compiler),
        ("functions inside functions", f"{MAX_FUNCTION_DEPTH}", compiler),
        ("turns of a loop whose shapes change", f"{MAX_UNROLLED}", compiler),
        ("turns of any other loop", f"{MAX_TURNS:,}", compiler),
        ("result that is computed at compile time", f"{MAX_RESULT_BYTES // MIB} MiB", compiler),
        ("dimensions of an input or output", f"{MAX_RANK}", engine),
        ("inputs, and outputs, of a module", f"{MAX_TENSORS}", engine),
        ("steps of a module", f"{MAX_STEPS:,}", engine),
        ("sections of a module", f"{MAX_SECTIONS}", engine),
        ("module without its weights", f"{MAX_CODE_BYTES // MIB} MiB", engine),
        ("memory of an instance", f"{MAX_MEMORY_PAGES * PAGE_BYTES // MIB:,} MiB", engine),
        ("stack of a run", f"{MAX_STACK_BYTES // KIB} KiB", engine),
        ("compiled code kept on a node", f"{MAX_CACHE_BYTES // MIB:,} MiB, least recently used first out", engine),
    )
    return table(("what", "limit", "enforced by"), rows)
