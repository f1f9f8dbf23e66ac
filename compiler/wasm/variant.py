"""The files of a WebAssembly variant: one module for each batch size, and the weights that they share."""

from __future__ import annotations

from collections.abc import Collection

from compiler.wasm.compile import compile_module
from compiler.wasm.options import WasmOptions

WEIGHTS_FILE = "weights.bin"


def module_file(batch: int) -> str:
    """Name of the module of one batch size."""
    return f"b{batch}.wasm"


def variant_files(model: bytes, batches: Collection[int], *, relaxed: bool) -> dict[str, bytes]:
    """``b<batch>.wasm`` for every batch size, and ``weights.bin`` if there are weights.

    The smallest batch size decides the shared weights; a module whose weights differ from these has its own inside.

    Raises:
        CompileError: a shape stays open, or the model does not hold for a batch size.
        UnsupportedOperatorError: the op table does not cover a node.

    """
    files: dict[str, bytes] = {}
    weights: bytes | None = None
    for batch in sorted(batches):
        module = compile_module(model, WasmOptions(batch=batch, relaxed=relaxed))
        weights = module.weights if weights is None else weights
        files[module_file(batch)] = module.code if module.weights == weights else module.standalone()
    return {**files, WEIGHTS_FILE: weights} if weights else files
