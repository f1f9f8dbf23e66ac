"""What a pass reads of quantized values: where the stored integers are, and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node, ValueType
from compiler.wasm.passes.activation import clip_bounds
from compiler.wasm.passes.draft import Draft
from compiler.wasm.specs import Quant
from edge_bundle.tensor import DType

BYTES = (DType.UINT8, DType.INT8)

_VIEWS = ("Reshape", "Transpose")


@dataclass(frozen=True)
class StoredValue:
    """A value of stored integers, one scale for all."""

    name: str
    quant: Quant


@dataclass(frozen=True)
class Wanted:
    """What a ``QuantizeLinear`` wants: ``value`` (what it reads, with clamps taken off) as ``quant``.

    ``low`` and ``high`` are the stored values that the clamps and the dtype leave.
    """

    value: str
    quant: Quant
    low: int
    high: int

    @property
    def whole(self) -> bool:
        """Whether no clamp narrows the dtype's range."""
        return (self.low, self.high) == self.quant.stored_range


def quant_of(draft: Draft, node: Node, dtype: DType) -> Quant | None:
    """Scale and zero point of a ``QuantizeLinear`` or ``DequantizeLinear`` of 8 bits with one known scale."""
    scale = draft.floats(node.input(1))
    zero = draft.constant(node.input(2)) if node.input(2) else np.zeros(1, dtype=np.uint8)
    if scale is None or zero is None or scale.size != 1 or zero.size != 1 or dtype not in BYTES:
        return None
    value = float(scale.reshape(-1)[0])
    return Quant(value, int(zero.reshape(-1)[0]), dtype) if np.isfinite(value) and value > 0 else None


def stored(draft: Draft, value: str) -> StoredValue | None:
    """The integers behind a float value; views and transposes between are made anew, of the integers."""
    node = draft.maker(value)
    if node is None:
        return None
    if node.op in _VIEWS and 0 not in draft.types[value].shape:
        inner = stored(draft, node.input(0))
        return None if inner is None else StoredValue(_moved(draft, node, inner), inner.quant)
    if node.op != "DequantizeLinear" or draft.types[value].dtype is not DType.FP32:
        return None
    quant = quant_of(draft, node, draft.types[node.input(0)].dtype)
    return None if quant is None else StoredValue(node.input(0), quant)


def _moved(draft: Draft, node: Node, source: StoredValue) -> str:
    """The view or transpose of the integers."""
    key, shape = f"{node.output}@stored", draft.types[node.output].shape
    array = draft.constant(source.name)
    if array is not None:
        moved = array.reshape(shape) if node.op == "Reshape" else array.transpose(node.attrs["perm"])
        return draft.held_constant(key, moved)
    kind = ValueType(source.quant.dtype, shape)
    inputs = (source.name, *node.inputs[1:])
    return draft.once(key, lambda: draft.add(node.op, inputs, draft.fresh(key), kind, **node.attrs))


def wanted(draft: Draft, node: Node) -> Wanted | None:
    """Read a ``QuantizeLinear``; ``Relu`` and ``Clip`` in front that nothing else reads become limits.

    Quantizing keeps order, so clamping stored values to the quantized bounds is the same as clamping before.
    """
    if node.op != "QuantizeLinear" or draft.types[node.input(0)].dtype is not DType.FP32:
        return None
    quant = quant_of(draft, node, draft.types[node.output].dtype)
    if quant is None:
        return None
    value, (low, high) = node.input(0), quant.stored_range
    while draft.only_use(value):
        maker = draft.maker(value)
        bounds = None if maker is None else _bounds(draft, maker)
        if maker is None or bounds is None:
            break
        first, last = (int(quantized(np.float32(bound), quant)) for bound in bounds)
        if max(low, first) > min(high, last) or bounds[0] > bounds[1]:
            break
        value, low, high = maker.input(0), max(low, first), min(high, last)
    return Wanted(value, quant, low, high)


def _bounds(draft: Draft, node: Node) -> tuple[float, float] | None:
    if node.op == "Relu":
        return 0.0, np.inf
    return clip_bounds(draft, node) if node.op == "Clip" else None


def quantized(real: NDArray[np.float32] | np.float32, quant: Quant) -> NDArray[np.int64]:
    """``QuantizeLinear``: divide in float32, round half to even, add the zero point, saturate."""
    low, high = quant.stored_range
    with np.errstate(over="ignore"):
        scaled = np.rint(np.asarray(real, dtype=np.float32) / np.float32(quant.scale)).astype(np.float64)
    kept: NDArray[np.int64] = np.clip(scaled + quant.zero_point, low, high).astype(np.int64)
    return kept


def dequantized(values: NDArray[np.int64], quant: Quant) -> NDArray[np.float32]:
    """``DequantizeLinear``."""
    reals: NDArray[np.float32] = (values - quant.zero_point).astype(np.float32) * np.float32(quant.scale)
    return reals
