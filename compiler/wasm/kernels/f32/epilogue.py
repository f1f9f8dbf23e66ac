"""What happens to sums before they are stored: the residual's addend, the activation, and stores of a few lanes."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TypeAlias

from compiler.wasm.math.activation import activation
from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES
from compiler.wasm.specs import Activation, ActivationKind
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, i32x4, v128
from wasm_emit.types import Expr

Limits: TypeAlias = tuple[Local, Local]
"""Low and high of a clip, as vectors."""


@dataclass(frozen=True, kw_only=True)
class Epilogue:
    """``residual``: a tensor of the output's shape is added; then ``activation`` follows."""

    activation: Activation
    residual: bool = False

    @property
    def key(self) -> str:
        """Equal for epilogues that give the same code."""
        return f"{self.activation.kind}:{self.activation.a!r}:{self.activation.b!r}:{self.residual}"

    def limits(self, fn: Function, zero: Local | None) -> Limits | None:
        """Vectors of a clip's low and high, for ``finish``; ``zero`` is an i32 that a loop has just counted down to 0.

        As constants they would be lifted out of the loops around the tile, and Node 20 then spills in the innermost
        loop, where all registers are taken (20 % slower). Nobody knows that ``zero`` is 0.
        """
        if zero is None or self.activation.kind is not ActivationKind.CLIP:
            return None
        bits = struct.unpack("<2i", struct.pack("<2f", self.activation.a, self.activation.b))
        return fn.new(i32x4.splat(zero + bits[0]), "low"), fn.new(i32x4.splat(zero + bits[1]), "high")

    def finish(
        self, fn: Function, total: Expr, residual: Local | None, offset: int, limits: Limits | None = None
    ) -> Expr:
        """The value to store at ``offset`` from the output's pointer; ``residual`` points alike."""
        if residual is not None and self.residual:
            total = f32x4.add(total, v128.load(residual, offset=offset))
        if limits is not None:
            return f32x4.pmin(f32x4.pmax(total, limits[0]), limits[1])
        return activation(fn, self.activation, total)


def store_lanes(fn: Function, pointer: Local, value: Expr, offset: int, lanes: int) -> None:
    """Store the first ``lanes`` (1 to 4) values of a vector at ``pointer + offset`` and nothing else."""
    if lanes >= FLOAT_LANES:
        fn.do(v128.store(pointer, value, offset=offset))
        return
    held = fn.new(value, "part")
    if lanes >= 2:  # noqa: PLR2004 - half a vector
        fn.do(v128.store64_lane(pointer, held, 0, offset=offset))
    if lanes % 2:
        fn.do(v128.store32_lane(pointer, held, lanes - 1, offset=offset + (lanes - 1) * FLOAT_BYTES))
