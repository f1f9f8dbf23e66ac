"""Integer operators on single values and windows: sums, products, pools and tables of 8-bit values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from compiler.ir.graph import Node
from compiler.wasm.kernels.int8 import binary, pool, table
from compiler.wasm.kernels.int8.add import find_addition
from compiler.wasm.kernels.int8.binary import Multiplication
from compiler.wasm.kernels.int8.requantize import stored_as
from compiler.wasm.numerics.rounding import EXACT
from compiler.wasm.ops.rule import Scope, refuse
from compiler.wasm.specs import PoolKind, QBinary, QPool, QTable, Quant
from compiler.wasm.step import Emit, Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function
from wasm_emit.module import Module


def lower_add(node: Node, scope: Scope) -> Step:
    """skerry.qadd."""
    spec: QBinary = node.attrs["spec"]
    addition = find_addition(spec.a, spec.b, spec.y)
    if addition is None:
        raise refuse(node, "expected scales whose sum can be computed exactly, got none of the known formulas right")
    stored = stored_as(spec.y, spec.low, spec.high, bounded=True)
    signed = (spec.a.dtype is DType.INT8, spec.b.dtype is DType.INT8)
    key = binary.addition_name(addition, signed, stored)
    return _binary(node, scope, key, lambda module: binary.build_addition(module, key, addition, signed, stored))


def lower_mul(node: Node, scope: Scope) -> Step:
    """skerry.qmul."""
    spec: QBinary = node.attrs["spec"]
    ratio = np.float32(spec.a.scale) * np.float32(spec.b.scale) / np.float32(spec.y.scale)
    reach = _reach(spec.a) * _reach(spec.b) * float(ratio) + abs(spec.y.zero_point)
    what = Multiplication(spec.a.zero_point, spec.b.zero_point, float(ratio), reach < EXACT)
    stored = stored_as(spec.y, spec.low, spec.high, bounded=True)
    signed = (spec.a.dtype is DType.INT8, spec.b.dtype is DType.INT8)
    key = f"qmul/{what.key}/{signed[0]}/{signed[1]}/{stored.key}"
    return _binary(node, scope, key, lambda module: binary.build_multiplication(module, key, what, signed, stored))


def lower_pool(node: Node, scope: Scope) -> Step:
    """skerry.qpool."""
    spec: QPool = node.attrs["spec"]
    batch, height, width, channels = scope.type_of(node.input(0)).shape
    signed = spec.x.dtype is DType.INT8
    everything = spec.y.stored_range
    size = scope.type_of(node.output).size
    if spec.pool is None:
        positions = height * width
        scale = np.float32(spec.x.scale) / (np.float32(spec.y.scale) * np.float32(positions))
        bounded = _reach(spec.x) * positions * float(scale) < EXACT
        stored = stored_as(spec.y, *everything, bounded=bounded)

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
            node, "qpool_max",
            lambda e: pool.emit_max(e.fn, e.at(node.input(0)), e.at(node.output), window, signed=signed),
            size * taps,
        )  # fmt: skip
    stored = stored_as(spec.y, *everything, bounded=True)
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
    low, high = quant.stored_range
    return max(high - quant.zero_point, quant.zero_point - low)
