"""Convolutions and matrix products of stored values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node, ValueType
from compiler.ir.stored_constant import StoredConstant, stored_constant
from compiler.wasm.kernels.int8.packing import fold
from compiler.wasm.passes.draft import Draft, float_type
from compiler.wasm.passes.quantization import StoredValue, Wanted, stored
from compiler.wasm.specs import ActivationKind, QConv2d, QGemm, Quant

SCALE_TOLERANCE = 1e-4
"""How far a bias's scale may lie from input scale times weight scale; tools round the product to float32 once."""

_MIDDLE = 128
"""The zero point of uint8 weights that are int8 ones in disguise."""


def convolution(draft: Draft, node: Node, want: Wanted, output: str) -> str | None:
    """``skerry.qconv2d`` for a ``skerry.conv2d`` of dequantized operands."""
    found = _operands(draft, node, axis=0)
    if found is None:
        return None
    x, inputs, scales = found
    spec = QConv2d(
        conv=node.attrs["spec"], x=x.quant, w_scales=scales, y=want.quant, low=want.low, high=want.high
    )  # fmt: skip
    return draft.take_over(node, "skerry.qconv2d", (*inputs, ""), output, _type(draft, node, want.quant), spec=spec)


def product(draft: Draft, node: Node, want: Wanted | None, output: str) -> str | None:
    """``skerry.qgemm`` for a ``skerry.gemm`` of dequantized operands; float32 without ``want``."""
    found = _operands(draft, node, axis=1)
    if found is None:
        return None
    x, inputs, scales = found
    if want is None:
        spec = QGemm(x=x.quant, w_scales=scales, y=None, low=0, high=0)
        return draft.take_over(
            node, "skerry.qgemm", inputs, output, float_type(draft.types[node.output].shape), spec=spec
        )
    spec = QGemm(x=x.quant, w_scales=scales, y=want.quant, low=want.low, high=want.high)
    return draft.take_over(node, "skerry.qgemm", inputs, output, _type(draft, node, want.quant), spec=spec)


def _type(draft: Draft, node: Node, quant: Quant) -> ValueType:
    return ValueType(quant.dtype, draft.types[node.output].shape)


def _operands(
    draft: Draft, node: Node, *, axis: int
) -> tuple[StoredValue, tuple[str, str, str], NDArray[np.float32]] | None:
    """The stored input, all inputs of the integer node, and one weight scale per output channel."""
    if node.attrs["spec"].activation.kind is not ActivationKind.NONE or node.input(3):
        return None
    x, weights = stored(draft, node.input(0)), stored_constant(draft.maker(node.input(1)), draft.constant)
    if x is None or weights is None or draft.constant(x.name) is not None:
        return None
    signed = _signed(weights)
    if signed is None or weights.axis not in (-1, axis):
        return None
    scales = np.broadcast_to(weights.scale, (signed.shape[axis],)).astype(np.float32)
    bias = _bias(draft, node.input(2), np.float32(x.quant.scale) * scales)
    if bias is None:
        return None
    columns_first = signed if axis == 0 else signed.T
    if not fold(columns_first, draft.constant(bias), x.quant, x.quant.stored_range).fits:
        return None
    return x, (x.name, draft.held_constant(f"{node.input(1)}/s8", signed), bias), scales


def _signed(weights: StoredConstant) -> NDArray[np.int8] | None:
    """The weights as int8 with zero point 0."""
    if weights.array.dtype == np.int8 and not weights.zero_point.any():
        return weights.array
    if weights.array.dtype == np.uint8 and (weights.zero_point == _MIDDLE).all():
        return (weights.array.astype(np.int16) - _MIDDLE).astype(np.int8)
    return None


def _bias(draft: Draft, value: str, scales: NDArray[np.float32]) -> str | None:
    """The int32 bias: ``""`` if there is none, ``None`` if it is none that adds to the integer sums as it is."""
    if not value:
        return ""
    bias = stored_constant(draft.maker(value), draft.constant)
    if bias is None or bias.array.dtype != np.int32 or bias.zero_point.any() or bias.array.size != scales.size:
        return None
    if not np.allclose(np.broadcast_to(bias.scale, scales.shape), scales, rtol=SCALE_TOLERANCE, atol=0):
        return None
    return draft.held_constant(f"{value}/s32", bias.array.ravel())
