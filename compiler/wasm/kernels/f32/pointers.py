"""The addresses that a direct convolution works with."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.wasm.kernels.f32.epilogue import Epilogue
from wasm_emit.function import Function, Local
from wasm_emit.types import I32


@dataclass(frozen=True, slots=True)
class Pointers:
    """Input, weights, bias, residual (if one is added) and output, each where the work stands."""

    x: Local
    w: Local
    bias: Local
    residual: Local | None
    out: Local

    def outputs(self) -> list[Local]:
        """Pointers that move with the output."""
        return [self.out] if self.residual is None else [self.out, self.residual]


def pointer_parameters(fn: Function, epilogue: Epilogue) -> Pointers:
    """The parameters (x, w, bias, [residual,] out) of a function."""
    return Pointers(
        x=fn.param(I32, "x"),
        w=fn.param(I32, "w"),
        bias=fn.param(I32, "bias"),
        residual=fn.param(I32, "residual") if epilogue.residual else None,
        out=fn.param(I32, "out"),
    )


def copied(fn: Function, pointer: Local | None) -> Local | None:
    """A copy of an optional pointer, to be moved on its own."""
    return None if pointer is None else fn.new(pointer, "res")
