"""Normalisations of float32: layer, RMS, group and instance, batch (inference), Lp, and local response."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from compiler.ir.graph import Node
from compiler.wasm.kernels.local_response import local_response
from compiler.wasm.kernels.loopnest import elementwise
from compiler.wasm.kernels.normalise import Moments, Rows, normalise_elements, normalise_groups
from compiler.wasm.kernels.operand import Operand, broadcast, contiguous
from compiler.wasm.kernels.reduce import Reduced, Reduction, reduce_axes
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.numerics.sizes import FLOAT_LANES
from compiler.wasm.ops.arguments import axis_of
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.pointwise import spread
from compiler.wasm.ops.rule import Lower, Rule, Rules, Scope, refuse
from compiler.wasm.step import Emit, Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.types import Expr

_FLOPS = 8
"""Operations per element, for people."""

_EPSILON = 1e-5
"""Default of every ONNX normalisation that has one."""


def _by_elements(*, centred: bool) -> Lower:
    """Layer and RMS normalisation: scale and bias for each element of a row."""

    def lower(node: Node, scope: Scope) -> Step:
        shape = scope.type_of(node.input(0)).shape
        axis = axis_of(node, len(shape), -1)
        row = shape[axis:]
        size, count = math.prod(row), math.prod(shape[:axis])
        reads = tuple(name for name in node.inputs if name)
        for name in reads[1:]:
            kind = scope.type_of(name)
            if kind.size != size or kind.dtype is not DType.FP32:
                raise refuse(node, f"expected float32 scale and bias of {size} elements, got {kind}")
        results = (*node.outputs[1:], "", "")[:2]
        if any(name and scope.type_of(name).dtype is not DType.FP32 for name in results):
            raise refuse(node, "expected mean and deviation in float32")

        def emit(e: StepEmitter) -> None:
            if size * count == 0:
                return
            mean_to, inverse_to = (e.at(name) if name else None for name in results)
            moments = Moments(
                epsilon=float(node.attrs.get("epsilon", _EPSILON)), centred=centred, mean_to=mean_to,
                inverse_to=inverse_to,
            )  # fmt: skip
            rows = Rows(count=count, size=size, source=e.at(node.input(0)), target=e.at(node.output))
            bias = e.at(node.input(2)) if node.input(2) else None
            normalise_elements(e.fn, rows, moments, e.at(node.input(1)), bias)

        return _step(node, emit, reads, count * size, in_place=count == 1 or size % FLOAT_LANES == 0)

    return lower


def _by_channels(node: Node, scope: Scope) -> Step:
    """Group and instance normalisation: scale and bias for each channel."""
    shape = scope.type_of(node.input(0)).shape
    channels = shape[1]
    groups = int(node.attrs.get("num_groups", channels))
    if channels % groups:
        raise refuse(node, f"expected channels in {groups} equal groups, got {channels}")
    size, count = math.prod(shape[1:]) // max(groups, 1), shape[0] * groups

    def emit(e: StepEmitter) -> None:
        if size * count == 0:
            return
        rows = Rows(count=count, size=size, source=e.at(node.input(0)), target=e.at(node.output))
        moments = Moments(epsilon=float(node.attrs.get("epsilon", _EPSILON)))
        scale, bias = e.at(node.input(1)), e.at(node.input(2))
        normalise_groups(e.fn, rows, moments, groups, channels // groups, scale, bias)

    return _step(node, emit, node.inputs, count * size, in_place=size * groups // max(channels, 1) % FLOAT_LANES == 0)


def _batch(node: Node, scope: Scope) -> Step:
    """``(x - mean) / sqrt(variance + epsilon) * scale + bias`` per channel; a product and a sum if all are known."""
    if node.attrs.get("training_mode", 0):
        raise refuse(node, "training is not covered", advice="export the model for inference")
    kind = scope.type_of(node.input(0))
    known = [scope.constant(name) for name in node.inputs[1:5]]
    epsilon = float(node.attrs.get("epsilon", _EPSILON))
    shape = (kind.shape[1], *(1,) * (kind.rank - 2)) if kind.rank > 1 else (1,)
    folded = {}
    if all(value is not None for value in known):
        scale, bias, mean, variance = (np.asarray(value, np.float64) for value in known)
        factor = scale / np.sqrt(variance + epsilon)
        folded = {"factor": factor.astype(np.float32), "term": (bias - mean * factor).astype(np.float32)}

    def emit(e: StepEmitter) -> None:
        addresses = [e.constant(key) for key in folded] or [e.at(name) for name in node.inputs[1:5]]
        along = broadcast(shape, kind.shape)
        beside = [Operand(address=address, dtype=DType.FP32, strides=along) for address in addresses]
        x, y = (Operand(address=e.at(name), dtype=DType.FP32, strides=contiguous(kind.shape)) for name in
                (node.input(0), node.output))  # fmt: skip
        elementwise(
            e.fn, kind.shape, y, [x, *beside], spread(_line if folded else formula), exact=x.address == y.address
        )

    def formula(_fn: Function, lanes: Lanes, x: Local, *given: Local) -> Expr:
        scale, bias, mean, variance = given
        deviation = lanes.sqrt(lanes.add(variance, lanes.const(epsilon)))
        return lanes.add(lanes.mul(lanes.sub(x, mean), lanes.div(scale, deviation)), bias)

    reads = (node.input(0),) if folded else node.inputs
    return Step(
        name=node.name, op="batchnormalization", reads=tuple(reads), writes=(node.output,), emit=emit,
        constants=folded, shares=((node.input(0), node.output),), flops=2 * kind.size,
    )  # fmt: skip


def _line(_fn: Function, lanes: Lanes, x: Local, factor: Local, term: Local) -> Expr:
    return lanes.add(lanes.mul(x, factor), term)


def _lp(node: Node, scope: Scope) -> Step:
    """``x`` over its norm along an axis; 0 where the norm is 0."""
    kind = scope.type_of(node.input(0))
    axis, p = axis_of(node, kind.rank, -1), int(node.attrs.get("p", 2))
    if p not in (1, 2):
        raise refuse(node, f"expected p of 1 or 2, got {p}")
    norms = tuple(1 if index == axis else size for index, size in enumerate(kind.shape))

    def emit(e: StepEmitter) -> None:
        x, y, norm = e.at(node.input(0)), e.at(node.output), e.scratch("norm")
        place = Reduced(shape=kind.shape, axes=frozenset({axis}), dtype=DType.FP32, source=x, target=norm)
        reduce_axes(e.fn, place, _norm(p))
        own = contiguous(kind.shape)
        operands = [
            Operand(address=x, dtype=DType.FP32, strides=own),
            Operand(address=norm, dtype=DType.FP32, strides=broadcast(norms, kind.shape)),
        ]
        target = Operand(address=y, dtype=DType.FP32, strides=own)
        elementwise(e.fn, kind.shape, target, operands, spread(_share), exact=x == y)

    step = _step(node, emit, (node.input(0),), kind.size, in_place=True)
    return replace(step, scratch={"norm": math.prod(norms) * DType.FP32.itemsize})


def _norm(p: int) -> Reduction:
    def prepare(_fn: Function, lanes: Lanes, x: Local, _: object) -> Expr:
        return lanes.abs(x) if p == 1 else lanes.mul(x, x)

    def finish(_fn: Function, lanes: Lanes, total: Local, _: object) -> Expr:
        return total if p == 1 else lanes.sqrt(total)

    return Reduction(identity=0, combine=lambda lanes, a, b: lanes.add(a, b), prepare=prepare, finish=finish)


def _share(_fn: Function, lanes: Lanes, x: Local, norm: Local) -> Expr:
    zero = lanes.const(0.0)
    return lanes.select(lanes.eq(norm, zero), zero, lanes.div(x, norm))


def _local_response(node: Node, scope: Scope) -> Step:
    kind = scope.type_of(node.input(0))
    size = int(node.attrs["size"])
    alpha, beta, bias = (float(node.attrs.get(key, value)) for key, value in
                         (("alpha", 1e-4), ("beta", 0.75), ("bias", 1.0)))  # fmt: skip

    def emit(e: StepEmitter) -> None:
        if kind.size == 0:
            return
        images, channels, plane = kind.shape[0], kind.shape[1], math.prod(kind.shape[2:])
        source, target = e.at(node.input(0)), e.at(node.output)
        local_response(e.fn, (images, channels, plane), source, target, size, (alpha / size, beta, bias))

    return _step(node, emit, (node.input(0),), kind.size * size, in_place=False)


def _step(node: Node, emit: Emit, reads: Sequence[str], elements: int, *, in_place: bool) -> Step:
    return Step(
        name=node.name, op=node.op.lower(), reads=tuple(reads), writes=tuple(filter(None, node.outputs)), emit=emit,
        shares=((node.input(0), node.output),) if in_place else (), flops=_FLOPS * elements,
    )  # fmt: skip


RULES: Rules = {
    "BatchNormalization": Rule(lower=_batch, dtypes=FP32, note="inference only"),
    "GroupNormalization": Rule(lower=_by_channels, dtypes=FP32),
    "InstanceNormalization": Rule(lower=_by_channels, dtypes=FP32),
    "LRN": Rule(lower=_local_response, dtypes=FP32),
    "LayerNormalization": Rule(lower=_by_elements(centred=True), dtypes=FP32),
    "LpNormalization": Rule(lower=_lp, dtypes=FP32, note="p of 1 or 2"),
    "RMSNormalization": Rule(lower=_by_elements(centred=False), dtypes=FP32),
}
