"""A weight tensor: a float constant, or a constant of integers behind a ``DequantizeLinear``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node, ValueType
from compiler.wasm.passes.draft import Draft
from edge_bundle.tensor import DType

Rearrange: TypeAlias = Callable[[NDArray[Any]], NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Integers with their quantization: ``scale`` and ``zero_point`` are of one element, or one per index of ``axis``.

    ``axis`` is -1 when there is one scale for all.
    """

    array: NDArray[Any] = field(repr=False)
    scale: NDArray[np.float32] = field(repr=False)
    zero_point: NDArray[Any] = field(repr=False)
    axis: int

    @property
    def real(self) -> NDArray[np.float32]:
        """The float values: ``(stored - zero_point) * scale`` in float32."""
        shape = [1] * self.array.ndim
        if self.axis >= 0:
            shape[self.axis] = -1
        shifted = self.array.astype(np.int64) - self.zero_point.astype(np.int64).reshape(shape)
        return shifted.astype(np.float32) * self.scale.reshape(shape)


def stored_constant(draft: Draft, value: str) -> Stored | None:
    """The integers behind a value, if a ``DequantizeLinear`` of constants makes it (blocked ones are not covered)."""
    node = draft.maker(value)
    if node is None or node.op != "DequantizeLinear":
        return None
    array, scale = draft.constant(node.input(0)), draft.floats(node.input(1))
    if array is None or scale is None or node.attrs.get("block_size", 0):
        return None
    zero_point = draft.constant(node.input(2)) if node.input(2) else np.zeros(scale.shape, array.dtype)
    if zero_point is None:
        return None
    axis = -1
    if scale.ndim == 1 and scale.size > 1:
        axis = int(node.attrs.get("axis", 1)) % array.ndim
    elif scale.size != 1:
        return None
    return Stored(array=array, scale=scale.reshape(-1), zero_point=zero_point.reshape(-1), axis=axis)


def is_weight(draft: Draft, value: str) -> bool:
    """Whether the value is a float constant or dequantized constant integers."""
    return draft.floats(value) is not None or stored_constant(draft, value) is not None


def rearranged(draft: Draft, value: str, change: Rearrange, output: str, *, axis: int | None = None) -> str:
    """The weight with ``change`` (a reshape or transpose) applied to its array; a dequantizing node is made anew.

    ``axis`` is where the axis of per-channel scales goes; ``None`` leaves it.
    """
    array = draft.floats(value)
    if array is not None:
        return draft.new_constant(output, change(array))
    stored = stored_constant(draft, value)
    old = draft.maker(value)
    if stored is None or old is None:
        raise ValueError(f"expected {value!r} to be a weight")
    changed = change(stored.array)
    name = draft.new_constant(f"{output}/stored", changed)
    return _dequantize(draft, replace(old, inputs=(name, *old.inputs[1:])), output, changed.shape, axis)


def _dequantize(draft: Draft, node: Node, output: str, shape: tuple[int, ...], axis: int | None) -> str:
    attrs = dict(node.attrs) | ({} if axis is None else {"axis": axis})
    return draft.add("DequantizeLinear", node.inputs, draft.fresh(output), ValueType(DType.FP32, shape), **attrs)
