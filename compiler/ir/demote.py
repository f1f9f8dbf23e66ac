"""float64 becomes float32 inside a graph; WebAssembly's vectors hold two of the one and four of the other.

Requires the grammar and outputs that nodes make. Ensures that no value but an input or output is float64: these keep
their dtype, and a ``Cast`` stands behind such an input and before such an output. Results are those of float32: about
7 digits, largest finite value 3.4e38; a constant beyond that becomes infinite.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.free_name import free_name
from compiler.ir.graph import Attribute, IrGraph, Node, ValueType
from compiler.ir.rename import rename, renamed_nodes
from edge_bundle.tensor import DType

_FLOAT, _DOUBLE = 1, 11
"""``TensorProto.DataType``, as attributes have it."""

_DTYPE_ATTRIBUTES = frozenset({"dtype", "output_datatype", "output_dtype", "precision", "stash_type", "to"})
"""Attributes whose value is a dtype."""


def demote_float64(graph: IrGraph) -> IrGraph:
    """The graph with float32 wherever it had float64, but for the dtypes of its inputs and outputs."""
    if not any(kind.dtype is DType.FP64 for kind in graph.types.values()):
        return graph
    ends = [name for name in dict.fromkeys((*graph.inputs, *graph.outputs)) if graph.types[name].dtype is DType.FP64]
    inner = {name: free_name(f"{name}/f32", graph.types) for name in ends}
    outer = {name: graph.types[name] for name in ends}
    renamed = rename(graph, inner)
    made = replace(
        renamed,
        nodes=_demoted_nodes(renamed.nodes),
        types={name: _single(kind) for name, kind in renamed.types.items()} | outer,
        constants={name: _single_array(array) for name, array in renamed.constants.items()},
    )
    return _without_empty_casts(_with_casts(made, inner))


def _with_casts(graph: IrGraph, inner: Mapping[str, str]) -> IrGraph:
    labels = {node.name for node in graph.walk()}

    def cast(source: str, target: str, code: int) -> Node:
        label = free_name(f"{target}/cast", labels)
        labels.add(label)
        return Node(op="Cast", name=label, inputs=(source,), outputs=(target,), attrs={"to": code})

    entry = [cast(name, inner[name], _FLOAT) for name in graph.inputs if name in inner]
    leave = [cast(inner[name], name, _DOUBLE) for name in graph.outputs if name in inner and name not in graph.inputs]
    return replace(graph, nodes=(*entry, *graph.nodes, *leave))


def _without_empty_casts(graph: IrGraph) -> IrGraph:
    """A Cast between equal dtypes is nothing, or an ``Identity`` if it makes an output."""
    return replace(graph, nodes=_uncast(graph.nodes, graph.types, set(graph.outputs), {}))


def _uncast(
    nodes: tuple[Node, ...], types: Mapping[str, ValueType], outputs: set[str], aliases: dict[str, str]
) -> tuple[Node, ...]:
    kept: list[Node] = []
    for old in nodes:
        (node,) = renamed_nodes((replace(old, bodies={}),), aliases)
        bodies = {}
        for key, body in old.bodies.items():
            inner = _uncast(body.nodes, types, outputs, aliases)
            bodies[key] = replace(body, nodes=inner, outputs=tuple(aliases.get(name, name) for name in body.outputs))
        if node.op == "Cast" and types[node.input(0)].dtype is types[node.output].dtype:
            if node.output not in outputs:
                aliases[node.output] = node.input(0)
                continue
            node = replace(node, op="Identity", attrs={})
        kept.append(replace(node, bodies=bodies))
    return tuple(kept)


def _demoted_nodes(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    return tuple(
        replace(
            node,
            attrs={name: _attribute(name, value) for name, value in node.attrs.items()},
            bodies={key: replace(body, nodes=_demoted_nodes(body.nodes)) for key, body in node.bodies.items()},
        )
        for node in nodes
    )


def _attribute(name: str, value: Attribute) -> Attribute:
    if name in _DTYPE_ATTRIBUTES and value == _DOUBLE:
        return _FLOAT
    return _single_array(value) if isinstance(value, np.ndarray) else value


def _single(kind: ValueType) -> ValueType:
    return ValueType(DType.FP32, kind.shape) if kind.dtype is DType.FP64 else kind


def _single_array(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype != np.float64:
        return array
    with np.errstate(over="ignore"):
        made = array.astype(np.float32)
    made.flags.writeable = False
    return made
