"""MaxPool that also gives the index of each maximum, and MaxUnpool, which puts maxima back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.copy import element_access
from compiler.wasm.kernels.indices import OUTSIDE, checked_index
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.loops import loops
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.numerics.sizes import INDEX_BYTES
from compiler.wasm.numerics.storage import load, store
from compiler.wasm.ops.dtypes import EVERY_DTYPE
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.ops.spatial import Window, ints
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.instructions import i32, i64, memory
from wasm_emit.types import I32


def lowest(dtype: DType) -> float:
    """What every element of the dtype is at least."""
    return -math.inf if dtype.is_float else int(np.iinfo(dtype.numpy_name).min)


def max_pool_with_indices(node: Node, scope: Scope, window: Window) -> Step:
    """The first largest element of each window and its index in the whole input."""
    kind = scope.type_of(node.input(0))
    item = kind.dtype.itemsize
    x = window.bordered("x", node.input(0), kind, fill=lowest(kind.dtype))
    table = _flat_indices(window, column_major=bool(node.attrs.get("storage_order", 0)))
    images, plane = math.prod(kind.shape[:2]), math.prod(window.sizes)
    strides = Layout.of(x.shape, item).strides
    moves = [step * stride for step, stride in zip(strides[2:], window.strides, strict=True)]
    taps = [step * dilation for step, dilation in zip(strides[2:], window.dilations, strict=True)]

    def emit(out: StepEmitter) -> None:
        fn, lanes = out.fn, Lanes(kind.dtype, 1)
        best, where = fn.local(lanes.type, "best"), fn.local(I32, "where")
        source, lookup = fn.new(x.address(out), "image"), fn.new(out.constant("indices"), "indices")
        values, indices = fn.new(out.at(node.outputs[0]), "values"), fn.new(out.at(node.outputs[1]), "places")
        first = fn.local(I32, "first")
        rows = Layout.of((images, *window.outputs), 1).strides[1:]
        still = [0] * len(rows)
        image = [
            (source, [strides[1]]), (values, [math.prod(window.outputs) * item]),
            (indices, [math.prod(window.outputs) * INDEX_BYTES]), (first, [plane]),
        ]  # fmt: skip
        with loops(fn, [images], image) as ((start, to, index_to, before), _):
            inner = [
                (start, moves), (to, [row * item for row in rows]), (index_to, [row * INDEX_BYTES for row in rows]),
                (before, still),
            ]  # fmt: skip
            with loops(fn, window.outputs, inner) as ((corner, value_at, index_at, base), _):
                fn.set(best, load(lanes, corner))
                fn.set(where, corner)
                with loops(fn, window.kernel, [(corner, taps)]) as ((tap,), _):
                    value = fn.new(load(lanes, tap), "x")
                    with fn.if_(lanes.gt(value, best)):
                        fn.set(best, value)
                        fn.set(where, tap)
                fn.do(store(lanes, value_at, best))
                position = i32.div_u(where - start, item)
                found = i32.load(lookup + position * 4) + base
                fn.do(i64.store(index_at, i64.extend_i32_u(found)))

    return Step(
        name=node.name,
        op="max_pool",
        reads=x.reads,
        writes=tuple(filter(None, node.outputs)),
        emit=emit,
        scratch=x.scratch,
        constants={"indices": table},
    )


def _flat_indices(window: Window, *, column_major: bool) -> NDArray[Any]:
    """For each position of a bordered image: the index of the nearest element of the image without border, int32."""
    clamped = [
        np.clip(np.arange(extent) - before, 0, size - 1)
        for extent, before, size in zip(window.extents(), window.begin, window.sizes, strict=True)
    ]
    numbers = np.arange(math.prod(window.sizes), dtype="<i4").reshape(window.sizes, order="F" if column_major else "C")
    return numbers[np.ix_(*clamped)]


def _max_unpool(node: Node, scope: Scope) -> Step:
    """Zeros, and each maximum at its index.

    Indices count in the shape that kernel, strides and pads imply, which the output may exceed; one outside it traps.
    """
    kind, source = scope.type_of(node.output), scope.type_of(node.input(0))
    kernel = ints(node, "kernel_shape", source.rank - 2)
    strides, pads = ints(node, "strides", len(kernel)), ints(node, "pads", 2 * len(kernel), 0)
    spatial = [
        (size - 1) * stride - before - after + tap
        for size, stride, before, after, tap in zip(
            source.shape[2:], strides, pads[: len(kernel)], pads[len(kernel) :], kernel, strict=True
        )
    ]
    implied = (*source.shape[:2], *spatial)
    if any(own > outer for own, outer in zip(implied, kind.shape, strict=True)):
        raise refuse(node, f"expected an output of at least {list(implied)}, got {list(kind.shape)}")
    places = np.ravel_multi_index(np.indices(implied).reshape(len(implied), -1), kind.shape).astype("<i4")
    item = kind.dtype.itemsize

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        fetch, put = element_access(item)
        target, lookup = fn.new(out.at(node.output), "target"), fn.new(out.constant("places"), "places")
        fn.do(memory.fill(target, 0, kind.nbytes))
        pointers = [(fn.new(out.at(node.input(0))), [item]), (fn.new(out.at(node.input(1))), [INDEX_BYTES])]
        with loops(fn, [source.size], pointers) as ((value, index_at), _):
            index = checked_index(fn, i64.load(index_at), len(places))
            place = fn.new(i32.load(lookup + index * 4), "place")
            fn.do(put(target + place * item, fetch(value)))

    return Step(
        name=node.name,
        op="max_unpool",
        reads=(node.input(0), node.input(1)),
        writes=(node.output,),
        emit=emit,
        constants={"places": places},
    )


RULES: Rules = {"MaxUnpool": Rule(lower=_max_unpool, dtypes=EVERY_DTYPE, note=OUTSIDE)}
