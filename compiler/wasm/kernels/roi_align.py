"""Averages or maxima of interpolated samples inside regions that are data (RoiAlign)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from compiler.wasm.kernels.indices import load_index
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.loops import loops
from compiler.wasm.kernels.sampling import Interpolation, Padding, SampledAxis, Tap, crossed, read_tap
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32, f32_const, i32, select
from wasm_emit.types import Expr, as_i32

MAX_SAMPLES = 4096
"""Samples per axis of one bin. Data that asks for more traps, so that the time of a run stays bounded."""


@dataclass(frozen=True, kw_only=True)
class Regions:
    """From ``image`` [N, C, H, W] to ``output`` [regions, C, h, w], both float32.

    ``indices`` is the dtype of the regions' image numbers. Corners are multiplied by ``scale``, less half an element
    with ``half_pixel``. A bin has ``ratio`` samples along an axis, or as many as it is elements long (0). Their mean
    counts with ``average``, else the largest.
    """

    image: tuple[int, ...]
    output: tuple[int, ...]
    indices: DType
    scale: float
    ratio: int
    half_pixel: bool
    average: bool


@dataclass(frozen=True, kw_only=True)
class _Bin:
    """Along one axis: where the bin starts, how far it extends (elements, f32), and how many samples it takes."""

    start: Local
    extent: Local
    samples: Local


def roi_align(fn: Function, how: Regions, x: int, rois: int, images: int, target: int) -> None:
    """Regions [regions, 4] at ``rois`` of the tensor at ``x``, each in the image that ``images`` names."""
    strides = Layout.of(how.image, FLOAT_BYTES).strides
    count, channels, height, width = how.output
    window = height * width * FLOAT_BYTES
    axes = [SampledAxis(size=how.image[axis], stride=strides[axis], padding=Padding.BORDER) for axis in (2, 3)]
    pointers = [
        (fn.new(rois, "rois"), [4 * FLOAT_BYTES, 0, 0]),
        (fn.new(images, "images"), [how.indices.itemsize, 0, 0]),
        (fn.new(target, "target"), [channels * window, width * FLOAT_BYTES, FLOAT_BYTES]),
    ]
    data = fn.new(x, "x")
    sizes = [count, height, width]
    with loops(fn, sizes, pointers, indexed=frozenset({1, 2})) as ((roi, pick, to), (_, row, column)):
        index = load_index(fn, pick, how.indices, how.image[0], negative=False)
        image = fn.new(data + index * strides[0], "image")
        down, across = _bin(fn, how, roi, 1, row), _bin(fn, how, roi, 0, column)
        with loops(fn, [channels], [(to, [window])]) as ((element,), _):
            fn.do(f32.store(element, f32_const(0.0 if how.average else -math.inf)))
        with _samples(fn, down) as y, _samples(fn, across) as at:
            taps, inside = _taps(fn, axes, (y, at))
            with loops(fn, [channels], [(image, [strides[1]]), (to, [window])]) as ((plane, element), _):
                value = fn.new(_value(fn, plane, taps, average=how.average), "value")
                sample = select(value, f32_const(0.0), inside)
                total = f32.load(element)
                fn.do(f32.store(element, f32.add(total, sample) if how.average else f32.max(total, sample)))
        samples = fn.new(i32.mul(down.samples, across.samples), "count")
        _finish(fn, to, [channels, window], samples, average=how.average)


def _bin(fn: Function, how: Regions, roi: Expr, part: int, cell: Expr) -> _Bin:
    """The bin with number ``cell`` along the axis; ``part`` is 0 for x and 1 for y."""
    count = how.output[3 - part]
    low, high = (
        fn.new(
            f32.sub(
                f32.mul(f32.load(roi, offset=at * FLOAT_BYTES), f32_const(how.scale)),
                f32_const(0.5 if how.half_pixel else 0.0),
            )
        )
        for at in (part, part + 2)
    )
    size = fn.new(f32.sub(high, low), "size")
    if not how.half_pixel:  # malformed regions become 1 x 1
        fn.set(size, f32.max(size, f32_const(1.0)))
    extent = fn.new(f32.div(size, f32_const(count)), "extent")
    start = fn.new(f32.add(low, f32.mul(f32.convert_i32_s(cell), extent)), "start")
    if how.ratio > 0:
        return _Bin(start=start, extent=extent, samples=fn.new(how.ratio, "samples"))
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


def _value(fn: Function, plane: Expr, taps: Sequence[Tap], *, average: bool) -> Expr:
    """The sum of the weighted taps, or the largest of them."""
    total: Expr | None = None
    for tap in taps:
        part = fn.new(f32.mul(read_tap(plane, tap), tap.weight), "part")
        total = part if total is None else (f32.add if average else f32.max)(total, part)
    return total if total is not None else f32_const(0.0)


def _finish(fn: Function, to: Expr, channels: Sequence[int], count: Local, *, average: bool) -> None:
    """Divide by the number of samples; without any the result is zero."""
    with loops(fn, channels[:1], [(to, channels[1:])]) as ((element,), _):
        if average:
            least = select(count, as_i32(1), i32.gt_s(count, 1))
            fn.do(f32.store(element, f32.div(f32.load(element), f32.convert_i32_s(least))))
        else:
            fn.do(f32.store(element, select(f32.load(element), f32_const(0.0), i32.gt_s(count, 0))))
