"""RoiAlign: averages or maxima of interpolated samples inside regions that are data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from compiler.ir.graph import Node
from compiler.wasm.kernels.indices import load_index
from compiler.wasm.kernels.loops import loops
from compiler.wasm.kernels.sampling import Interpolation, Padding, SampledAxis, Tap, crossed, read_tap
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32, f32_const, i32, select
from wasm_emit.types import Expr, as_i32

MAX_SAMPLES = 4096
"""Samples per axis of one bin. Data that asks for more traps, so that the time of a run stays bounded."""


@dataclass(frozen=True, kw_only=True)
class _Bin:
    """Along one axis: where the bin starts, how far it extends (elements, f32), and how many samples it takes."""

    start: Local
    extent: Local
    samples: Local


def _roi_align(node: Node, scope: Scope) -> Step:
    x, kind = scope.type_of(node.input(0)), scope.type_of(node.output)
    picks = scope.type_of(node.input(2)).dtype
    mode = str(node.attrs.get("mode", "avg"))
    if mode not in ("avg", "max") or 0 in (*x.shape, *kind.shape):
        raise refuse(node, f"mode {mode!r} over {list(x.shape)}")
    strides = layout(scope, node.input(0)).strides
    rois, channels, height, width = kind.shape
    window = height * width * FLOAT_BYTES
    axes = [SampledAxis(size=x.shape[axis], stride=strides[axis], padding=Padding.BORDER) for axis in (2, 3)]

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        pointers = [
            (fn.new(out.at(node.input(1)), "rois"), [4 * FLOAT_BYTES, 0, 0]),
            (fn.new(out.at(node.input(2)), "images"), [picks.itemsize, 0, 0]),
            (fn.new(out.at(node.output), "target"), [channels * window, width * FLOAT_BYTES, FLOAT_BYTES]),
        ]
        data = fn.new(out.at(node.input(0)), "x")
        sizes = [rois, height, width]
        with loops(fn, sizes, pointers, indexed=frozenset({1, 2})) as ((roi, pick, to), (_, row, column)):
            index = load_index(fn, pick, picks, x.shape[0], negative=False)
            image = fn.new(data + index * strides[0], "image")
            down, across = _bin(fn, node, roi, 1, row, height), _bin(fn, node, roi, 0, column, width)
            with loops(fn, [channels], [(to, [window])]) as ((element,), _):
                fn.do(f32.store(element, f32_const(0.0 if mode == "avg" else -math.inf)))
            with _samples(fn, down) as y, _samples(fn, across) as at:
                taps, inside = _taps(fn, axes, (y, at))
                with loops(fn, [channels], [(image, [strides[1]]), (to, [window])]) as ((plane, element), _):
                    value = fn.new(_value(fn, plane, taps, mode), "value")
                    sample = select(value, f32_const(0.0), inside)
                    total = f32.load(element)
                    fn.do(f32.store(element, f32.add(total, sample) if mode == "avg" else f32.max(total, sample)))
            _finish(fn, to, [channels, window], fn.new(i32.mul(down.samples, across.samples), "count"), mode)

    return Step(
        name=node.name, op="roi_align", reads=tuple(dict.fromkeys(node.inputs)), writes=(node.output,), emit=emit
    )


def _bin(fn: Function, node: Node, roi: Expr, part: int, cell: Expr, count: int) -> _Bin:
    """The bin with number ``cell`` of ``count`` along the axis; ``part`` is 0 for x and 1 for y."""
    scale, ratio = float(node.attrs.get("spatial_scale", 1.0)), int(node.attrs.get("sampling_ratio", 0))
    half = str(node.attrs.get("coordinate_transformation_mode", "half_pixel")) == "half_pixel"
    low, high = (
        fn.new(
            f32.sub(f32.mul(f32.load(roi, offset=at * FLOAT_BYTES), f32_const(scale)), f32_const(0.5 if half else 0.0))
        )
        for at in (part, part + 2)
    )
    size = fn.new(f32.sub(high, low), "size")
    if not half:  # malformed regions become 1 x 1
        fn.set(size, f32.max(size, f32_const(1.0)))
    extent = fn.new(f32.div(size, f32_const(count)), "extent")
    start = fn.new(f32.add(low, f32.mul(f32.convert_i32_s(cell), extent)), "start")
    if ratio > 0:
        return _Bin(start=start, extent=extent, samples=fn.new(ratio, "samples"))
    samples = fn.new(i32.trunc_sat_f32_s(f32.ceil(extent)), "samples")
    fn.set(samples, select(samples, as_i32(0), i32.gt_s(samples, 0)))
    with fn.if_(i32.gt_s(samples, MAX_SAMPLES)):
        fn.trap()
    return _Bin(start=start, extent=extent, samples=samples)


@contextmanager
def _samples(fn: Function, one: _Bin) -> Iterator[Local]:
    """A loop over the samples of a bin; yields their position."""
    number = fn.new(0, "number")
    with fn.block("none") as none, fn.loop("sample") as again:
        fn.br(none, i32.ge_s(number, one.samples))
        middle = f32.add(f32.convert_i32_s(number), f32_const(0.5))
        share = f32.div(f32.mul(middle, one.extent), f32.convert_i32_s(one.samples))
        yield fn.new(f32.add(one.start, share), "position")
        fn.advance(number, 1)
        fn.br(again)


def _taps(fn: Function, axes: Sequence[SampledAxis], positions: Sequence[Local]) -> tuple[list[Tap], Local]:
    """Four taps, and whether the position counts at all: up to one element beyond the tensor it does."""
    inside: Expr = as_i32(1)
    taps = []
    for axis, position in zip(axes, positions, strict=True):
        near = i32.and_(f32.ge(position, f32_const(-1.0)), f32.le(position, f32_const(axis.size)))
        inside = i32.and_(inside, near)
        taps.append(axis.taps(fn, position, Interpolation.LINEAR))
    return crossed(fn, taps), fn.new(inside, "inside")


def _value(fn: Function, plane: Expr, taps: Sequence[Tap], mode: str) -> Expr:
    """The sum of the weighted taps, or the largest of them."""
    total: Expr | None = None
    for tap in taps:
        part = fn.new(f32.mul(read_tap(plane, tap), tap.weight), "part")
        total = part if total is None else (f32.add if mode == "avg" else f32.max)(total, part)
    return total if total is not None else f32_const(0.0)


def _finish(fn: Function, to: Expr, channels: Sequence[int], count: Local, mode: str) -> None:
    """Divide by the number of samples; without any the result is zero."""
    with loops(fn, channels[:1], [(to, channels[1:])]) as ((element,), _):
        if mode == "avg":
            least = select(count, as_i32(1), i32.gt_s(count, 1))
            fn.do(f32.store(element, f32.div(f32.load(element), f32.convert_i32_s(least))))
        else:
            fn.do(f32.store(element, select(f32.load(element), f32_const(0.0), i32.gt_s(count, 0))))


_NOTE = f"a bin of more than {MAX_SAMPLES} samples along an axis traps, as does an image that is not there"
RULES: Rules = {"RoiAlign": Rule(lower=_roi_align, dtypes=FP32, note=_NOTE)}
