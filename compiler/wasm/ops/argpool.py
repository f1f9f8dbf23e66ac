"""MaxPool that also gives the index of each maximum, and MaxUnpool, which puts maxima back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.argpool import Maxima, Windows, max_with_indices, put_back
from compiler.wasm.kernels.indices import OUTSIDE
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.ops.dtypes import EVERY_DTYPE
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.ops.spatial import Window, ints
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType


def lowest(dtype: DType) -> float:
    """What every element of the dtype is at least."""
    return -math.inf if dtype.is_float else int(np.iinfo(dtype.numpy_name).min)


def max_pool_with_indices(node: Node, scope: Scope, window: Window) -> Step:
    """The first largest element of each window and its index in the whole input."""
    kind = scope.type_of(node.input(0))
    x = window.bordered("x", node.input(0), kind, fill=lowest(kind.dtype))
    table = _flat_indices(window, column_major=bool(node.attrs.get("storage_order", 0)))
    strides = Layout.of(x.shape, kind.dtype.itemsize).strides
    windows = Windows(
        dtype=kind.dtype,
        images=math.prod(kind.shape[:2]),
        image_bytes=strides[1],
        plane=math.prod(window.sizes),
        outputs=window.outputs,
        kernel=window.kernel,
        moves=[step * stride for step, stride in zip(strides[2:], window.strides, strict=True)],
        taps=[step * dilation for step, dilation in zip(strides[2:], window.dilations, strict=True)],
    )

    def emit(out: StepEmitter) -> None:
        values, places = (out.at(output) for output in node.outputs)
        max_with_indices(out, windows, x, out.constant("indices"), values, places)

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
    maxima = Maxima(count=source.size, itemsize=kind.dtype.itemsize, places=len(places), nbytes=kind.nbytes)

    def emit(out: StepEmitter) -> None:
        values, indices = out.at(node.input(0)), out.at(node.input(1))
        put_back(out.fn, maxima, values, indices, out.constant("places"), out.at(node.output))

    return Step(
        name=node.name,
        op="max_unpool",
        reads=(node.input(0), node.input(1)),
        writes=(node.output,),
        emit=emit,
        constants={"places": places},
    )


RULES: Rules = {"MaxUnpool": Rule(lower=_max_unpool, dtypes=EVERY_DTYPE, note=OUTSIDE)}
