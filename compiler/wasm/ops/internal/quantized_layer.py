"""An integer layer: weights folded, sums bounded, results as they are stored; and what its kernels share.

A residual is added in a pass of its own over what was just stored (it is still in the first-level cache): fused into
the tile, its constants and pointers cost wasmtime half of the tile's speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.int8 import binary, packing, widen
from compiler.wasm.kernels.int8.add import Addition, find_addition
from compiler.wasm.kernels.int8.image import Image
from compiler.wasm.kernels.int8.packing import SEVEN_BITS, WORDS, Format
from compiler.wasm.kernels.int8.requantize import Stored, stored_as
from compiler.wasm.numerics.rounding import EXACT
from compiler.wasm.ops.rule import Scope, refuse
from compiler.wasm.specs import QConv2d, QGemm, QResidual, Quant
from compiler.wasm.step import Step, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function
from wasm_emit.types import Operand

MAX_RELAXED = 127
"""Largest stored activation that relaxed SIMD multiplies alike on every machine (7 bits)."""


@dataclass(frozen=True)
class Sum:
    """The QLinearAdd after a layer: its formula, and how the sum is stored. ``signed`` are own and other operand."""

    other: str
    addition: Addition
    signed: tuple[bool, bool]
    stored: Stored


@dataclass(frozen=True)
class Layer:
    """A convolution or matrix product. ``weights`` are [columns, ...]; ``stored`` is ``None`` for float32 results."""

    node: Node
    weights: NDArray[Any]
    sums: packing.Sums
    scales: NDArray[np.float32]
    x: Quant
    stored: Stored | None
    residual: Sum | None
    flops: int
    relaxed: bool

    @property
    def form(self) -> Format:
        """How activations are multiplied."""
        return SEVEN_BITS if self.relaxed else WORDS

    @property
    def signed(self) -> bool:
        """Whether the activations are int8."""
        return self.x.dtype is DType.INT8

    @property
    def reads(self) -> tuple[str, ...]:
        """Values that the step reads."""
        return (self.node.input(0), *((self.residual.other,) if self.residual else ()))

    @property
    def itemsize(self) -> int:
        """Bytes of an output element."""
        return 4 if self.stored is None else 1

    @property
    def stored_key(self) -> str:
        """The output's part of a shared function's name."""
        return "f32" if self.stored is None else self.stored.key

    def step(self, op: str, emit: Callable[[StepEmitter], None], packed: NDArray[np.int8],
             parameters: NDArray[np.int32], scratch: dict[str, int], form: Format = WORDS) -> Step:  # fmt: skip
        """The step of a kernel that takes weights ``w`` and parameters ``p``; ``init`` widens the weights for words."""
        wide = form is WORDS

        def init(e: StepEmitter) -> None:
            widen.call_widen(e.fn, widener(e, signed=True), e.constant("w"), e.expanded("w"), packed.size)

        return Step(
            name=self.node.name, op=op if wide else f"{op}_relaxed", reads=self.reads, writes=(self.node.output,),
            emit=emit, init=init if wide else None, constants={"w": packed, "p": parameters},
            expanded={"w": 2 * packed.size} if wide else {}, scratch=scratch, flops=self.flops,
        )  # fmt: skip

    def weights_at(self, e: StepEmitter) -> int:
        """Where the kernel finds its weights."""
        return e.constant("w") if self.relaxed else e.expanded("w")


def make_layer(
    node: Node, scope: Scope, weights: NDArray[Any], spec: QConv2d | QGemm, y: Quant | None, residual: QResidual | None
) -> Layer:
    """Fold, scale and prove.

    Raises:
        UnsupportedOperatorError: a sum may exceed 32 bits, or no exact formula for the residual's sum was found.

    """
    limits = spec.x_limits or spec.x.stored_range
    sums = packing.fold(weights, scope.constant(node.input(2)), spec.x, limits)
    if not sums.fits:
        raise refuse(node, "expected sums of at most 32 bits, got weights and a bias that can exceed them")
    scales = np.broadcast_to(packing.output_scales(spec.x, spec.w_scales, y), len(weights))
    stored = None if y is None else stored_as(y, spec.low, spec.high, bounded=sums.largest(scales) < EXACT)
    flops = 2 * weights.size // len(weights) * scope.type_of(node.output).size
    after = None if residual is None or y is None else _sum(node, spec, y, residual)
    seven_bits = spec.x.dtype is DType.UINT8 and max(limits[1], spec.x.zero_point) <= MAX_RELAXED
    return Layer(node, weights, sums, scales, spec.x, stored, after, flops, scope.options.relaxed and seven_bits)


def _sum(node: Node, spec: QConv2d | QGemm, y: Quant, residual: QResidual) -> Sum:
    addition = find_addition(y, residual.other, residual.y, (spec.low, spec.high))
    if addition is None:
        raise refuse(node, "expected scales whose sum can be computed exactly, got none of the known formulas right")
    stored = stored_as(residual.y, residual.low, residual.high, bounded=True)
    signed = (y.dtype is DType.INT8, residual.other.dtype is DType.INT8)
    return Sum(node.input(3), addition, signed, stored)


def add_residual(e: StepEmitter, layer: Layer, start: Operand, count: int) -> None:
    """The sum in place over ``count`` elements; what lies behind them is computed later, or slack."""
    what = layer.residual
    if what is None:
        return
    key = binary.addition_name(what.addition, what.signed, what.stored)
    kernel = e.shared(key, lambda m: binary.build_addition(m, key, what.addition, what.signed, what.stored))
    y = e.fn.new(start + e.at(layer.node.output), "y")
    e.fn.do(e.fn.call(kernel, y, start + e.at(what.other), y, -(-count // binary.TURN)))


def widener(e: StepEmitter, *, signed: bool) -> Function:
    """``build_widen``, once for the module."""
    key = f"qwiden/{'s' if signed else 'u'}"
    return e.shared(key, lambda module: widen.build_widen(module, key, signed=signed))


def padder(e: StepEmitter, layer: Layer, image: Image, form: Format) -> Function:
    """``build_pad`` for the layer's input, once for equal images."""
    key = f"qpad/{form.name}/{image.key}/{layer.x.zero_point}/{layer.signed}"
    return e.shared(key, lambda module: widen.build_pad(module, key, image, layer.x, form))
