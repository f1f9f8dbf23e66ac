"""Integer operators: convolutions, matrix products, sums, products, pools and tables of 8-bit values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.int8 import conv, packing
from compiler.wasm.kernels.int8.add import find_addition
from compiler.wasm.kernels.int8.conv import Image
from compiler.wasm.kernels.int8.gemm import Epilogue, Residual
from compiler.wasm.kernels.int8.requantize import EXACT, Stored
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.specs import QConv2d, QGemm, QResidual, Quant
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.module import Module

_BYTES = frozenset({DType.UINT8, DType.INT8})

WIDENED_BYTES = 1 << 15
"""Rows are widened in blocks of at most so many bytes: half of a first-level cache."""


def lower_conv(node: Node, scope: Scope) -> Step:
    """skerry.qconv2d."""
    spec: QConv2d = node.attrs["spec"]
    weights = _constant(node, scope, 1)
    bias = scope.constant(node.input(2))
    image = _image(node, scope, spec)
    epilogue, sums, scales = _epilogue(node, weights, bias, spec.x, spec.w_scales, spec.y, (spec.low, spec.high))
    epilogue = Epilogue(epilogue.stored, _residual(node, spec, spec.residual))
    reads = tuple(name for name in (node.input(0), node.input(3)) if name)
    batch = scope.type_of(node.input(0)).shape[0]
    flops = 2 * weights.size // len(weights) * scope.type_of(node.output).size
    if image.is_flat:
        rows = batch * image.height * image.width
        return _product(node, reads, weights.reshape(len(weights), -1), rows, epilogue, sums, scales, spec.x, flops)
    return _convolution(node, reads, weights, batch, image, epilogue, sums, scales, spec.x, flops)


def lower_gemm(node: Node, scope: Scope) -> Step:
    """skerry.qgemm."""
    spec: QGemm = node.attrs["spec"]
    weights = np.ascontiguousarray(_constant(node, scope, 1).T)
    bias = scope.constant(node.input(2))
    epilogue, sums, scales = _epilogue(node, weights, bias, spec.x, spec.w_scales, spec.y, (spec.low, spec.high))
    rows = scope.type_of(node.input(0)).shape[0]
    flops = 2 * weights.size * rows
    return _product(node, (node.input(0),), weights, rows, epilogue, sums, scales, spec.x, flops)


def _epilogue(
    node: Node, weights: NDArray[Any], bias: NDArray[Any] | None, x: Quant, w_scales: NDArray[Any], y: Quant | None,
    limits: tuple[int, int],
) -> tuple[Epilogue, packing.Sums, NDArray[np.float32]]:  # fmt: skip
    sums = packing.fold(weights, bias, x)
    if not sums.fits:
        raise refuse(node, "expected sums of at most 32 bits, got weights and a bias that can exceed them")
    scales = np.broadcast_to(packing.output_scales(x, w_scales, y), len(weights))
    if y is None:
        return Epilogue(None), sums, scales
    stored = _stored(y, *limits, bounded=sums.largest(scales) < EXACT)
    return Epilogue(stored), sums, scales


def _stored(y: Quant, low: int, high: int, *, bounded: bool) -> Stored:
    return Stored(y.dtype is DType.INT8, y.zero_point, low, high, bounded)


def _residual(node: Node, spec: QConv2d, residual: QResidual | None) -> Residual | None:
    if residual is None:
        return None
    addition = find_addition(spec.y, residual.other, residual.y, (spec.low, spec.high))
    if addition is None:
        raise refuse(node, "expected scales whose sum can be computed exactly, got none of the known formulas right")
    stored = _stored(residual.y, residual.low, residual.high, bounded=True)
    return Residual(addition, residual.other.dtype is DType.INT8, stored)


def _product(
    node: Node, reads: tuple[str, ...], weights: NDArray[Any], rows: int, epilogue: Epilogue, sums: packing.Sums,
    scales: NDArray[np.float32], x: Quant, flops: int,
) -> Step:  # fmt: skip
    """A matrix product: blocks of rows are widened, then multiplied."""
    columns, length = weights.shape
    packed = packing.pack_pairs(weights[:, None, :])
    rows_at_once = min(rows, max(2, WIDENED_BYTES // (2 * length) & ~3))
    signed = x.dtype is DType.INT8

    def emit(e: StepEmitter) -> None:
        fn = e.fn
        widener = _widener(e, signed)
        key = f"qproduct/{length}/{columns}/{epilogue.key}"
        product = e.shared(key, lambda module: conv.build_product(module, key, length, columns, epilogue))
        source, target = e.at(reads[0]), e.at(node.output)
        residual = e.at(reads[1]) if len(reads) > 1 else 0

        def part(start: Any, count: int) -> None:
            conv.call_widen(fn, widener, start * length + source, e.scratch("x"), count * length)
            out = start * columns
            fn.do(fn.call(product, e.scratch("x"), out * epilogue.itemsize + target, e.expanded("w"),
                          e.constant("p"), out + residual, count))  # fmt: skip

        whole, rest = divmod(rows, rows_at_once)
        with fn.counted(whole * rows_at_once, step=rows_at_once, name="rows") as start:
            part(start, rows_at_once)
        if rest:
            part(fn.new(whole * rows_at_once), rest)

    return Step(
        name=node.name, op=f"{node.op.removeprefix('skerry.')}_1x1", reads=reads, writes=(node.output,), emit=emit,
        init=_widen_weights(packed.size), constants={"w": packed, "p": packing.pack_parameters(sums.biases, scales)},
        expanded={"w": 2 * packed.size}, scratch={"x": 2 * rows_at_once * length}, flops=flops,
    )  # fmt: skip


def _convolution(
    node: Node, reads: tuple[str, ...], weights: NDArray[Any], batch: int, image: Image, epilogue: Epilogue,
    sums: packing.Sums, scales: NDArray[np.float32], x: Quant, flops: int,
) -> Step:  # fmt: skip
    """A convolution: every image is widened with its padding; then position by position."""
    count, length = image.runs
    group = image.columns // image.groups
    by_run = weights.transpose(0, 2, 3, 1).reshape(image.groups, group, count, length)
    packed = [packing.pack_pairs(part) for part in by_run]
    bounds = [slice(at, at + group) for at in range(0, image.columns, group)]
    parameters = [packing.pack_parameters(sums.biases[part], scales[part]) for part in bounds]
    signed = x.dtype is DType.INT8

    def emit(e: StepEmitter) -> None:
        fn = e.fn
        pad_key = f"qpad/{image.key}/{x.zero_point}/{signed}"
        padder = e.shared(pad_key, lambda m: conv.build_pad(m, pad_key, image, x.zero_point, signed=signed))
        key = f"qconv/{image.key}/{epilogue.key}"
        kernel = e.shared(key, lambda m: conv.build_convolution(m, key, image, epilogue))
        residual = e.at(reads[1]) if len(reads) > 1 else 0
        with fn.counted(batch, name="image") as index:
            out = fn.new(index * (image.out_height * image.out_width * image.columns), "out")
            source = index * (image.height * image.width * image.channels) + e.at(reads[0])
            fn.do(fn.call(padder, source, e.scratch("x")))
            with fn.counted(image.groups, name="group") as number:
                fn.do(fn.call(
                    kernel, number * (2 * image.channels // image.groups) + e.scratch("x"),
                    out + number * group + e.at(node.output), number * (2 * packed[0].size) + e.expanded("w"),
                    number * parameters[0].nbytes + e.constant("p"), out + number * group + residual,
                ))  # fmt: skip

    size = sum(part.size for part in packed)
    return Step(
        name=node.name, op="qconv2d", reads=reads, writes=(node.output,), emit=emit, init=_widen_weights(size),
        constants={"w": np.concatenate(packed), "p": np.concatenate(parameters)}, expanded={"w": 2 * size},
        scratch={"x": image.scratch_bytes}, flops=flops,
    )  # fmt: skip


def _widen_weights(count: int) -> Callable[[StepEmitter], None]:
    def init(e: StepEmitter) -> None:
        conv.call_widen(e.fn, _widener(e, True), e.constant("w"), e.expanded("w"), count)

    return init


def _widener(e: StepEmitter, signed: bool) -> Any:
    key = f"qwiden/{'s' if signed else 'u'}"

    def build(module: Module) -> Any:
        return conv.build_widen(module, key, signed=signed)

    return e.shared(key, build)


def _image(node: Node, scope: Scope, spec: QConv2d) -> Image:
    _, height, width, channels = scope.type_of(node.input(0)).shape
    _, out_height, out_width, columns = scope.type_of(node.output).shape
    what = spec.conv
    return Image(
        height, width, channels, what.kernel, what.strides, what.dilations, what.pads, what.groups,
        out_height, out_width, columns,
    )  # fmt: skip


def _constant(node: Node, scope: Scope, index: int) -> NDArray[Any]:
    found = scope.constant(node.input(index))
    if found is None:
        raise refuse(node, f"expected input {index} to be a constant")
    return found


RULES: Rules = {
    "skerry.qconv2d": Rule(lower=lower_conv, dtypes=_BYTES),
    "skerry.qgemm": Rule(lower=lower_gemm, dtypes=_BYTES),
}
