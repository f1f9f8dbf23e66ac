"""What happens to sums before they are stored: the residual's addend, the activation, and stores of a few lanes."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.wasm.kernels.f32.packing import F32_BYTES, LANES
from compiler.wasm.math.activation import activation
from compiler.wasm.specs import Activation
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, v128
from wasm_emit.types import Expr


@dataclass(frozen=True, kw_only=True)
class Epilogue:
    """``residual``: a tensor of the output's shape is added; then ``activation`` follows."""

    activation: Activation
    residual: bool = False

    @property
    def key(self) -> str:
        """Equal for epilogues that give the same code."""
        return f"{self.activation.kind}:{self.activation.a!r}:{self.activation.b!r}:{self.residual}"

    def finish(self, fn: Function, total: Expr, residual: Local | None, offset: int) -> Expr:
        """The value to store at ``offset`` from the output's pointer; ``residual`` points alike."""
        if residual is not None and self.residual:
            total = f32x4.add(total, v128.load(residual, offset=offset))
        return activation(fn, self.activation, total)


def store_lanes(fn: Function, pointer: Local, value: Expr, offset: int, lanes: int) -> None:
    """Store the first ``lanes`` (1 to 4) values of a vector at ``pointer + offset`` and nothing else."""
    if lanes >= LANES:
        fn.do(v128.store(pointer, value, offset=offset))
        return
    held = fn.new(value, "part")
    if lanes >= 2:  # noqa: PLR2004 - half a vector
        fn.do(v128.store64_lane(pointer, held, 0, offset=offset))
    if lanes % 2:
        fn.do(v128.store32_lane(pointer, held, lanes - 1, offset=offset + (lanes - 1) * F32_BYTES))
