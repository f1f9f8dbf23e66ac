"""Rules of the internal operators (``specs.py``): dtypes and shapes of what they read and give.

A pass that breaks one is at fault, never the model: kernels trust these rules and check nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from compiler.ir.graph import IrGraph, Node, ValueType
from compiler.wasm.specs import Conv2d, GlobalPool, PoolKind, QPool, Quant
from edge_bundle.errors import CompileError
from edge_bundle.tensor import DType

_TABLE_ENTRIES = 256


@dataclass(frozen=True)
class _Facts:
    """A node with the types of its values; a left-out input has none."""

    node: Node
    reads: tuple[ValueType | None, ...]
    out: ValueType
    known: tuple[bool, ...]

    @property
    def spec(self) -> Any:
        return self.node.attrs.get("spec")

    def read(self, index: int) -> ValueType | None:
        return self.reads[index] if index < len(self.reads) else None


_Broken: TypeAlias = Iterator[str]
"""Sentences "expected X, got Y", one for each rule that does not hold."""


def check_operators(graph: IrGraph, *, stage: str) -> None:
    """Hold every internal operator of the main graph against its rules.

    Raises:
        CompileError: names the stage, the node, and the rule that is broken.

    """
    for node in graph.nodes:
        rules = _RULES.get(node.op)
        if rules is None:
            continue
        facts = _Facts(
            node=node,
            reads=tuple(graph.types[name] if name else None for name in node.inputs),
            out=graph.types[node.output],
            known=tuple(name in graph.constants for name in node.inputs),
        )
        for sentence in rules(facts):
            raise CompileError(stage=stage, node=node.name, operator=node.op, detail=sentence)


def _expect(what: str, want: object, got: object) -> _Broken:
    if want != got:
        yield f"{what}: expected {want}, got {got}"


def _typed(what: str, kind: ValueType | None, dtype: DType, shape: tuple[int, ...]) -> _Broken:
    yield from _expect(what, ValueType(dtype, shape), kind)


def _left_out(facts: _Facts, index: int) -> bool:
    return facts.read(index) is None


def _conv(facts: _Facts) -> _Broken:
    spec: Conv2d = facts.spec
    yield from _typed("result", facts.out, DType.FP32, facts.out.shape)
    yield from _window_rules(facts, spec, DType.FP32, DType.FP32, DType.FP32)
    if not _left_out(facts, 3):
        yield from _expect("residual", facts.out, facts.read(3))


def _window_rules(facts: _Facts, spec: Conv2d, x: DType, w: DType, bias: DType) -> _Broken:
    image, weights = facts.read(0), facts.read(1)
    if image is None or weights is None or image.rank != facts.out.rank or weights.rank != image.rank:
        yield f"operands: expected an image and weights of rank 4, got {image} and {weights}"
        return
    rows, height, width, channels = image.shape
    out_channels = weights.shape[0]
    yield from _expect("image", x, image.dtype)
    yield from _expect("channels over groups", (0, 0), (channels % spec.groups, out_channels % spec.groups))
    yield from _typed("weights", weights, w, (out_channels, channels // spec.groups, *spec.kernel))
    reach = [spec.dilations[at] * (spec.kernel[at] - 1) + 1 for at in (0, 1)]
    sizes = tuple(
        (size + spec.pads[at] + spec.pads[at + 2] - reach[at]) // spec.strides[at] + 1
        for at, size in enumerate((height, width))
    )
    yield from _expect("result", (rows, *sizes, out_channels), facts.out.shape)
    yield from _bias(facts, bias, out_channels)


def _bias(facts: _Facts, dtype: DType, columns: int) -> _Broken:
    if not _left_out(facts, 2):
        yield from _typed("bias", facts.read(2), dtype, (columns,))


def _gemm(facts: _Facts) -> _Broken:
    yield from _product(facts, DType.FP32, DType.FP32, DType.FP32)
    yield from _expect("result", DType.FP32, facts.out.dtype)
    if not _left_out(facts, 3):
        yield from _expect("residual", facts.out, facts.read(3))


def _product(facts: _Facts, a: DType, b: DType, bias: DType) -> _Broken:
    left, right = facts.read(0), facts.read(1)
    if left is None or right is None or left.rank != facts.out.rank or right.rank != left.rank:
        yield f"operands: expected two matrices, got {left} and {right}"
        return
    yield from _expect("left", a, left.dtype)
    yield from _typed("right", right, b, (left.shape[1], right.shape[1]))
    yield from _expect("result", (left.shape[0], right.shape[1]), facts.out.shape)
    yield from _bias(facts, bias, right.shape[1])


def _pool(facts: _Facts) -> _Broken:
    image = facts.read(0)
    if image is None or image.rank != facts.out.rank:
        yield f"image: expected one of rank 4, got {image}"
        return
    out = facts.out.shape
    yield from _expect("rows and channels", (image.shape[0], image.shape[-1]), (out[0], out[-1]))
    if isinstance(facts.spec, GlobalPool) or (isinstance(facts.spec, QPool) and facts.spec.pool is None):
        yield from _expect("positions", (1, 1), facts.out.shape[1:3])


def _float_pool(facts: _Facts) -> _Broken:
    yield from _pool(facts)
    image = facts.read(0)
    yield from _expect("dtypes", (DType.FP32, DType.FP32), (image and image.dtype, facts.out.dtype))


def _qconv(facts: _Facts) -> _Broken:
    spec = facts.spec
    yield from _known(facts)
    yield from _window_rules(facts, spec.conv, spec.x.dtype, DType.INT8, DType.INT32)
    yield from _expect("weight scales", (facts.out.shape[-1],), spec.w_scales.shape)
    yield from _limits(spec.y, spec.low, spec.high)
    last = spec.y if spec.residual is None else spec.residual.y
    yield from _expect("result", last.dtype, facts.out.dtype)
    if spec.residual is not None:
        yield from _typed("residual", facts.read(3), spec.residual.other.dtype, facts.out.shape)
        yield from _limits(spec.residual.y, spec.residual.low, spec.residual.high)
    else:
        yield from _expect("residual", None, facts.read(3))


def _known(facts: _Facts) -> _Broken:
    """Integer kernels lay weights out at compile time; float ones are dequantized constants until ``weights`` ran."""
    yield from _expect("known weights", True, facts.known[1])
    yield from _expect("known bias", True, _left_out(facts, 2) or facts.known[2])


def _limits(quant: Quant, low: int, high: int) -> _Broken:
    info = np.iinfo(quant.dtype.numpy_name)
    if not info.min <= low <= high <= info.max:
        yield f"limits: expected a range within {info.min} to {info.max}, got {low} to {high}"
    if not info.min <= quant.zero_point <= info.max:
        yield f"zero point: expected one of {quant.dtype.value}, got {quant.zero_point}"


def _qgemm(facts: _Facts) -> _Broken:
    spec = facts.spec
    yield from _known(facts)
    yield from _product(facts, spec.x.dtype, DType.INT8, DType.INT32)
    yield from _expect("weight scales", facts.out.shape[1:], spec.w_scales.shape)
    yield from _expect("result", DType.FP32 if spec.y is None else spec.y.dtype, facts.out.dtype)
    if spec.y is not None:
        yield from _limits(spec.y, spec.low, spec.high)


def _qbinary(facts: _Facts) -> _Broken:
    spec, shape = facts.spec, facts.out.shape
    yield from _typed("left", facts.read(0), spec.a.dtype, shape)
    yield from _typed("right", facts.read(1), spec.b.dtype, shape)
    yield from _expect("result", spec.y.dtype, facts.out.dtype)
    yield from _limits(spec.y, spec.low, spec.high)


def _qpool(facts: _Facts) -> _Broken:
    spec = facts.spec
    image = facts.read(0)
    yield from _pool(facts)
    yield from _expect("dtypes", (spec.x.dtype, spec.y.dtype), (image and image.dtype, facts.out.dtype))
    if spec.pool is not None and spec.pool.kind is PoolKind.MAX:
        yield from _expect("quantization of a maximum", spec.x, spec.y)


def _qtable(facts: _Facts) -> _Broken:
    spec, read = facts.spec, facts.read(0)
    yield from _expect(
        "table", ((_TABLE_ENTRIES,), np.dtype(spec.y.numpy_name).name), (spec.table.shape, spec.table.dtype.name)
    )
    yield from _expect("result", read and ValueType(spec.y, read.shape), facts.out)


_RULES: Mapping[str, Callable[[_Facts], _Broken]] = {
    "skerry.conv2d": _conv,
    "skerry.gemm": _gemm,
    "skerry.pool2d": _float_pool,
    "skerry.global_pool": _float_pool,
    "skerry.qconv2d": _qconv,
    "skerry.qgemm": _qgemm,
    "skerry.qadd": _qbinary,
    "skerry.qmul": _qbinary,
    "skerry.qpool": _qpool,
    "skerry.qtable": _qtable,
}
