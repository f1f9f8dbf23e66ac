"""Integer matrix products and convolutions (NHWC): activations widened into scratch, then tiles over all positions.

Widening costs one load and one store for 8 elements, once; the tiles then read each pair by ``v128.load32_splat``. For
a convolution the widened image has its padding around it (the stored zero point), so that every tap of every position
is there and what one kernel row covers is one run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compiler.wasm.kernels.int8.gemm import GROUP_BYTES, Pointers, Runs, tile, tile_rows
from compiler.wasm.kernels.int8.packing import PARAMETER_BYTES, WIDE, WORDS, Block, Format, column_blocks
from compiler.wasm.kernels.int8.requantize import Stored
from compiler.wasm.specs import Quant
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i8x16, i16x8, i32, v128
from wasm_emit.module import Module
from wasm_emit.types import I32, Operand

WIDENED = 16
"""Elements that one turn of the widening loop takes."""


@dataclass(frozen=True, slots=True)
class Image:
    """What a convolution reads and writes, for one group of channels. Sizes in elements."""

    height: int
    width: int
    channels: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    groups: int
    out_height: int
    out_width: int
    columns: int

    @property
    def padded(self) -> tuple[int, int]:
        """Height and width of the widened image."""
        top, left, bottom, right = self.pads
        return self.height + top + bottom, self.width + left + right

    @property
    def is_flat(self) -> bool:
        """Whether this is a matrix product over all positions."""
        simple = self.kernel == (1, 1) and self.strides == (1, 1) and not any(self.pads)
        return simple and self.groups == 1

    def scratch_bytes(self, form: Format) -> int:
        """Bytes of the image with its padding."""
        height, width = self.padded
        return form.itemsize * height * width * self.channels

    @property
    def runs(self) -> tuple[int, int]:
        """How many runs a sum has, and elements in one."""
        height, width = self.kernel
        if self.groups == 1 and self.dilations[1] == 1:
            return height, width * self.channels
        return height * width, self.channels // self.groups

    @property
    def key(self) -> str:
        """Tells two of these apart in the name of a shared function."""
        words = (self.height, self.width, self.channels, self.groups, self.out_height, self.out_width, self.columns)
        lists = (self.kernel, self.strides, self.dilations, self.pads)
        return "/".join(map(str, (*words, *(item for part in lists for item in part))))


def run_shape(image: Image, form: Format) -> Runs:
    """How a tile walks over the image with its padding."""
    pixel = form.itemsize * image.channels
    row = pixel * image.padded[1] * image.dilations[0]
    groups = form.groups(image.runs[1])
    row_bytes = image.strides[1] * pixel
    if image.runs[0] == image.kernel[0]:
        return Runs(form, groups, row_bytes, ((image.kernel[0], row),))
    return Runs(form, groups, row_bytes, ((image.kernel[0], row), (image.kernel[1], pixel * image.dilations[1])))


def build_widen(module: Module, name: str, *, signed: bool) -> Function:
    """``(from, to, turns)``: widen 16 elements a turn."""
    fn = module.function(name)
    source, target, turns = (fn.param(I32, word) for word in ("from", "to", "turns"))
    with fn.loop("widen") as label:
        widen(fn, source, target, 0, WIDENED, signed=signed)
        fn.advance(source, WIDENED)
        fn.advance(target, 2 * WIDENED)
        fn.advance(turns, -1)
        fn.br(label, turns)
    return fn


def widen(fn: Function, source: Local, target: Local, start: int, count: int, *, signed: bool) -> None:
    """``count`` elements (rounded up to 8), written out."""
    load = v128.load8x8_s if signed else v128.load8x8_u
    for at in range(start, start + count, 8):
        fn.do(v128.store(target, load(source, offset=at), offset=2 * at))


def build_pad(module: Module, name: str, image: Image, x: Quant, form: Format) -> Function:
    """``(from, to)``: one image with its padding, in ``form``. Writes ascend, so what goes too far is overwritten."""
    fn = module.function(name)
    source, target = fn.param(I32, "from"), fn.param(I32, "to")
    top, left, bottom, right = image.pads
    pixel, (_, width) = image.channels, image.padded
    splat = i16x8.splat if form.itemsize == WORDS.itemsize else i8x16.splat
    filler = fn.new(splat(x.zero_point), "filler")
    _fill(fn, target, top * width * pixel * form.itemsize, filler)
    with fn.counted(image.height, name="row"):
        _fill(fn, target, left * pixel * form.itemsize, filler)
        _copy_row(fn, source, target, image.width * pixel, x, form)
        _fill(fn, target, right * pixel * form.itemsize, filler)
    _fill(fn, target, bottom * width * pixel * form.itemsize, filler)
    return fn


def _fill(fn: Function, target: Local, nbytes: int, filler: Local) -> None:
    """``nbytes`` (rounded up to 16 in memory); ``target`` moves by as many."""
    vectors = -(-nbytes // 16)
    if vectors == 1:
        fn.do(v128.store(target, filler))
        fn.advance(target, nbytes)
    elif vectors:
        with fn.pointer_loop(target, vectors, 16, name="fill"):
            fn.do(v128.store(target, filler))
        fn.advance(target, nbytes - 16 * vectors)


def _copy_row(fn: Function, source: Local, target: Local, count: int, x: Quant, form: Format) -> None:
    """``count`` elements (rounded up to 8 or 16 in memory); both pointers move by ``count`` elements."""

    def elements(number: int) -> None:
        if form is WORDS:
            widen(fn, source, target, 0, number, signed=x.dtype is DType.INT8)
        else:
            fn.do(v128.store(target, v128.load(source)))

    turns, rest = divmod(count, WIDENED)
    if turns:
        with fn.pointer_loop(source, turns, WIDENED, name="copy"):
            elements(WIDENED)
            fn.advance(target, WIDENED * form.itemsize)
    if rest:
        elements(rest)
        fn.advance(source, rest)
        fn.advance(target, rest * form.itemsize)


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


def call_widen(fn: Function, widener: Function, source: Operand, target: Operand, elements: int) -> None:
    """Widen ``elements``, rounded up to 16."""
    fn.do(fn.call(widener, source, target, -(-elements // WIDENED)))
