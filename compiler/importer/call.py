"""A node while it is read: its place among the names around it, and what is known of its inputs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import onnx
from numpy.typing import NDArray

from compiler.advice import ANOTHER_RUNTIME
from compiler.importer.expansion import Expansion
from compiler.importer.values import Values
from compiler.ir.graph import Attribute, IrGraph, Node, ValueType
from edge_bundle.errors import CompileError, UnsupportedOperatorError


@dataclass(kw_only=True)
class Scope:
    """The names of one graph or function body.

    ``names`` maps a name in it to the value it stands for; bodies see those of ``parent`` too. ``wanted`` gives the
    names that values should get, ``prefix`` stands before all others. ``nodes`` collects what has been read.
    """

    values: Values
    opsets: Mapping[str, int]
    stage: str
    nodes: list[Node]
    names: dict[str, str] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)
    parent: Scope | None = None
    prefix: str = ""
    depth: int = 0

    def find(self, name: str) -> str | None:
        """The value that a name stands for."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.parent
        return None

    def version(self, domain: str) -> int:
        """The version of an operator set; 0 if the model does not ask for it."""
        return self.opsets.get(domain, 0)

    def define(self, name: str, kind: ValueType) -> str:
        """A new value for a name."""
        return self.stand_for(name, self.values.add(self.wanted.get(name) or self.prefix + name, kind))

    def define_constant(self, name: str, array: NDArray[Any]) -> str:
        """A new constant for a name."""
        return self.stand_for(name, self.values.add_constant(self.wanted.get(name) or self.prefix + name, array))

    def stand_for(self, name: str, value: str) -> str:
        """Let a name stand for a value; gives the value.

        Raises:
            CompileError: the name stands for one already (IR.md: "single static assignment").

        """
        if name in self.names:
            raise CompileError(stage=self.stage, detail=f"expected one definition of {name!r}, got two")
        self.names[name] = value
        return value


@dataclass(frozen=True, kw_only=True)
class Call:
    """A node with its inputs looked up. ``inputs`` are values, ``""`` where one is left out."""

    proto: onnx.NodeProto
    scope: Scope
    name: str
    inputs: tuple[str, ...]
    attrs: Mapping[str, Attribute]

    @property
    def op(self) -> str:
        """The operator."""
        return str(self.proto.op_type)

    @property
    def version(self) -> int:
        """The operator set that it belongs to."""
        return self.scope.version(self.proto.domain)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names in the scope, ``""`` where one is left out."""
        return tuple(self.proto.output)

    def input(self, index: int) -> str:
        """The value at that place, ``""`` if it is left out."""
        return self.inputs[index] if index < len(self.inputs) else ""

    def type_of(self, index: int) -> ValueType:
        """The type of an input. Raises ``CompileError`` if it is left out."""
        if not self.input(index):
            raise self.fault(f"expected an input {index}, got none")
        return self.scope.values.types[self.input(index)]

    def constant(self, index: int) -> NDArray[Any] | None:
        """An input's value, ``None`` if it is not known or left out."""
        return self.scope.values.constants.get(self.input(index))

    def give(self, index: int, value: str) -> None:
        """Let an output stand for a value that exists."""
        if index < len(self.outputs) and self.outputs[index]:
            self.scope.stand_for(self.outputs[index], value)

    def give_constant(self, index: int, array: NDArray[Any]) -> None:
        """Let an output be a constant."""
        if index < len(self.outputs) and self.outputs[index]:
            self.scope.define_constant(self.outputs[index], np.asarray(array))

    def refuse(self, reason: str, *, advice: str = "") -> UnsupportedOperatorError:
        """The error for a use of the operator that is not covered; without ``advice`` it gives what always helps."""
        return UnsupportedOperatorError(
            operator=self.op, node=self.name, reason=reason, stage=self.scope.stage, advice=advice or ANOTHER_RUNTIME
        )

    def fault(self, detail: str, *, advice: str = "") -> CompileError:
        """The error for a node that the model has wrong."""
        return CompileError(stage=self.scope.stage, node=self.name, operator=self.op, detail=detail, advice=advice)


class NodeReader(Protocol):
    """What reads nodes: rules of operators with bodies come back to it."""

    def read_all(self, nodes: Iterable[onnx.NodeProto], scope: Scope) -> None:
        """Read nodes into a scope, in order."""

    def expand(self, call: Call, made: Expansion, inputs: Sequence[str] | None = None) -> None:
        """Read nodes in the place of a node; their inputs are its own, or the values given."""


def keep(call: Call, types: Mapping[int, ValueType], bodies: Mapping[str, IrGraph] | None = None) -> None:
    """Make the node one of the graph's."""
    scope = call.scope
    outputs = tuple(scope.define(name, types[index]) if name else "" for index, name in enumerate(call.outputs))
    scope.nodes.append(
        Node(
            op=call.op,
            name=scope.values.node_name(call.name),
            inputs=call.inputs,
            outputs=outputs,
            attrs=call.attrs,
            bodies=bodies or {},
        )
    )
