"""``QuantizeLinear``, ``DequantizeLinear``, ``DynamicQuantizeLinear`` where no integer kernel has taken them in.

``saturate(round_half_even(x / scale) + zero_point)``: clamped in float first, which gives the same integer; NaN becomes
the lowest one, as ONNX Runtime's vectors have it. Scale and zero point per tensor, per axis, or per block of an axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.ir.graph import Node, ValueType
from compiler.wasm.kernels.loopnest import Body, elementwise
from compiler.wasm.kernels.operand import Operand, broadcast, contiguous
from compiler.wasm.kernels.reduce import Reduced, Reduction, reduce_axes
from compiler.wasm.numerics.convert import convert
from compiler.wasm.numerics.lanes import F32, Lanes
from compiler.wasm.numerics.rounding import MAGIC, MAGIC_BITS
from compiler.wasm.numerics.storage import load, store
from compiler.wasm.ops.arguments import axis_of
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32
from wasm_emit.types import Expr

SMALL = frozenset({DType.INT8, DType.UINT8, DType.INT16, DType.UINT16})
"""What floats are quantized to."""

_LEVELS = 255
"""Steps between the ends of uint8."""


def quantize(fn: Function, lanes: Lanes, x: Expr, scale: Local, zero: Local | None) -> Expr:
    """Float lanes as integers of the dtype of ``lanes`` (8 or 16 bits)."""
    floats = lanes.of(DType.FP32)
    limits = np.iinfo(lanes.dtype.numpy_name)
    low, high = floats.const(float(limits.min)), floats.const(float(limits.max))
    if zero is not None:
        shift = fn.new(floats.to_float(zero), "shift")
        low, high = fn.new(floats.sub(low, shift), "low"), fn.new(floats.sub(high, shift), "high")
    ratio = fn.new(floats.div(x, scale), "ratio")
    held = fn.new(floats.pmax(low, ratio), "held")
    cut = floats.pmin(high, held)
    whole = lanes.sub(floats.bits(floats.add(cut, floats.const(MAGIC))), lanes.const(MAGIC_BITS))
    return whole if zero is None else lanes.add(whole, zero)


def _quantize(node: Node, scope: Scope) -> Step:
    target = scope.type_of(node.output).dtype
    if target not in SMALL:
        raise refuse(node, f"expected an output of 8 or 16 bits, got {target.value}")
    if any(scope.type_of(name).dtype is not DType.FP32 for name in node.inputs[1:2]):
        raise refuse(node, "expected a float32 scale")

    def body(fn: Function, lanes: Lanes, values: Sequence[Local]) -> Expr:
        x, scale, *zero = values
        floats = fn.new(convert(lanes, lanes.of(DType.FP32), x), "x")
        return quantize(fn, lanes.of(target), floats, scale, zero[0] if zero else None)

    return _scaled(node, scope, body)


def _dequantize(node: Node, scope: Scope) -> Step:
    source = scope.type_of(node.input(0)).dtype
    if any(scope.type_of(name).dtype is not DType.FP32 for name in (node.input(1), node.output)):
        raise refuse(node, "expected float32 scale and output")

    def body(fn: Function, lanes: Lanes, values: Sequence[Local]) -> Expr:
        x, scale, *zero = values
        whole = fn.new(lanes.sub(x, zero[0]), "whole") if zero else x
        floats = lanes.of(DType.FP32)
        return floats.mul(floats.to_float(whole), scale)

    if source is DType.UINT32:
        raise refuse(node, "expected signed integers of 32 bits")
    return _scaled(node, scope, body)


def _scaled(node: Node, scope: Scope, body: Body) -> Step:
    """A step over ``x``, its scales and, if given, its zero points."""
    kind, out = scope.type_of(node.input(0)), scope.type_of(node.output)
    reads = tuple(name for name in node.inputs if name)
    scales = scope.type_of(node.input(1))
    shape, beside = _layout(node, kind, scales)

    def emit(e: StepEmitter) -> None:
        own = contiguous(shape)
        operands = [
            Operand(address=e.at(name), dtype=e.type_of(name).dtype, strides=strides)
            for name, strides in zip(reads, (own, beside, beside), strict=False)
        ]
        target = Operand(address=e.at(node.output), dtype=out.dtype, strides=own)
        elementwise(e.fn, shape, target, operands, body)

    return Step(name=node.name, op=node.op.lower(), reads=reads, writes=(node.output,), emit=emit, flops=2 * kind.size)


def _layout(node: Node, kind: ValueType, scales: ValueType) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The shape to walk through, and the strides of the scales in it."""
    if scales.size == 1:
        return kind.shape, (0,) * kind.rank
    axis = axis_of(node, kind.rank, 1)
    length, block = kind.shape[axis], int(node.attrs.get("block_size", 0))
    if scales.rank == 1 and not block and scales.size == length:
        along = tuple(length if index == axis else 1 for index in range(kind.rank))
        return kind.shape, broadcast(along, kind.shape)
    blocks = scales.shape[axis] if scales.rank == kind.rank else 0
    if not block or blocks * block != length or scales.size * block != kind.size:
        raise refuse(node, f"expected one scale, one per index of axis {axis}, or whole blocks of it, got {scales}")
    split = (*kind.shape[:axis], blocks, block, *kind.shape[axis + 1 :])
    own = contiguous(scales.shape)
    return split, (*own[: axis + 1], 0, *own[axis + 1 :])


