"""Lower a graph: every node becomes the step that the op table gives for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from compiler.ir.graph import IrGraph, Node, ValueType
from compiler.wasm.ops.copies import constant_step
from compiler.wasm.ops.refused import NO_KERNEL, REASONS
from compiler.wasm.ops.rule import refuse
from compiler.wasm.ops.table import TABLE
from compiler.wasm.options import WasmOptions
from compiler.wasm.output_views import settle_views
from compiler.wasm.step import Step


@dataclass(frozen=True, kw_only=True)
class _Scope:
    """``Scope`` over one graph; constants of the graphs around it are seen too."""

    graph: IrGraph
    options: WasmOptions

    def type_of(self, value: str) -> ValueType:
        return self.graph.types[value]

    def constant(self, value: str) -> NDArray[Any] | None:
        return self.graph.constants.get(value)

    def lower_body(self, graph: IrGraph) -> tuple[Step, ...]:
        return tuple(lower_node(node, self) for node in graph.nodes)


def lower_graph(graph: IrGraph, options: WasmOptions) -> Sequence[Step]:
    """Steps in execution order.

    Raises:
        UnsupportedOperatorError: the table does not cover a node; names operator, node and reason.

    """
    scope = _Scope(graph=graph, options=options)
    stored = [constant_step(name, graph.constants[name]) for name in graph.outputs if name in graph.constants]
    steps = [*stored, *(lower_node(node, scope) for node in graph.nodes)]
    return settle_views(steps, graph.outputs, {*graph.inputs, *graph.constants}, graph.types)


def lower_node(node: Node, scope: _Scope) -> Step:
    """The step of one node."""
    rule = TABLE.get(node.op)
    if rule is None:
        raise refuse(node, REASONS.get(node.op, NO_KERNEL))
    first = next((name for name in node.inputs if name), "")
    if first and scope.type_of(first).dtype not in rule.dtypes:
        covered = ", ".join(sorted(dtype.value for dtype in rule.dtypes))
        raise refuse(node, f"expected {covered}, got {scope.type_of(first).dtype.value}")
    return rule.lower(node, scope)
