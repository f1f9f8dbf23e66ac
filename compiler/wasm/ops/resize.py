"""Resize and Upsample: axis by axis through tables that are computed at compile time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.resample import Resample, pick, resample
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from compiler.wasm.ops import resize_taps
from compiler.wasm.ops.arguments import known, normal_axes
from compiler.wasm.ops.copies import layout, view
from compiler.wasm.ops.dtypes import EVERY_DTYPE
from compiler.wasm.ops.resize_taps import Axis, Taps
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType

MAX_TAPS = 128
"""Taps per output element; antialiased cubic needs four per input element that an output element covers."""


def _resize(node: Node, scope: Scope) -> Step:
    mode = str(node.attrs.get("mode", "nearest"))
    coordinates = str(node.attrs.get("coordinate_transformation_mode", "half_pixel"))
    if coordinates not in resize_taps.COORDINATES:
        raise refuse(node, f"unknown coordinate_transformation_mode {coordinates!r}")
    axes = {number: _taps(node, axis, mode, coordinates) for number, axis in _axes(node, scope).items()}
    return _step(node, scope, axes, plain=mode == "nearest")


def _upsample(node: Node, scope: Scope) -> Step:
    """Opset 9 and before: asymmetric, floor."""
    mode = str(node.attrs.get("mode", "nearest"))
    source, target = scope.type_of(node.input(0)).shape, scope.type_of(node.output).shape
    given = node.attrs.get("scales", known(node, scope, 1, "scales"))
    if given is None:
        raise refuse(node, "expected scales")
    scales = np.ravel(given)
    axes = {}
    for number, (size, output, scale) in enumerate(zip(source, target, scales, strict=True)):
        axis = Axis(size=size, output=output, scale=float(scale))
        if size != output:
            axes[number] = (
                resize_taps.nearest(axis, "asymmetric", "floor")
                if mode == "nearest"
                else resize_taps.linear(axis, "asymmetric", exclude=False, antialias=False)
            )
    return _step(node, scope, axes, plain=mode == "nearest")


def _axes(node: Node, scope: Scope) -> Mapping[int, Axis]:
    """The axes along which anything happens."""
    source, target = scope.type_of(node.input(0)).shape, scope.type_of(node.output).shape
    given = normal_axes(node.attrs.get("axes"), len(source))
    roi, scales, sizes = (known(node, scope, index, what) for index, what in ((1, "roi"), (2, "scales"), (3, "sizes")))
    region = np.tile([[0.0], [1.0]], len(given)).ravel() if roi is None or roi.size == 0 else roi.astype("f8")
    if scales is not None and scales.size:
        factors = [float(scale) for scale in scales]
    elif sizes is not None:
        factors = [int(wanted) / source[axis] for axis, wanted in zip(given, sizes, strict=True)]
        policy = str(node.attrs.get("keep_aspect_ratio_policy", "stretch"))
        if policy != "stretch":
            factors = [min(factors) if policy == "not_larger" else max(factors)] * len(given)
    else:
        raise refuse(node, "expected scales or sizes")
    crops = str(node.attrs.get("coordinate_transformation_mode", "")) == "tf_crop_and_resize"
    found = {}
    for place, axis in enumerate(given):
        start, end = float(region[place]), float(region[place + len(given)])
        made = Axis(size=source[axis], output=target[axis], scale=factors[place], start=start, end=end)
        if factors[place] != 1.0 or target[axis] != source[axis] or (crops and (start, end) != (0.0, 1.0)):
            found[axis] = made
    return found


def _taps(node: Node, axis: Axis, mode: str, coordinates: str) -> Taps:
    exclude, antialias = bool(node.attrs.get("exclude_outside", 0)), bool(node.attrs.get("antialias", 0))
    if mode == "nearest":
        rounding = str(node.attrs.get("nearest_mode", "round_prefer_floor"))
        if rounding not in resize_taps.NEAREST:
            raise refuse(node, f"unknown nearest_mode {rounding!r}")
        return resize_taps.nearest(axis, coordinates, rounding)
    if mode == "linear":
        return resize_taps.linear(axis, coordinates, exclude=exclude, antialias=antialias)
    if mode == "cubic":
        a = float(node.attrs.get("cubic_coeff_a", -0.75))
        return resize_taps.cubic(axis, coordinates, a, exclude=exclude, antialias=antialias)
    raise refuse(node, f"expected mode nearest, linear or cubic, got {mode!r}")


def _step(node: Node, scope: Scope, axes: Mapping[int, Taps], *, plain: bool) -> Step:
    kind = scope.type_of(node.output)
    if 0 in (*kind.shape, *scope.type_of(node.input(0)).shape):
        raise refuse(node, "a dimension has no elements")
    if not axes:
        return view(node, scope)
    if plain and not any(taps.outside.any() for taps in axes.values()):
        return _picked(node, scope, axes)
    if kind.dtype is not DType.FP32:
        raise refuse(node, f"interpolation of {kind.dtype.value}")
    return _interpolated(node, scope, axes)


def _picked(node: Node, scope: Scope, axes: Mapping[int, Taps]) -> Step:
    come, to = layout(scope, node.input(0)), layout(scope, node.output)
    tables = {f"axis {axis}": taps.indices[:, 0] * np.int32(come.strides[axis]) for axis, taps in axes.items()}

    def emit(out: StepEmitter) -> None:
        addresses = {axis: out.constant(f"axis {axis}") for axis in axes}
        pick(out.fn, out.at(node.input(0)), out.at(node.output), come, to, addresses)

    return Step(name=node.name, op="resize", reads=(node.input(0),), writes=(node.output,), emit=emit, constants=tables)


def _interpolated(node: Node, scope: Scope, axes: Mapping[int, Taps]) -> Step:
    """One axis after the other, those that shrink first; results between them lie in scratch areas."""
    fill = float(node.attrs.get("extrapolation_value", 0.0))
    shape = list(scope.type_of(node.input(0)).shape)
    order = sorted(axes, key=lambda axis: len(axes[axis].indices) / shape[axis])
    if max(taps.indices.shape[1] for taps in axes.values()) > MAX_TAPS:
        raise refuse(node, f"expected at most {MAX_TAPS} input elements for an output element")
    works: list[tuple[str, str, int, int, int, Taps]] = []
    constants: dict[str, NDArray[Any]] = {}
    scratch: dict[str, int] = {}
    flops = 0
    source = ""
    for axis in order:
        taps = axes[axis]
        outer, inner = math.prod(shape[:axis]), math.prod(shape[axis + 1 :])
        target = "" if axis == order[-1] else f"after axis {axis}"
        works.append((source, target, outer, shape[axis], inner, taps))
        constants |= _tables(axis, taps, inner, fill)
        shape[axis] = len(taps.indices)
        if target:
            scratch[target] = math.prod(shape) * FLOAT_BYTES
        flops += 2 * math.prod(shape) * taps.indices.shape[1]
        source = target

    def emit(out: StepEmitter) -> None:
        for axis, (come, to, outer, size, inner, taps) in zip(order, works, strict=True):
            work = Resample(
                outer=outer, size=size, inner=inner, output=len(taps.indices), taps=taps.indices.shape[1],
                offsets=out.constant(f"offsets {axis}"), weights=out.constant(f"weights {axis}"),
                bias=out.constant(f"bias {axis}"),
            )  # fmt: skip
            start = out.scratch(come) if come else out.at(node.input(0))
            resample(out.fn, start, out.scratch(to) if to else out.at(node.output), work)

    return Step(
        name=node.name, op="resize", reads=(node.input(0),), writes=(node.output,), emit=emit,
        constants=constants, scratch=scratch, flops=flops,
    )  # fmt: skip


def _tables(axis: int, taps: Taps, inner: int, fill: float) -> dict[str, NDArray[Any]]:
    """Byte offsets, weights and bias: where the position lies outside the input, only ``fill``."""
    outside = taps.outside[:, None]
    return {
        f"offsets {axis}": taps.indices * np.int32(inner * FLOAT_BYTES),
        f"weights {axis}": np.where(outside, np.float32(0), taps.weights),
        f"bias {axis}": np.where(taps.outside, np.float32(fill), np.float32(0)),
    }


_NOTE = "constant scales or sizes; interpolation of float32 only"
RULES: Rules = {
    "Resize": Rule(lower=_resize, dtypes=EVERY_DTYPE, note=_NOTE),
    "Upsample": Rule(lower=_upsample, dtypes=EVERY_DTYPE, note=_NOTE),
}
