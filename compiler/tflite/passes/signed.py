"""Pass ``signed``: activations and weights stored unsigned become signed ones; the same values, exactly.

Requires: a checked graph.
Ensures: no ``QuantizeLinear`` gives, and no ``DequantizeLinear`` of a constant reads, uint8 or uint16, where nothing
but ``DequantizeLinear`` reads the integers: stored values and zero points are lower by 128 or 32768.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.free_name import free_name
from compiler.ir.graph import IrGraph, Node, ValueType, constant_type
from compiler.ir.prune import prune
from edge_bundle.tensor import DType

NAME = "signed"

_SIGNED = {DType.UINT8: (DType.INT8, 128), DType.UINT16: (DType.INT16, 32768)}


def run(graph: IrGraph) -> IrGraph:
    """Shift what can be shifted."""
    changed = set(_shiftable(graph))
    types, constants = dict(graph.types), dict(graph.constants)
    for name in changed:
        types[name] = ValueType(_SIGNED[types[name].dtype][0], types[name].shape)
        if name in constants:
            constants[name] = _shifted(constants[name])
    nodes = []
    for node in graph.nodes:
        stored = node.output if node.op == "QuantizeLinear" else node.input(0)
        if node.op in ("QuantizeLinear", "DequantizeLinear") and stored in changed:
            zero = _shifted(graph.constants[node.input(2)]) if node.input(2) else None
            if zero is None:
                dtype, middle = _SIGNED[graph.types[stored].dtype]
                zero = np.full(graph.types[node.input(1)].shape, -middle, dtype.numpy_name)
            name = free_name(f"{stored}/zero", types)
            constants[name], types[name] = zero, constant_type(zero)
            nodes.append(_with_zero(node, name))
        else:
            nodes.append(node)
    return prune(replace(graph, nodes=tuple(nodes), types=types, constants=constants))


def _with_zero(node: Node, name: str) -> Node:
    attrs = {key: value for key, value in node.attrs.items() if key != "output_dtype"}
    return replace(node, inputs=(node.input(0), node.input(1), name), attrs=attrs)


def _shiftable(graph: IrGraph) -> Iterator[str]:
    users = graph.users()
    made = {node.output for node in graph.nodes if node.op == "QuantizeLinear"}
    for name in (*made, *graph.constants):
        readers = users.get(name, [])
        if graph.types[name].dtype not in _SIGNED or name in graph.outputs or not readers:
            continue
        if all(_reads_stored(graph, one, name) for one in readers):
            yield name


def _reads_stored(graph: IrGraph, node: Node, name: str) -> bool:
    """Whether the node dequantizes the value, with a known zero point."""
    if node.op != "DequantizeLinear" or node.input(0) != name or name in node.inputs[1:]:
        return False
    return not node.input(2) or node.input(2) in graph.constants


def _shifted(array: NDArray[Any]) -> NDArray[Any]:
    kind, middle = _SIGNED[constant_type(array).dtype]
    made: NDArray[Any] = np.asarray(array.astype(np.int64) - middle).astype(kind.numpy_name)
    made.flags.writeable = False
    return made
