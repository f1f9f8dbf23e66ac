"""Products of two activations, batch by batch: [..., M, K] x [..., K, N], as attention has them."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.wasm.kernels.f32.epilogue import Epilogue
from compiler.wasm.kernels.f32.gemm import GemmShape, gemm_function
from compiler.wasm.kernels.f32.loops import countdown, repeated
from compiler.wasm.kernels.f32.packing import Panels
from compiler.wasm.kernels.f32.tiles import Tile
from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES, VECTOR_BYTES
from compiler.wasm.specs import Activation
from wasm_emit.function import Function, Local
from wasm_emit.instructions import v128
from wasm_emit.module import Module
from wasm_emit.types import I32

PACKED_ROWS = 5
"""From this many rows on, the second matrix is packed first: the copy costs as much as two rows."""


@dataclass(frozen=True, slots=True)
class MatmulShape:
    """``batches`` products; an operand with ``a_batched`` or ``b_batched`` false is the same in all of them."""

    batches: int
    rows: int
    depth: int
    columns: int
    a_batched: bool
    b_batched: bool
    tile: Tile

    @property
    def key(self) -> str:
        """Equal for products that one function serves."""
        return f"matmul_f32:{self}"

    @property
    def packed(self) -> bool:
        """Whether the second matrix is copied into panels."""
        return self.rows >= PACKED_ROWS

    @property
    def panels(self) -> Panels:
        """How the second matrix is cut."""
        return Panels(self.columns, self.tile.width)

    @property
    def scratch(self) -> dict[str, int]:
        """Bytes of the area for panels."""
        return {"panels": self.depth * self.panels.padded * FLOAT_BYTES if self.packed else 0}


def matmul_function(module: Module, name: str, shape: MatmulShape) -> Function:
    """A function (a, b, panels, c) of addresses."""
    product = gemm_function(module, f"{name}_product", _product_shape(shape))
    fn = module.function(name)
    a, b, packed, c = (fn.param(I32, part) for part in ("a", "b", "panels", "c"))
    if shape.packed and not shape.b_batched:
        _pack(fn, shape, b, packed)
    a_step = shape.rows * shape.depth * FLOAT_BYTES if shape.a_batched else 0
    b_step = shape.depth * shape.columns * FLOAT_BYTES if shape.b_batched else 0
    with countdown(fn, shape.batches, name="batch"):
        if shape.packed and shape.b_batched:
            _pack(fn, shape, b, packed)
        fn.do(fn.call(product, a, packed if shape.packed else b, c))
        fn.advance(a, a_step)
        fn.advance(b, b_step)
        fn.advance(c, shape.rows * shape.columns * FLOAT_BYTES)
    return fn


def _product_shape(shape: MatmulShape) -> GemmShape:
    return GemmShape(
        rows=shape.rows,
        depth=shape.depth,
        columns=shape.columns,
        a_stride=shape.depth,
        c_stride=shape.columns,
        tile=shape.tile,
        epilogue=Epilogue(activation=Activation()),
        b_stride=0 if shape.packed else shape.columns,
        bias=False,
    )


def _pack(fn: Function, shape: MatmulShape, b: Local, packed: Local) -> None:
    """Copy the matrix at ``b`` into panels."""
    source, target = fn.new(b, "source"), fn.new(packed, "target")
    for width, turns in ((shape.panels.width, shape.panels.count), (shape.panels.tail_width, 1)):
        if not width or not turns:
            continue
        with repeated(fn, source, turns, width * FLOAT_BYTES, name="panel"):
            row = fn.new(source, "row")
            with repeated(fn, row, shape.depth, shape.columns * FLOAT_BYTES, name="k"):
                for v in range(width // FLOAT_LANES):
                    fn.do(v128.store(target, v128.load(row, offset=v * VECTOR_BYTES), offset=v * VECTOR_BYTES))
                fn.advance(target, width * FLOAT_BYTES)
