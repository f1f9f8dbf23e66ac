"""Integer operators: convolutions, matrix products, sums, products, pools and tables of 8-bit values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.int8 import binary, conv, depthwise, packing, pool, table
from compiler.wasm.kernels.int8.add import find_addition
from compiler.wasm.kernels.int8.binary import Multiplication
from compiler.wasm.kernels.int8.conv import Image
from compiler.wasm.kernels.int8.gemm import Epilogue, Residual
from compiler.wasm.kernels.int8.requantize import EXACT, Stored
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.specs import PoolKind, QBinary, QConv2d, QGemm, QPool, QResidual, QTable, Quant
from compiler.wasm.step import Emit, Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function
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
    if image.groups == image.channels == image.columns and epilogue.residual is None and epilogue.stored is not None:
        return _depthwise(node, reads, weights, batch, image, epilogue.stored, sums, scales, spec.x, flops)
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


def lower_add(node: Node, scope: Scope) -> Step:
    """skerry.qadd."""
    spec: QBinary = node.attrs["spec"]
    addition = find_addition(spec.a, spec.b, spec.y)
    if addition is None:
        raise refuse(node, "expected scales whose sum can be computed exactly, got none of the known formulas right")
    stored = _stored(spec.y, spec.low, spec.high, bounded=True)
    signed = (spec.a.dtype is DType.INT8, spec.b.dtype is DType.INT8)
    key = f"qadd/{addition.key}/{signed[0]}/{signed[1]}/{stored.key}"
    return _binary(node, scope, key, lambda module: binary.build_addition(module, key, addition, signed, stored))


def lower_mul(node: Node, scope: Scope) -> Step:
    """skerry.qmul."""
    spec: QBinary = node.attrs["spec"]
    ratio = np.float32(spec.a.scale) * np.float32(spec.b.scale) / np.float32(spec.y.scale)
    reach = _reach(spec.a) * _reach(spec.b) * float(ratio) + abs(spec.y.zero_point)
    what = Multiplication(spec.a.zero_point, spec.b.zero_point, float(ratio), reach < EXACT)
    stored = _stored(spec.y, spec.low, spec.high, bounded=True)
    signed = (spec.a.dtype is DType.INT8, spec.b.dtype is DType.INT8)
    key = f"qmul/{what.key}/{signed[0]}/{signed[1]}/{stored.key}"
    return _binary(node, scope, key, lambda module: binary.build_multiplication(module, key, what, signed, stored))


def lower_pool(node: Node, scope: Scope) -> Step:
    """skerry.qpool."""
    spec: QPool = node.attrs["spec"]
    batch, height, width, channels = scope.type_of(node.input(0)).shape
    signed = spec.x.dtype is DType.INT8
    everything = packing.stored_range(spec.y)
    size = scope.type_of(node.output).size
    if spec.pool is None:
        positions = height * width
        scale = np.float32(spec.x.scale) / (np.float32(spec.y.scale) * np.float32(positions))
        bounded = _reach(spec.x) * positions * float(scale) < EXACT
        stored = _stored(spec.y, *everything, bounded=bounded)

        def emit(e: StepEmitter) -> None:
            shape = (batch, positions, channels)
            places = (e.at(node.input(0)), e.at(node.output))
            pool.emit_global_average(e.fn, *places, shape, spec.x, float(scale), stored)

        return _simple(node, "qpool_global", emit, size * positions)
    _, out_height, out_width, _ = scope.type_of(node.output).shape
    window = pool.Window(batch, height, width, channels, out_height, out_width, spec.pool)
    taps = spec.pool.kernel[0] * spec.pool.kernel[1]
    if spec.pool.kind is PoolKind.MAX:
        if spec.x != spec.y:
            raise refuse(node, f"expected one quantization of input and output, got {spec.x} and {spec.y}")
        return _simple(
            node, "qpool_max", lambda e: pool.emit_max(e.fn, e.at(node.input(0)), e.at(node.output), window, signed=signed),
            size * taps,
        )  # fmt: skip
    stored = _stored(spec.y, *everything, bounded=True)
    return _simple(
        node, "qpool_average",
        lambda e: pool.emit_average(e.fn, e.at(node.input(0)), e.at(node.output), window, spec.x, spec.y, stored),
        size * taps,
    )  # fmt: skip


def lower_table(node: Node, scope: Scope) -> Step:
    """skerry.qtable."""
    spec: QTable = node.attrs["spec"]
    if spec.y.itemsize not in (1, 4):
        raise refuse(node, f"expected entries of 1 or 4 bytes, got {spec.y.value}")
    entries = np.ascontiguousarray(spec.table, dtype=np.dtype(spec.y.numpy_name))
    turns = -(-scope.type_of(node.output).size // table.TURN)
    key = f"qtable/{spec.y.itemsize}"

    def emit(e: StepEmitter) -> None:
        build = e.shared(key, lambda module: table.build_table(module, key, spec.y.itemsize))
        e.fn.do(e.fn.call(build, e.at(node.input(0)), e.at(node.output), e.constant("t"), turns))

    return Step(
        name=node.name, op="qtable", reads=(node.input(0),), writes=(node.output,), emit=emit,
        constants={"t": entries}, shares=((node.input(0), node.output),) if spec.y.itemsize == 1 else (),
    )  # fmt: skip


def _binary(node: Node, scope: Scope, key: str, build: Callable[[Module], Function]) -> Step:
    turns = -(-scope.type_of(node.output).size // binary.TURN)
    if len({scope.type_of(name).shape for name in (node.input(0), node.input(1), node.output)}) > 1:
        raise refuse(node, "expected operands of one shape")

    def emit(e: StepEmitter) -> None:
        places = (e.at(node.input(0)), e.at(node.input(1)), e.at(node.output))
        e.fn.do(e.fn.call(e.shared(key, build), *places, turns))

    shares = tuple((name, node.output) for name in dict.fromkeys(node.inputs))
    return Step(
        name=node.name, op=node.op.removeprefix("skerry."), reads=node.inputs, writes=(node.output,), emit=emit,
        shares=shares, flops=4 * scope.type_of(node.output).size,
    )  # fmt: skip


def _simple(node: Node, op: str, emit: Emit, flops: int) -> Step:
    return Step(name=node.name, op=op, reads=(node.input(0),), writes=(node.output,), emit=emit, flops=flops)


def _reach(quant: Quant) -> int:
    """Largest ``|stored - zero_point|``."""
    low, high = packing.stored_range(quant)
    return max(high - quant.zero_point, quant.zero_point - low)


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


def _depthwise(
    node: Node, reads: tuple[str, ...], weights: NDArray[Any], batch: int, image: Image, stored: Stored,
    sums: packing.Sums, scales: NDArray[np.float32], x: Quant, flops: int,
) -> Step:  # fmt: skip
    """One output per channel: no widening, taps are interleaved in registers."""
    packed = depthwise.pack_taps(weights.reshape(len(weights), -1))
    line_bytes = image.width * image.channels
    signed = x.dtype is DType.INT8

    def emit(e: StepEmitter) -> None:
        fn = e.fn
        key = f"qdepthwise/{image.key}/{x.zero_point}/{signed}/{stored.key}"
        kernel = e.shared(
            key, lambda module: depthwise.build_depthwise(module, key, image, x.zero_point, signed, stored)
        )
        depthwise.emit_outside(fn, e.scratch("outside"), line_bytes, x.zero_point)
        with fn.counted(batch, name="image") as index:
            source = index * (image.height * image.width * image.channels) + e.at(reads[0])
            target = index * (image.out_height * image.out_width * image.columns) + e.at(node.output)
            fn.do(fn.call(kernel, source, target, e.expanded("w"), e.constant("p"), e.scratch("outside")))

    return Step(
        name=node.name, op="qconv2d_depthwise", reads=reads, writes=(node.output,), emit=emit,
        init=_widen_weights(packed.size),
        constants={"w": packed, "p": depthwise.pack_parameters(sums.biases, scales)},
        expanded={"w": 2 * packed.size}, scratch={"outside": line_bytes}, flops=flops,
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
    "skerry.qadd": Rule(lower=lower_add, dtypes=_BYTES),
    "skerry.qconv2d": Rule(lower=lower_conv, dtypes=_BYTES),
    "skerry.qgemm": Rule(lower=lower_gemm, dtypes=_BYTES),
    "skerry.qmul": Rule(lower=lower_mul, dtypes=_BYTES),
    "skerry.qpool": Rule(lower=lower_pool, dtypes=_BYTES),
    "skerry.qtable": Rule(lower=lower_table, dtypes=_BYTES),
}
