"""One entry of the op table: how an operator becomes a step, and what it covers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from numpy.typing import NDArray

from compiler.advice import ANOTHER_RUNTIME
from compiler.ir.graph import IrGraph, Node, ValueType
from compiler.wasm.options import WasmOptions
from compiler.wasm.step import Step
from edge_bundle.errors import UnsupportedOperatorError
from edge_bundle.tensor import DType


class Scope(Protocol):
    """What a lowering may ask about the graph around its node."""

    @property
    def options(self) -> WasmOptions:
        """Choices of the compile."""

    def type_of(self, value: str) -> ValueType:
        """Dtype and shape."""

    def constant(self, value: str) -> NDArray[Any] | None:
        """The value if it is known at compile time, else ``None`` (also for ``""``)."""

    def lower_body(self, graph: IrGraph) -> tuple[Step, ...]:
        """The steps of a branch or loop body."""


Lower: TypeAlias = Callable[[Node, Scope], Step]


@dataclass(frozen=True, kw_only=True)
class Rule:
    """How one operator is lowered.

    ``dtypes`` are those of its first input that are covered; ``note`` says what of the operator is not (for
    ``docs/wasm.md``).
    """

    lower: Lower
    dtypes: frozenset[DType]
    note: str = ""


Rules: TypeAlias = Mapping[str, Rule]


def refuse(node: Node, reason: str, *, advice: str = "") -> UnsupportedOperatorError:
    """Make the error for a node that the table does not cover, to be raised by the caller.

    Without ``advice`` it gives what always helps.
    """
    return UnsupportedOperatorError(operator=node.op, node=node.name, reason=reason, advice=advice or ANOTHER_RUNTIME)
