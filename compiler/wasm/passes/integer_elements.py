"""Sums and products of two stored values, and pools of stored values."""

from __future__ import annotations

import numpy as np

from compiler.ir.graph import Node, ValueType
from compiler.wasm.kernels.int8.add import find_addition
from compiler.wasm.passes.draft import Draft
from compiler.wasm.passes.quantization import StoredValue, Wanted, quantized, stored
from compiler.wasm.passes.tables import clamped, requantized
from compiler.wasm.specs import Pool2d, PoolKind, QBinary, QPool

_BINARY = {"Add": "skerry.qadd", "Mul": "skerry.qmul"}


def binary(draft: Draft, node: Node, want: Wanted, output: str) -> str | None:
    """``skerry.qadd`` or ``skerry.qmul``; an operand that is repeated along a dimension is spread out first."""
    shape = draft.types[node.output].shape
    left, right = (_operand(draft, name, shape) for name in node.inputs)
    if left is None or right is None:
        return None
    if node.op == "Add" and find_addition(left.quant, right.quant, want.quant) is None:
        return None
    spec = QBinary(a=left.quant, b=right.quant, y=want.quant, low=want.low, high=want.high)
    kind = ValueType(want.quant.dtype, shape)
    return draft.take_over(node, _BINARY[node.op], (left.name, right.name), output, kind, spec=spec)


def _operand(draft: Draft, value: str, shape: tuple[int, ...]) -> StoredValue | None:
    found = stored(draft, value)
    if found is None or draft.types[value].shape == shape:
        return found
    array = draft.constant(found.name)
    name = f"{value}@wide{list(shape)}"
    if array is not None:
        return StoredValue(draft.held_constant(name, np.broadcast_to(array, shape)), found.quant)
    return StoredValue(draft.once(name, lambda: _spread(draft, found, shape, name)), found.quant)


def _spread(draft: Draft, found: StoredValue, shape: tuple[int, ...], name: str) -> str:
    output = draft.fresh(name)
    sizes = draft.new_constant(f"{output}/shape", np.array(shape, dtype=np.int64))
    return draft.add("Expand", (found.name, sizes), output, ValueType(found.quant.dtype, shape))


def pool(draft: Draft, node: Node, want: Wanted, output: str) -> str | None:
    """``skerry.qpool`` for a pool over windows; the maximum keeps order, so it is taken of the wanted values."""
    found = stored(draft, node.input(0))
    if found is None:
        return None
    spec: Pool2d = node.attrs["spec"]
    if spec.kind is PoolKind.MAX:
        return _maximum(draft, node, found, want, spec, output)
    return _average(draft, node, found, want, spec, output)


def global_pool(draft: Draft, node: Node, want: Wanted, output: str) -> str | None:
    """``skerry.qpool`` for a pool over all positions."""
    found = stored(draft, node.input(0))
    if found is None:
        return None
    if node.attrs["spec"].kind is PoolKind.AVERAGE:
        return _average(draft, node, found, want, None, output)
    shape = draft.types[node.input(0)].shape
    whole = Pool2d(kind=PoolKind.MAX, kernel=(shape[1], shape[2]), strides=(1, 1))
    return _maximum(draft, node, found, want, whole, output)


def _maximum(
    draft: Draft, node: Node, found: StoredValue, want: Wanted, spec: Pool2d, output: str
) -> str:  # fmt: skip
    source = requantized(draft, found, want, draft.fresh(f"{output}@values"))
    kind = ValueType(want.quant.dtype, draft.types[node.output].shape)
    attrs = QPool(pool=spec, x=want.quant, y=want.quant)
    return draft.take_over(node, "skerry.qpool", (source,), output, kind, spec=attrs)


def _average(
    draft: Draft, node: Node, found: StoredValue, want: Wanted, spec: Pool2d | None, output: str
) -> str:  # fmt: skip
    target = output if want.whole else draft.fresh(f"{output}@whole")
    kind = ValueType(want.quant.dtype, draft.types[node.output].shape)
    attrs = QPool(pool=spec, x=found.quant, y=want.quant)
    pooled = draft.take_over(node, "skerry.qpool", (found.name,), target, kind, spec=attrs)
    return pooled if want.whole else clamped(draft, pooled, want, output)


def padding(draft: Draft, value: str, want: Wanted, name: str) -> str | None:
    """The value that a ``Pad`` fills with, stored; ``None`` when it is not known."""
    real = draft.floats(value) if value else np.zeros((), dtype=np.float32)
    if real is None or real.size != 1:
        return None
    entry = np.clip(quantized(real.reshape(()), want.quant), want.low, want.high)
    return draft.new_constant(name, entry.astype(want.quant.dtype.numpy_name))
