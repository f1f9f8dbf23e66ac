"""The last step: every NaN of a float output becomes the one canonical NaN.

WebAssembly leaves the bits of a NaN that arithmetic gives to the engine (core specification, section 4.3.3, "NaN
propagation"), so that two engines may write different bytes for the same result. Outputs that cannot hold a NaN of
arithmetic are left alone: integers, dequantized integers, and what is only moved from inputs or constants.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from compiler.ir.free_name import free_name
from compiler.ir.graph import IrGraph, Node
from compiler.wasm.numerics.sizes import FLOAT_LANES, VECTOR_BYTES
from compiler.wasm.specs import QGemm
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function
from wasm_emit.instructions import f32x4, v128, v128_const

NAME = "canonical_nan"

_MOVES = frozenset({
    "Concat", "DepthToSpace", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "Identity", "Reshape",
    "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze",
})  # fmt: skip


def canonical_nan_step(graph: IrGraph) -> Step | None:
    """A step behind all others that rewrites outputs in place; ``None`` when no output needs it."""
    makers = graph.makers()
    outputs = tuple(
        name
        for name in dict.fromkeys(graph.outputs)
        if graph.types[name].dtype is DType.FP32 and graph.types[name].size and _may_be_nan(graph, makers, name)
    )
    if not outputs:
        return None

    def emit(e: StepEmitter) -> None:
        for name in outputs:
            _rewrite(e.fn, e.at(name), e.type_of(name).size)

    names = {node.name for node in graph.walk()}
    return Step(name=free_name(NAME, names), op=NAME, reads=outputs, writes=(), emit=emit)


def _may_be_nan(graph: IrGraph, makers: Mapping[str, Node], value: str) -> bool:
    node = makers.get(value)
    if node is None:
        return False
    if node.op in _MOVES:
        floats = (name for name in node.inputs if name and graph.types[name].dtype is DType.FP32)
        return any(_may_be_nan(graph, makers, name) for name in floats)
    if node.op == "skerry.qgemm":
        return not _finite_scales(node.attrs["spec"])
    if node.op == "DequantizeLinear":
        scale = graph.constants.get(node.input(1))
        return scale is None or not np.isfinite(scale).all()
    return not (node.op == "Cast" and not graph.types[node.input(0)].dtype.is_float)


def _finite_scales(spec: QGemm) -> bool:
    """Whether each factor of the integer sums is finite: 0 times infinity is a NaN."""
    with np.errstate(over="ignore", invalid="ignore"):
        factors = np.float32(spec.x.scale) * spec.w_scales.astype(np.float32)
    return bool(np.isfinite(factors).all())


def _rewrite(fn: Function, start: int, size: int) -> None:
    """``x == x ? x : NaN``, four at a time; the last vector may reach into the slack."""
    place = fn.new(start, "place")
    with fn.pointer_loop(place, -(-size // FLOAT_LANES), VECTOR_BYTES):
        x = fn.new(v128.load(place), "x")
        nan = v128_const("f32x4", float("nan"))
        fn.do(v128.store(place, v128.bitselect(x, nan, f32x4.eq(x, x))))