def _dynamic(node: Node, scope: Scope) -> Step:
    """The scale comes from the data's range, 0 included; it is 1 where that is empty (ONNX Runtime's choice)."""
    kind = scope.type_of(node.input(0))
    if kind.size == 0:
        raise refuse(node, "expected at least one element")
    y, scale, zero = node.outputs

    def emit(e: StepEmitter) -> None:
        fn = e.fn
        for key, greatest in (("least", False), ("most", True)):
            place = Reduced(
                shape=(kind.size,), axes=frozenset({0}), dtype=DType.FP32, source=e.at(node.input(0)),
                target=e.scratch(key),
            )  # fmt: skip
            reduce_axes(fn, place, _extreme(greatest=greatest))
        _range_to_scale(fn, [fn.new(e.scratch(key), "at") for key in ("least", "most")], e.at(scale), e.at(zero))
        target = Operand(address=e.at(y), dtype=DType.UINT8, strides=(1,))
        operands = [
            Operand(address=e.at(node.input(0)), dtype=DType.FP32, strides=(1,)),
            Operand(address=e.at(scale), dtype=DType.FP32, strides=(0,)),
            Operand(address=e.at(zero), dtype=DType.UINT8, strides=(0,)),
        ]
        elementwise(fn, (kind.size,), target, operands, _quantize_bytes)

    return Step(
        name=node.name, op=node.op.lower(), reads=(node.input(0),), writes=tuple(node.outputs), emit=emit,
        scratch={"least": 4, "most": 4}, flops=4 * kind.size,
    )  # fmt: skip


def _quantize_bytes(fn: Function, lanes: Lanes, values: Sequence[Local]) -> Expr:
    x, scale, zero = values
    return quantize(fn, lanes.of(DType.UINT8), x, scale, zero)


def _extreme(*, greatest: bool) -> Reduction:
    """From 0 on, so that 0 is in the range."""
    if greatest:
        return Reduction(identity=0.0, combine=lambda lanes, a, b: lanes.pmax(a, b))
    return Reduction(identity=0.0, combine=lambda lanes, a, b: lanes.pmin(a, b))


def _range_to_scale(fn: Function, ends: Sequence[Local], scale_at: int, zero_at: int) -> None:
    least, most = (fn.new(load(F32, end), "end") for end in ends)
    width = fn.new(F32.sub(most, least), "width")
    step = F32.div(width, F32.const(_LEVELS))
    scale = fn.new(F32.select(F32.eq(width, F32.const(0.0)), F32.const(1.0), step), "scale")
    fn.do(store(F32, fn.new(scale_at, "at"), scale))
    byte = Lanes(DType.UINT8, 1)
    zero = fn.new(quantize(fn, byte, F32.sub(F32.const(0.0), least), scale, None), "zero")
    fn.do(i32.store8(fn.new(zero_at, "at"), zero))


_NOTE = "scales float32: one, one per index of an axis, or one per whole block"

RULES: Rules = {
    "DequantizeLinear": Rule(lower=_dequantize, dtypes=SMALL | {DType.INT32}, note=_NOTE),
    "DynamicQuantizeLinear": Rule(lower=_dynamic, dtypes=FP32),
    "QuantizeLinear": Rule(lower=_quantize, dtypes=FP32 | {DType.INT32}, note=_NOTE),
}
