"""Integer matrix products and convolutions (NHWC): tiles over all positions of what ``widen.py`` laid out."""

from __future__ import annotations

from collections.abc import Callable

from compiler.wasm.kernels.int8.gemm import GROUP_BYTES, Pointers, Runs, tile, tile_rows
from compiler.wasm.kernels.int8.image import Image
from compiler.wasm.kernels.int8.packing import PARAMETER_BYTES, WIDE, Block, Format, column_blocks
from compiler.wasm.kernels.int8.requantize import Stored
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32
from wasm_emit.module import Module
from wasm_emit.types import I32


def run_shape(image: Image, form: Format) -> Runs:
    """How a tile walks over the image with its padding."""
    pixel = form.itemsize * image.channels
    row = pixel * image.padded[1] * image.dilations[0]
    groups = form.groups(image.runs[1])
    row_bytes = image.strides[1] * pixel
    if image.runs[0] == image.kernel[0]:
        return Runs(form, groups, row_bytes, ((image.kernel[0], row),))
    return Runs(form, groups, row_bytes, ((image.kernel[0], row), (image.kernel[1], pixel * image.dilations[1])))


def build_product(
    module: Module, name: str, length: int, columns: int, stored: Stored | None, form: Format
) -> Function:
    """``(x, y, weights, parameters, rows)``: rows of ``length`` elements times all columns."""
    fn = module.function(name)
    at, rows = _parameters(fn), fn.param(I32, "rows")
    runs = Runs(form, form.groups(length), form.itemsize * length)

    def positions(block: Block) -> None:
        moving = _copied(fn, at)
        left = fn.new(rows, "left")
        _while_left(fn, moving, left, tile_rows(block.width), block, runs, stored, columns)
        _while_left(fn, moving, left, 1, block, runs, stored, columns)

    _over_blocks(fn, at, columns, GROUP_BYTES * runs.groups, stored, positions)
    return fn


def _while_left(
    fn: Function, at: Pointers, left: Local, rows: int, block: Block, runs: Runs, stored: Stored | None, columns: int
) -> None:
    """Tiles of ``rows`` rows as long as so many are left."""
    with fn.block("done") as done:
        fn.br(done, i32.lt_u(left, rows))
        with fn.loop("tiles") as label:
            tile(fn, at, rows, block, runs, stored, columns)
            _move(fn, at, rows * runs.row_bytes, rows * columns, stored)
            fn.advance(left, -rows)
            fn.br(label, i32.ge_u(left, rows))


def build_convolution(module: Module, name: str, image: Image, stored: Stored | None, form: Format) -> Function:
    """``(x, y, weights, parameters)``: one image with its padding, one group of channels."""
    fn = module.function(name)
    at = _parameters(fn)
    runs, columns = run_shape(image, form), image.columns
    used = columns // image.groups

    def positions(block: Block) -> None:
        moving = _copied(fn, at)
        line = image.strides[0] * form.itemsize * image.channels * image.padded[1]
        with fn.counted(image.out_height, name="row"):
            _line(fn, moving, image.out_width, block, runs, stored, columns)
            fn.advance(moving.x, line - image.out_width * runs.row_bytes)

    _over_blocks(fn, at, used, GROUP_BYTES * image.runs[0] * runs.groups, stored, positions)
    return fn


def _line(
    fn: Function, at: Pointers, width: int, block: Block, runs: Runs, stored: Stored | None, columns: int
) -> None:
    """One line of output positions."""
    rows = tile_rows(block.width)
    for size in (rows, 1):
        turns, width = divmod(width, size)
        if not turns:
            continue
        with fn.counted(turns, name="tiles"):
            tile(fn, at, size, block, runs, stored, columns)
            _move(fn, at, size * runs.row_bytes, size * columns, stored)


def _parameters(fn: Function) -> Pointers:
    x, y, weights, parameters = (fn.param(I32, word) for word in ("x", "y", "weights", "parameters"))
    return Pointers(x, weights, parameters, y)


def _itemsize(stored: Stored | None) -> int:
    return 4 if stored is None else 1


def _copied(fn: Function, at: Pointers) -> Pointers:
    """Pointers that a block may move: parameters stay at the block's first row."""
    return Pointers(fn.new(at.x, "px"), at.weights, at.parameters, fn.new(at.y, "py"))


def _move(fn: Function, at: Pointers, x_bytes: int, elements: int, stored: Stored | None) -> None:
    fn.advance(at.x, x_bytes)
    fn.advance(at.y, elements * _itemsize(stored))


def _over_blocks(
    fn: Function, at: Pointers, columns: int, run_bytes: int, stored: Stored | None, positions: Callable[[Block], None]
) -> None:
    """Call ``positions`` for each block; ``run_bytes`` are the weights of one column."""
    blocks = column_blocks(columns)
    whole = sum(block.used == WIDE for block in blocks)

    def advance() -> None:
        fn.advance(at.weights, WIDE * run_bytes)
        fn.advance(at.parameters, WIDE * PARAMETER_BYTES)
        fn.advance(at.y, WIDE * _itemsize(stored))

    if whole:
        with fn.counted(whole, name="block"):
            positions(Block(0, WIDE, WIDE))
            advance()
    if whole < len(blocks):
        positions(blocks[-1])
