"""Arguments of a node that must be known when it is lowered: constant inputs, axes, attributes with their defaults."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.ops.rule import Scope, refuse


def known(node: Node, scope: Scope, index: int, what: str) -> NDArray[Any] | None:
    """The constant at that input; ``None`` when the input is left out.

    Raises ``UnsupportedOperatorError`` when the input is data: ``what`` names it.
    """
    name = node.input(index)
    if not name:
        return None
    array = scope.constant(name)
    if array is None:
        raise refuse(node, f"{what} must be a constant", advice=f"fold or bind {name!r} before the compile")
    return array


def known_ints(node: Node, scope: Scope, index: int, what: str) -> tuple[int, ...] | None:
    """Such an input as integers: a scalar gives one. Older operator versions have an attribute ``what`` instead."""
    array = known(node, scope, index, what)
    if array is not None:
        return tuple(int(value) for value in np.ravel(array))
    attribute = node.attrs.get(what)
    if attribute is None or isinstance(attribute, int):
        return None if attribute is None else (attribute,)
    return tuple(int(value) for value in attribute)


def axis_of(node: Node, rank: int, default: int = 0, *, name: str = "axis") -> int:
    """An axis attribute, counted from the front."""
    return int(node.attrs.get(name, default)) % max(rank, 1)


def normal_axes(axes: Sequence[int] | None, rank: int) -> tuple[int, ...]:
    """Axes counted from the front; all of them if none are given."""
    return tuple(range(rank)) if axes is None else tuple(axis % rank for axis in axes)
