"""What happens to sums before they are stored: the residual's addend, the activation, and stores of a few lanes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compiler.wasm.kernels.f32.packing import F32_BYTES, LANES
from compiler.wasm.specs import Activation, ActivationKind
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, v128, v128_const
from wasm_emit.types import EmitError, Expr

Apply = Callable[[Function, Expr], Expr]
"""Adds code that turns a vector into its activation."""


COVERED = frozenset(ActivationKind) - {ActivationKind.SIGMOID, ActivationKind.TANH, ActivationKind.SILU}
"""Activations that kernels can fuse."""


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
        return apply_activation(fn, self.activation, total)


def apply_activation(fn: Function, activation: Activation, value: Expr) -> Expr:
    """The activation of a vector of float32. A NaN stays a NaN (``pmax(a, b)`` is ``a < b ? b : a``)."""
    match activation.kind:
        case ActivationKind.NONE:
            return value
        case ActivationKind.RELU:
            return f32x4.pmax(value, v128_const("f32x4", 0.0))
        case ActivationKind.CLIP:
            low, high = v128_const("f32x4", activation.a), v128_const("f32x4", activation.b)
            return f32x4.pmin(f32x4.pmax(value, low), high)
        case ActivationKind.LEAKY_RELU:
            held = fn.new(value, "x")
            negative = f32x4.mul(held, v128_const("f32x4", activation.a))
            return v128.bitselect(negative, held, f32x4.lt(held, v128_const("f32x4", 0.0)))
        case ActivationKind.HARD_SIGMOID | ActivationKind.HARD_SWISH:
            held = fn.new(value, "x")
            gate = _hard_sigmoid(activation, held)
            return gate if activation.kind is ActivationKind.HARD_SIGMOID else f32x4.mul(held, gate)
        case _:
            raise EmitError(f"expected an activation of COVERED, got {activation.kind}")


def _hard_sigmoid(activation: Activation, value: Expr) -> Expr:
    """``clip(alpha * x + beta, 0, 1)``; HardSwish's alpha and beta are 1/6 and 1/2 (ONNX operator reference)."""
    swish = activation.kind is ActivationKind.HARD_SWISH
    alpha, beta = (1 / 6, 0.5) if swish else (activation.a, activation.b)
    line = f32x4.add(f32x4.mul(value, v128_const("f32x4", alpha)), v128_const("f32x4", beta))
    return f32x4.pmin(f32x4.pmax(line, v128_const("f32x4", 0.0)), v128_const("f32x4", 1.0))


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
