"""The checker of the IR grammar: runs after every pass."""

from __future__ import annotations

from compiler.ir.graph import IrGraph, Node, constant_type
from edge_bundle.errors import CompileError


def check_graph(graph: IrGraph, *, stage: str) -> None:
    """Hold a graph against the grammar of ``compiler/ir/graph.py``.

    Raises:
        CompileError: names the stage, the node, and the rule that is broken.

    """
    for name, array in graph.constants.items():
        if constant_type(array) != graph.types.get(name):
            raise _broken(stage, "", f"constant {name!r}: expected {graph.types.get(name)}, got {constant_type(array)}")
    names: set[str] = set()
    _check(graph, {*graph.inputs, *graph.constants}, names, graph, stage)


def _check(graph: IrGraph, defined: set[str], node_names: set[str], root: IrGraph, stage: str) -> None:
    known = set(defined)
    for node in graph.nodes:
        if node.name in node_names or not node.name:
            raise _broken(stage, node.name, "expected a node name that no other node has")
        node_names.add(node.name)
        _check_reads(node, known, stage)
        for body in node.bodies.values():
            _check(body, known | set(body.inputs) | set(body.constants), node_names, root, stage)
        for name in filter(None, node.outputs):
            if name in known:
                raise _broken(stage, node.name, f"output {name!r}: expected a new value, got one defined before")
            known.add(name)
    for name in known - defined | set(graph.inputs):
        kind = root.types.get(name)
        if kind is None or any(size < 0 for size in kind.shape):
            raise _broken(stage, "", f"value {name!r}: expected a static type, got {kind}")
    for name in graph.outputs:
        if name not in known:
            raise _broken(stage, "", f"output {name!r}: expected a defined value, got none")


def _check_reads(node: Node, known: set[str], stage: str) -> None:
    for name in filter(None, node.inputs):
        if name not in known:
            raise _broken(stage, node.name, f"input {name!r}: expected a value defined before, got none")


def _broken(stage: str, node: str, detail: str) -> CompileError:
    return CompileError(stage=stage, node=node, detail=detail)
