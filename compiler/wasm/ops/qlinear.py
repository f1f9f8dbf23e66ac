"""Integer products and convolutions as ONNX writes them: operands less their zero points, int32 sums, requantization.

Scales and zero points may be data. The result is ``saturate(round_half_even(sum * (a_scale * b_scale / y_scale)) +
y_zero_point)`` with the product in float32, as ONNX Runtime's kernels compute it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from compiler.ir.graph import Node
from compiler.wasm.kernels.contract import Finish
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.prepared import Prepared
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.ops.convolve import Convolution, add_bias, conv_window
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.dtypes import BYTES
from compiler.wasm.ops.products import Term, matmul_letters, sum_of_products
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

_FAR = 65536.0
"""Beyond any sum of a zero point and a byte: floats are cut there before they become integers."""

_RANGE = {DType.UINT8: (0, 255), DType.INT8: (-128, 127)}


def requantize(dtype: DType, *, bias: bool) -> Finish:
    """``finish`` for extras a_scale, b_scale, y_scale, y_zero_point and, with ``bias``, the int32 bias."""
    low, high = _RANGE[dtype]

    def finish(fn: Function, lanes: Lanes, total: Local, extras: Sequence[Local]) -> Expr:
        floats = lanes.of(DType.FP32)
        a_scale, b_scale, y_scale, zero = extras[:4]
        whole = lanes.add(total, extras[4]) if bias else total
        scale = floats.div(floats.mul(a_scale, b_scale), y_scale)
        scaled = fn.new(floats.mul(floats.to_float(whole), scale), "scaled")
        cut = fn.new(floats.pmax(scaled, floats.const(-_FAR)), "cut")
        rounded = floats.round("nearest", floats.pmin(cut, floats.const(_FAR)))
        moved = fn.new(lanes.add(floats.to_int(rounded), zero), "moved")
        least = fn.new(lanes.max(moved, lanes.const(low)), "least")
        return lanes.min(least, lanes.const(high))

    return finish


def _widened(
    node: Node, scope: Scope, key: str, value: str, zero: str, zero_shape: Callable[[int], tuple[int, ...]]
) -> Prepared:
    """``zero_shape`` gives the shape that a one-dimensional zero point of that many elements stands for."""
    kind = scope.type_of(value)
    if kind.dtype not in BYTES:
        raise refuse(node, f"expected {key} of int8 or uint8, got {kind.dtype.value}")
    shape: tuple[int, ...] = ()
    if zero:
        given = scope.type_of(zero)
        shape = zero_shape(given.size) if given.rank == 1 and given.size > 1 else given.shape
        shape = shape if given.size > 1 else ()
    return Prepared(
        key=key, value=value, kind=kind, shape=kind.shape, before=(0,) * kind.rank,
        widen=True, zero=zero, zero_shape=shape,
        fixed=scope.constant(value) is not None and (not zero or scope.constant(zero) is not None),
    )  # fmt: skip


def _product(node: Node, scope: Scope, a: str, a_zero: str, b: str, b_zero: str) -> tuple[Term, Term, Term]:
    """Terms of the integer matrix product: a, b, output."""
    ranks = scope.type_of(a).rank, scope.type_of(b).rank
    letters = matmul_letters(*ranks)
    left = _widened(node, scope, "a", a, a_zero, lambda size: (size, 1))
    right = _widened(node, scope, "b", b, b_zero, lambda size: (size,))
    return (
        Term(value=a, letters=letters[0], layout=left.layout, prepared=left),
        Term(value=b, letters=letters[1], layout=right.layout, prepared=right),
        Term(value=node.output, letters=letters[2], layout=layout(scope, node.output)),
    )


def _matmul_integer(node: Node, scope: Scope) -> Step:
    a, b, y = _product(node, scope, node.input(0), node.input(2), node.input(1), node.input(3))
    return sum_of_products(node, y, [a, b], "matmul_integer", accumulate=DType.INT32)


def _qlinear_matmul(node: Node, scope: Scope) -> Step:
    a_name, a_scale, a_zero, b_name, b_scale, b_zero, y_scale, y_zero = node.inputs
    a, b, y = _product(node, scope, a_name, a_zero, b_name, b_zero)
    extras = [
        _scale(node, scope, a_scale, a.letters, "M"),
        _scale(node, scope, b_scale, b.letters, "N"),
        _scale(node, scope, y_scale, y.letters, "N"),
        Term(value=y_zero, letters="", layout=_scalar(node, scope, y_zero)),
    ]
    finish = requantize(scope.type_of(node.output).dtype, bias=False)
    return sum_of_products(node, y, [a, b], "qlinear_matmul", extras=extras, accumulate=DType.INT32, finish=finish)


def _scale(node: Node, scope: Scope, value: str, letters: str, along: str) -> Term:
    """A scale: one for all, one along that letter, or one with the rank of its tensor."""
    kind = scope.type_of(value)
    if kind.dtype is not DType.FP32:
        raise refuse(node, f"expected float32 scales, got {kind.dtype.value}")
    own = layout(scope, value)
    if kind.size == 1:
        return Term(value=value, letters="", layout=_scalar(node, scope, value))
    return Term(value=value, letters=along if kind.rank == 1 else letters[-kind.rank :], layout=own)


def _scalar(node: Node, scope: Scope, value: str) -> Layout:
    kind = scope.type_of(value)
    if kind.size != 1:
        raise refuse(node, f"expected one element in {value!r}, got {list(kind.shape)}")
    return Layout.of((), kind.dtype.itemsize)


def _bordered(node: Node, scope: Scope, x: str, x_zero: str, w: str, w_zero: str) -> Convolution:
    """The convolution in int32, so far without ``finish``."""
    window = conv_window(node, scope, x, w)
    rank = scope.type_of(w).rank
    wide = _widened(node, scope, "x", x, x_zero, lambda size: (size, *(1,) * (rank - 2)))
    kind = scope.type_of(node.output)
    return Convolution(
        window=window,
        groups=int(node.attrs.get("group", 1)),
        x=replace(wide, shape=(*wide.shape[:2], *window.extents()), before=(0, 0, *window.begin)),
        w=_widened(node, scope, "w", w, w_zero, lambda size: (size, *(1,) * (rank - 1))),
        y=node.output,
        y_layout=layout(scope, node.output),
        y_dtype=kind.dtype,
        channels=(),
        finish=add_bias,
    )


def _conv_integer(node: Node, scope: Scope) -> Step:
    made = _bordered(node, scope, node.input(0), node.input(2), node.input(1), node.input(3))
    return made.step(node, "conv_integer")


def _qlinear_conv(node: Node, scope: Scope) -> Step:
    x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero = node.inputs[:8]
    bias = node.input(8)
    made = _bordered(node, scope, x, x_zero, w, w_zero)
    finish = requantize(scope.type_of(node.output).dtype, bias=bool(bias))
    channels = tuple(filter(None, (x_scale, w_scale, y_scale, y_zero, bias)))
    return replace(made, channels=channels, finish=finish).step(node, "qlinear_conv")


RULES: Rules = {
    "ConvInteger": Rule(lower=_conv_integer, dtypes=BYTES),
    "MatMulInteger": Rule(lower=_matmul_integer, dtypes=BYTES),
    "QLinearConv": Rule(lower=_qlinear_conv, dtypes=BYTES, note="float32 scales"),
    "QLinearMatMul": Rule(lower=_qlinear_matmul, dtypes=BYTES, note="float32 scales"),
}
