"""Pass ``weights``: what is still dequantized from constants is a float constant.

Requires: ``integers`` ran, so that integer operators have taken the weights that they want as integers.
Ensures:
    1. no ``DequantizeLinear`` of the main graph reads only constants, but for those that give a graph output.
"""

from __future__ import annotations

import numpy as np

from compiler.ir.graph import IrGraph
from compiler.ir.stored_constant import stored_constant
from compiler.wasm.options import WasmOptions
from compiler.wasm.passes.draft import Draft

NAME = "weights"


def run(graph: IrGraph, _options: WasmOptions) -> IrGraph:
    """Compute them."""
    draft = Draft(graph)
    for node in graph.nodes:
        draft.emit(node)
        if node.op != "DequantizeLinear" or node.output in graph.outputs:
            continue
        found = stored_constant(node, draft.constant)
        if found is None:
            continue
        draft.remove(node)
        draft.constants[node.output] = np.ascontiguousarray(found.real)
    return draft.finish()
