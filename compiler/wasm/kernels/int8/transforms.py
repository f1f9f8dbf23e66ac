"""The transforms of ``winograd.py`` as code: weights once in ``init``, inputs and outputs for each row of tiles."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.wasm.kernels.int8.gemm import LANES
from compiler.wasm.kernels.int8.image import Image
from compiler.wasm.kernels.int8.requantize import Stored, narrowed, rounded, scaled
from compiler.wasm.kernels.int8.winograd import EDGE, INVERSE_OF_9, SIXTY_FOUR, TAPS, TILE, VECTOR, Tiling
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i16x8, i32, i32x4, v128, v128_const
from wasm_emit.module import Module
from wasm_emit.types import I32, Expr


def build_weights(module: Module, name: str) -> Function:
    """``(from, to, count, plane)``: transform ``count`` kernels of nine int8 into 36 planes of int16."""
    fn = module.function(name)
    source, target, count, plane = (fn.param(I32, word) for word in ("from", "to", "count", "plane"))
    with fn.loop("kernel") as label:
        taps = [[fn.new(i32.load8_s(source, offset=3 * row + col), "g") for col in range(3)] for row in range(3)]
        by_row = [_weight_transform(fn, [taps[row][col] for row in range(3)]) for col in range(3)]
        place = fn.new(target, "place")
        for row in range(EDGE):
            for value in _weight_transform(fn, [by_row[col][row] for col in range(3)]):
                fn.do(i32.store16(place, value))
                fn.advance(place, plane)
        fn.advance(source, TAPS)
        fn.advance(target, 2)
        fn.advance(count, -1)
        fn.br(label, count)
    return fn


def _weight_transform(fn: Function, g: Sequence[Local]) -> list[Local]:
    """Rows of ``G``, times 24 and (the last) 12: (6,0,0) (-4,-4,-4) (-4,4,-4) (1,2,4) (1,-2,4) (0,0,12)."""
    outer = fn.new((g[0] + g[2]) * -4, "o")
    middle, far = fn.new(g[1] * 4, "m"), fn.new(g[0] + g[2] * 4, "f")
    double = fn.new(g[1] * 2, "d")
    values = (g[0] * 6, outer - middle, outer + middle, far + double, far - double, g[2] * 12)
    return [fn.new(value, "u") for value in values]


def build_inputs(module: Module, name: str, plan: Tiling) -> Function:
    """``(x, lines, to)``: one row of tiles; ``lines`` holds the image lines after the first, vertical transform."""
    fn = module.function(name)
    x, lines, target = (fn.param(I32, word) for word in ("x", "lines", "to"))
    width = plan.grid.channels * (TILE * plan.across + 2)
    source, place = fn.new(x, "source"), fn.new(lines, "place")
    with fn.pointer_loop(source, width // VECTOR, 16, name="column"):
        inputs = [fn.new(v128.load(source, offset=row * plan.line_bytes), "d") for row in range(EDGE)]
        for row, value in enumerate(_input_transform(fn, inputs)):
            fn.do(v128.store(place, value, offset=row * plan.line_stride))
        fn.advance(place, 16)
    pixel = 2 * plan.grid.channels
    with fn.counted(EDGE, name="row"):
        source, place = fn.new(lines, "source"), fn.new(target, "place")
        with fn.counted(plan.across, name="tile"):
            with fn.pointer_loop(place, pixel // 16, 16, name="channel"):
                inputs = [fn.new(v128.load(source, offset=col * pixel), "d") for col in range(EDGE)]
                for col, value in enumerate(_input_transform(fn, inputs)):
                    fn.do(v128.store(place, value, offset=col * plan.input_plane))
                fn.advance(source, 16)
            fn.advance(source, (TILE - 1) * pixel)
        fn.advance(lines, plan.line_stride)
        fn.advance(target, EDGE * plan.input_plane)
    return fn


def _input_transform(fn: Function, d: Sequence[Local]) -> list[Expr]:
    """``B^T d``: (4,0,-5,0,1,0) (0,-4,-4,1,1,0) (0,4,-4,-1,1,0) (0,-2,-1,2,1,0) (0,2,-1,-2,1,0) (0,4,0,-5,0,1)."""

    def new(value: Expr) -> Local:
        return fn.new(value, "b")

    def quadruple(value: Expr) -> Expr:
        return i16x8.shl(value, 2)

    even = new(i16x8.sub(d[4], quadruple(d[2])))
    odd = new(i16x8.sub(d[3], quadruple(d[1])))
    near = new(i16x8.sub(d[4], d[2]))
    half = new(i16x8.sub(d[3], d[1]))
    far = new(i16x8.add(half, half))
    return [
        i16x8.add(quadruple(i16x8.sub(d[0], d[2])), near),
        i16x8.add(even, odd),
        i16x8.sub(even, odd),
        i16x8.add(near, far),
        i16x8.sub(near, far),
        i16x8.sub(i16x8.sub(d[5], d[3]), i16x8.add(far, far)),
    ]


def build_outputs(module: Module, name: str, plan: Tiling, stored: Stored) -> Function:
    """``(sums, y, parameters, row)``: one row of tiles transformed back, scaled and stored; ``row`` counts from 0."""
    fn = module.function(name)
    sums, y, parameters, row = (fn.param(I32, word) for word in ("sums", "y", "parameters", "row"))
    image = plan.grid
    with fn.counted(plan.across, name="tile") as column:
        source = fn.new(parameters, "p")
        with fn.counted(image.columns // LANES, name="channel"):
            _tile_outputs(fn, plan, stored, (sums, y, source), row, column)
            fn.advance(sums, 16)
            fn.advance(y, LANES)
            fn.advance(source, 32)
        fn.advance(sums, 4 * (plan.columns - image.columns))
        fn.advance(y, (TILE - 1) * image.columns)
    return fn


def _tile_outputs(
    fn: Function, plan: Tiling, stored: Stored, at: tuple[Local, Local, Local], row: Local, column: Local
) -> None:
    """Four channels of one tile."""
    sums, y, parameters = at
    image = plan.grid
    by_column = []
    for col in range(EDGE):
        values = [fn.new(v128.load(sums, offset=(EDGE * line + col) * plan.sum_plane), "m") for line in range(EDGE)]
        by_column.append(_output_transform(fn, values))
    bias, scale = fn.new(v128.load(parameters), "bias"), fn.new(v128.load(parameters, offset=16), "scale")
    for line in range(TILE):
        outputs = _output_transform(fn, [by_column[col][line] for col in range(EDGE)])
        words = [_scaled_sums(total, bias, scale, stored) for total in outputs]
        packed = fn.new(narrowed(fn, words, stored), "packed")
        for col in range(TILE):
            offset = (line * image.out_width + col) * image.columns
            store = v128.store32_lane(y, packed, col, offset=offset)
            if inside := _inside(image, plan, row, column, line, col):
                with fn.if_(inside):
                    fn.do(store)
            else:
                fn.do(store)


def _inside(image: Image, plan: Tiling, row: Local, column: Local, line: int, col: int) -> Expr | None:
    """Whether an output of the last tiles exists; ``None`` if it always does."""
    below = (plan.down - 1) * TILE + line >= image.out_height
    beside = (plan.across - 1) * TILE + col >= image.out_width
    if below and beside:
        return i32.and_(i32.ne(row, plan.down - 1), i32.ne(column, plan.across - 1))
    if below:
        return i32.ne(row, plan.down - 1)
    return i32.ne(column, plan.across - 1) if beside else None


def _output_transform(fn: Function, m: Sequence[Local]) -> list[Local]:
    """``A^T m``, times 24: (1,1,1,1,1,0) (0,1,-1,2,-2,0) (0,1,1,4,4,0) (0,1,-1,8,-8,2)."""

    def new(value: Expr) -> Local:
        return fn.new(value, "a")

    sum_near, sum_far = new(i32x4.add(m[1], m[2])), new(i32x4.add(m[3], m[4]))
    near, far = new(i32x4.sub(m[1], m[2])), new(i32x4.sub(m[3], m[4]))
    last = new(i32x4.add(i32x4.shl(far, 2), m[5]))
    return [
        new(i32x4.add(i32x4.add(m[0], sum_near), sum_far)),
        new(i32x4.add(near, i32x4.add(far, far))),
        new(i32x4.add(sum_near, i32x4.shl(sum_far, 2))),
        new(i32x4.add(near, i32x4.add(last, last))),
    ]


def _scaled_sums(total: Local, bias: Local, scale: Local, stored: Stored) -> Expr:
    """576 times four sums to four results, not narrowed yet."""
    times_64 = i32x4.add(i32x4.mul(total, v128_const("i32x4", INVERSE_OF_9)), bias)
    exact = i32x4.shr_s(times_64, SIXTY_FOUR)
    return rounded(scaled(exact, scale, stored), stored.zero_point)
