"""The files of a WebAssembly variant: one module for each batch size, and the weights that they share."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from compiler.wasm.compile import WasmModule, compile_module
from compiler.wasm.options import WasmOptions
from edge_runtime.wasm.files import WEIGHTS_FILE, module_file

MAX_WORKING_BYTES = 1 << 20
"""An offered batch size is kept while its values fit a second-level cache of this size.

Measured for eight rows at once against eight runs of one: autoencoder 0.44 (int8) and 0.63 (float32), DS-CNN 0.90 and
0.93; beyond the cache ResNet-8 0.94 and 0.99, MobileNetV2 1.01 and 1.09.
"""


def variant_files(
    model: bytes, wanted: Collection[int], offered: Collection[int], options: WasmOptions
) -> dict[str, bytes]:
    """``b<batch>.wasm`` for wanted batch sizes and offered ones that pay, and ``weights.bin`` if there are weights.

    ``options`` are those of every module, but for the batch size. The smallest batch size decides the shared weights; a
    module whose weights differ from these has its own inside.

    Raises:
        CompileError: a shape stays open, or the model does not hold for a batch size.
        UnsupportedOperatorError: the op table does not cover a node.

    """
    files: dict[str, bytes] = {}
    weights: bytes | None = None
    for batch in sorted({*wanted, *offered}):
        module = compile_module(model, replace(options, batch=batch))
        weights = module.weights if weights is None else weights
        if batch in wanted or _working_bytes(module) <= MAX_WORKING_BYTES:
            files[module_file(batch)] = module.code if module.weights == weights else module.standalone()
    return {**files, WEIGHTS_FILE: weights} if weights else files


def _working_bytes(module: WasmModule) -> int:
    """Inputs, outputs and all that lies between them."""
    return sum(region.bytes for region in module.info.memory.regions if region.name in ("io", "values"))
