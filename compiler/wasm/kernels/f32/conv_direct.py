"""k x k convolution over NHWC without im2col: lanes along output channels, a tile of neighbouring pixels in registers.

At one kernel row, the taps of a pixel are ``kernel width x channels`` consecutive floats (no dilation, one group), so
the innermost loop is that of a matrix product whose rows are ``stride x channels`` apart. Pixels at the edges
have fewer taps, which is known at compile time: rows and columns are cut into segments of equal taps.
"""

from __future__ import annotations

from dataclasses import dataclass

from compiler.wasm.kernels.f32.epilogue import Epilogue
from compiler.wasm.kernels.f32.loops import repeated
from compiler.wasm.kernels.f32.micro import Sums, make_sums
from compiler.wasm.kernels.f32.packing import Panels
from compiler.wasm.kernels.f32.pointers import Pointers, copied, pointer_parameters
from compiler.wasm.kernels.f32.tiles import Tile
from compiler.wasm.kernels.f32.window import Axis, Segment
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from wasm_emit.function import Function, Local
from wasm_emit.module import Module
from wasm_emit.types import I32


@dataclass(frozen=True, slots=True)
class ConvShape:
    """A convolution of ``images`` images; ``channels`` and ``filters`` are those of one group."""

    images: int
    y: Axis
    x: Axis
    channels: int
    filters: int
    groups: int
    tile: Tile
    epilogue: Epilogue

    @property
    def key(self) -> str:
        """Equal for convolutions that one function serves."""
        sizes = (self.images, self.y, self.x, self.channels, self.filters, self.groups, self.tile)
        return f"conv_f32:{sizes}:{self.epilogue.key}"

    @property
    def panels(self) -> Panels:
        """How the filters of one group are cut."""
        return Panels(self.filters, self.tile.width)

    @property
    def depth(self) -> int:
        """Products of one output with all taps inside."""
        return self.y.kernel * self.x.kernel * self.channels

    @property
    def pixel_bytes(self) -> int:
        """From one input pixel to the next."""
        return self.channels * self.groups * FLOAT_BYTES

    @property
    def out_pixel_bytes(self) -> int:
        """From one output pixel to the next."""
        return self.filters * self.groups * FLOAT_BYTES


def conv_function(module: Module, name: str, shape: ConvShape) -> Function:
    """A function (x, w, bias, [residual,] out) of addresses that computes the whole convolution."""
    rows = {
        valid: _row_function(module, f"{name}_row{valid}", shape, width, valid)
        for width, valid, _ in shape.panels.kinds()
    }
    empty = {
        valid: _row_function(module, f"{name}_empty{valid}", shape, width, valid, taps=False)
        for width, valid, _ in shape.panels.kinds()
        if any(segment.taps == 0 for segment in shape.y.segments())
    }
    fn = module.function(name)
    at = pointer_parameters(fn, shape.epilogue)
    image_bytes = shape.y.size * shape.x.size * shape.pixel_bytes
    out_bytes = shape.y.out * shape.x.out * shape.out_pixel_bytes
    with repeated(fn, at.x, shape.images, image_bytes, name="image"):
        w, bias = fn.new(at.w, "w"), fn.new(at.bias, "bias")
        group = Pointers(fn.new(at.x, "x"), w, bias, copied(fn, at.residual), fn.new(at.out, "out"))
        with repeated(fn, group.x, shape.groups, shape.channels * FLOAT_BYTES, name="group"):
            for width, valid, turns in shape.panels.kinds():
                with repeated(fn, w, turns, shape.depth * width * FLOAT_BYTES, name="panel"):
                    _rows(fn, shape, group, rows[valid], empty.get(valid), width)
                    fn.advance(bias, width * FLOAT_BYTES)
                    for pointer in group.outputs():
                        fn.advance(pointer, valid * FLOAT_BYTES)
        for pointer in at.outputs():
            fn.advance(pointer, out_bytes)
    return fn


def _rows(fn: Function, shape: ConvShape, at: Pointers, row: Function, empty: Function | None, width: int) -> None:
    """Call the row function for every output row of one panel."""
    out, residual = fn.new(at.out, "y_out"), copied(fn, at.residual)
    line = shape.x.size * shape.pixel_bytes
    tap_row = shape.x.kernel * shape.channels * width * FLOAT_BYTES
    for segment in shape.y.segments():
        x = fn.new(at.x + segment.source * line, "y_in")
        with repeated(fn, x, segment.count, shape.y.stride * line, name="y"):
            arguments = [x, fn.new(at.w + segment.first * tap_row, "w_row"), at.bias]
            arguments += [out] if residual is None else [residual, out]
            if segment.taps:
                fn.do(fn.call(row, *arguments, segment.taps))
            elif empty is not None:
                fn.do(fn.call(empty, *arguments))
            for pointer in (out, residual):
                if pointer is not None:
                    fn.advance(pointer, shape.x.out * shape.out_pixel_bytes)


def _row_function(
    module: Module, name: str, shape: ConvShape, width: int, valid: int, *, taps: bool = True
) -> Function:
    """(x, w, bias, [residual,] out[, taps]): one output row of one panel, ``taps`` kernel rows from ``x`` and ``w``."""
    fn = module.function(name)
    at = pointer_parameters(fn, shape.epilogue)
    count = fn.param(I32, "taps") if taps else None
    for segment in shape.x.segments():
        full, rest = divmod(segment.count, shape.tile.rows)
        x = fn.new(at.x + segment.source * shape.pixel_bytes, "x_in")
        for height, turns in ((shape.tile.rows, full), (rest, 1)):
            if height and turns:
                with repeated(fn, x, turns, height * shape.x.stride * shape.pixel_bytes, name="x"):
                    _tile(
                        fn, shape, Pointers(x, at.w, at.bias, at.residual, at.out), count, segment, height, width, valid
                    )
                    for pointer in at.outputs():
                        fn.advance(pointer, height * shape.out_pixel_bytes)
    return fn


def _tile(
    fn: Function,
    shape: ConvShape,
    at: Pointers,
    taps: Local | None,
    segment: Segment,
    height: int,
    width: int,
    valid: int,
) -> None:
    sums = make_sums(fn, shape.tile, height, width)
    sums.start(at.bias)
    if taps is not None and segment.taps:
        x = fn.new(at.x, "tap_x")
        w = fn.new(at.w + segment.first * shape.channels * width * FLOAT_BYTES, "tap_w")
        left = fn.new(taps, "left")
        tap_row = shape.x.kernel * shape.channels * width * FLOAT_BYTES
        with fn.loop("ky") as again:
            _tap_row(fn, shape, sums, fn.new(x, "a"), fn.new(w, "b"), segment.taps)
            fn.advance(x, shape.y.dilation * shape.x.size * shape.pixel_bytes)
            fn.advance(w, tap_row)
            fn.advance(left, -1)
            fn.br(again, left)
    sums.finish(shape.epilogue, at.bias, at.out, at.residual, shape.out_pixel_bytes, valid)


def _tap_row(fn: Function, shape: ConvShape, sums: Sums, a: Local, b: Local, taps: int) -> None:
    """The products of one kernel row."""
    row_bytes = shape.x.stride * shape.pixel_bytes
    if shape.groups == 1 and shape.x.dilation == 1:
        sums.run(a, b, row_bytes, taps * shape.channels)
        return
    with repeated(fn, a, taps, shape.x.dilation * shape.pixel_bytes, name="kx"):
        sums.run(fn.new(a, "a_run"), b, row_bytes, shape.channels)
