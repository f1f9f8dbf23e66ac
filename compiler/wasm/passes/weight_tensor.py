"""A weight tensor: a float constant, or a constant of integers behind a ``DequantizeLinear``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeAlias

from numpy.typing import NDArray

from compiler.ir.graph import Node, ValueType
from compiler.ir.stored_constant import stored_constant
from compiler.wasm.passes.draft import Draft
from edge_bundle.tensor import DType

Rearrange: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]


def is_weight(draft: Draft, value: str) -> bool:
    """Whether the value is a float constant or dequantized constant integers."""
    return draft.floats(value) is not None or stored_constant(draft.maker(value), draft.constant) is not None


def rearranged(draft: Draft, value: str, change: Rearrange, output: str, *, axis: int | None = None) -> str:
    """The weight with ``change`` (a reshape or transpose) applied to its array; a dequantizing node is made anew.

    ``axis`` is where the axis of per-channel scales goes; ``None`` leaves it.
    """
    array = draft.floats(value)
    if array is not None:
        return draft.new_constant(output, change(array))
    stored = stored_constant(draft.maker(value), draft.constant)
    old = draft.maker(value)
    if stored is None or old is None:
        raise ValueError(f"expected {value!r} to be a weight")
    changed = change(stored.array)
    name = draft.new_constant(f"{output}/stored", changed)
    return _dequantize(draft, replace(old, inputs=(name, *old.inputs[1:])), output, changed.shape, axis)


def _dequantize(draft: Draft, node: Node, output: str, shape: tuple[int, ...], axis: int | None) -> str:
    attrs = dict(node.attrs) | ({} if axis is None else {"axis": axis})
    return draft.add("DequantizeLinear", node.inputs, draft.fresh(output), ValueType(DType.FP32, shape), **attrs)
