"""Outputs get the names that the model gives them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from compiler.ir.free_name import free_name
from compiler.ir.graph import IrGraph, Node
from compiler.ir.rename import rename


def named_outputs(graph: IrGraph, values: Mapping[str, str]) -> IrGraph:
    """The graph with the outputs ``values`` (name -> the value that it stands for), each made by a node of its own.

    A value that a node makes is renamed to the first output that it stands for. Inputs, constants and values that stand
    for several outputs are copied by an ``Identity``; an input that is an output under its own name stays as it is.
    """
    made = graph.makers()
    names: dict[str, str] = {}
    for name, value in values.items():
        if value in made:
            names.setdefault(value, name)
    passed = {name for name, value in values.items() if name == value and name in graph.inputs}
    for name in values:  # whatever else has an output's name makes room
        if name in graph.types and name not in names and name not in passed:
            names[name] = free_name(name, {*graph.types, *names.values()})
    copies = {
        name: names.get(value, value)
        for name, value in values.items()
        if names.get(value) != name and name not in passed
    }
    return _with_copies(replace(rename(graph, names), outputs=tuple(values)), copies)


def _with_copies(graph: IrGraph, copies: Mapping[str, str]) -> IrGraph:
    """``copies`` maps a new value to the one that it copies."""
    labels = {node.name for node in graph.walk()}
    nodes, types = list(graph.nodes), dict(graph.types)
    for name, source in copies.items():
        types[name] = types[source]
        label = free_name(f"{name}/copy", labels)
        labels.add(label)
        nodes.append(Node(op="Identity", name=label, inputs=(source,), outputs=(name,)))
    return replace(graph, nodes=tuple(nodes), types=types)
