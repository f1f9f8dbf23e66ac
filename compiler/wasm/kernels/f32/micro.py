"""The innermost code of matrix products: a tile of sums in registers, one step along K at a time.

Every sum starts with the bias and adds ``a[k] * b[k]`` for k = 0, 1, 2, ...: whatever the tile, an output element's
additions come in the same order, so its bits depend neither on the batch nor on where tiles begin.
"""

from __future__ import annotations

from collections.abc import Sequence

from compiler.wasm.kernels.f32.epilogue import Epilogue, store_lanes
from compiler.wasm.kernels.f32.packing import F32_BYTES, LANES
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, v128
from wasm_emit.types import V128

VECTOR_BYTES = 16


class Sums:
    """``rows`` x ``width`` sums in locals of ``fn``."""

    def __init__(self, fn: Function, rows: int, width: int) -> None:
        self.fn, self.rows, self.width = fn, rows, width
        self.vectors = width // LANES
        self.acc = [fn.locals(V128, "acc", self.vectors) for _ in range(rows)]
        self._b = fn.locals(V128, "b", self.vectors)
        self._a = fn.local(V128, "a")

    def start(self, bias: Local) -> None:
        """Every row begins with the bias."""
        for v in range(self.vectors):
            self.fn.set(self.acc[0][v], v128.load(bias, offset=v * VECTOR_BYTES))
        for row in self.acc[1:]:
            for v in range(self.vectors):
                self.fn.set(row[v], self.acc[0][v])

    def step(self, a: Local, b: Local, row_bytes: int, *, k: int = 0) -> None:
        """Add ``a[row][k] * b[k]``; ``a`` and ``b`` point to step 0 of the loop's turn."""
        fn = self.fn
        for v in range(self.vectors):
            fn.set(self._b[v], v128.load(b, offset=(k * self.vectors + v) * VECTOR_BYTES))
        for r, row in enumerate(self.acc):
            fn.set(self._a, v128.load32_splat(a, offset=r * row_bytes + k * F32_BYTES))
            for v in range(self.vectors):
                fn.set(row[v], f32x4.add(row[v], f32x4.mul(self._a, self._b[v])))

    def run(self, a: Local, b: Local, row_bytes: int, depth: int) -> None:
        """Add ``depth`` products; moves ``a`` and ``b`` behind what was read."""
        with self.fn.pointer_loop(a, depth, F32_BYTES, name="k"):
            self.step(a, b, row_bytes)
            self.fn.advance(b, self.vectors * VECTOR_BYTES)

    def finish(self, epilogue: Epilogue, out: Local, residual: Local | None, row_bytes: int, valid: int) -> None:
        """Store the first ``valid`` columns of every row at ``out``, rows ``row_bytes`` apart."""
        for r, row in enumerate(self.acc):
            for v, lanes in enumerate(lanes_of(valid)):
                offset = r * row_bytes + v * VECTOR_BYTES
                store_lanes(self.fn, out, epilogue.finish(self.fn, row[v], residual, offset), offset, lanes)


def lanes_of(columns: int) -> Sequence[int]:
    """Valid lanes of each vector that ``columns`` values fill."""
    return [min(LANES, columns - first) for first in range(0, columns, LANES)]
