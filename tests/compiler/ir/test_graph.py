"""The checker of the grammar, dead code, renaming, outputs: tables of small graphs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from compiler.ir.check import check_graph
from compiler.ir.graph import IrGraph, Node, ValueType, constant_type
from compiler.ir.outputs import named_outputs
from compiler.ir.prune import prune
from compiler.ir.rename import rename
from edge_bundle.errors import CompileError
from edge_bundle.tensor import DType

VECTOR, FLAG = ValueType(DType.FP32, (3,)), ValueType(DType.BOOL, ())
K = np.ones(3, np.float32)


def node(op: str, inputs: str, outputs: str, **bodies: IrGraph) -> Node:
    return Node(
        op=op, name=f"{op} {outputs}", inputs=tuple(inputs.split()), outputs=tuple(outputs.split()), bodies=bodies
    )


def graph(*nodes: Node, inputs: str = "x", outputs: str = "y", values: str = "x y a b k") -> IrGraph:
    return IrGraph(
        inputs=tuple(inputs.split()),
        outputs=tuple(outputs.split()),
        nodes=nodes,
        types={**dict.fromkeys(values.split(), VECTOR), "c": FLAG},
        constants={"k": K} if "k" in values.split() else {},
        opset=18,
    )


def body(*nodes: Node, inputs: str = "", outputs: str = "") -> IrGraph:
    return replace(graph(*nodes, inputs=inputs, outputs=outputs), types={}, constants={})


BRANCHES = graph(
    node("Exp", "x", "a"),
    node("If", "c", "y", then_branch=body(node("Add", "a k", "t"), outputs="t"), else_branch=body(outputs="a")),
    inputs="x c",
    values="x y a b k t",
)
GOOD = {"one node": graph(node("Neg", "x", "y")), "branches": BRANCHES}
BROKEN: dict[str, tuple[IrGraph, str]] = {
    "undefined input": (graph(node("Neg", "z", "y")), "input 'z'"),
    "too early": (graph(node("Neg", "a", "y"), node("Exp", "x", "a")), "input 'a'"),
    "defined twice": (graph(node("Neg", "x", "y"), node("Exp", "x", "y")), "output 'y': expected a new value"),
    "one name for two nodes": (
        graph(Node(op="Neg", name="n", inputs=("x",), outputs=("a",)), Node(op="Neg", name="n", inputs=("a",), outputs=("y",))),
        "expected a node name",
    ),
    "no such output": (graph(node("Neg", "x", "a")), "output 'y'"),
    "no type": (graph(node("Neg", "x", "z"), node("Exp", "z", "y")), "'z': expected a static type, got None"),
    "open type": (replace(graph(node("Neg", "x", "y")), types={"x": ValueType(DType.FP32, (-1,)), "y": VECTOR}, constants={}),
                  "expected a static type"),
    "constant of another type": (replace(graph(node("Add", "x k", "y")), constants={"k": K.astype(np.int64)}), "constant 'k'"),
    "a branch's value outside": (
        graph(node("If", "c", "b", then_branch=body(node("Neg", "x", "a"), outputs="a"), else_branch=body(outputs="x")),
              node("Exp", "a", "y"), inputs="x c"),
        "input 'a'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", GOOD)
def test_good_graphs_pass(name: str) -> None:
    check_graph(GOOD[name], stage="test")


@pytest.mark.parametrize("name", BROKEN)
def test_broken_graphs_are_refused_by_the_rule_they_break(name: str) -> None:
    made, words = BROKEN[name]
    with pytest.raises(CompileError, match=words) as caught:
        check_graph(made, stage="layout")
    assert caught.value.stage == "layout"


def test_users_count_what_bodies_read_and_give() -> None:
    users = BRANCHES.users()
    assert [one.op for one in users["a"]] == ["If", "Add"]
    assert [one.op for one in users["k"]] == ["Add"]


def test_pruning_keeps_what_bodies_need_and_drops_the_rest() -> None:
    made = replace(BRANCHES, nodes=(*BRANCHES.nodes[:1], node("Neg", "x", "b"), *BRANCHES.nodes[1:]))
    found = prune(made)
    assert found.nodes == BRANCHES.nodes
    assert set(found.types) == {"x", "y", "a", "k", "t", "c"}
    assert set(found.constants) == {"k"}
    alone = prune(graph(node("Neg", "x", "y")))
    assert not alone.constants
    assert set(alone.types) == {"x", "y"}


def test_pruning_reaches_into_bodies() -> None:
    inner = body(node("Neg", "x", "a"), node("Exp", "x", "b"), outputs="a")
    found = prune(graph(node("If", "c", "y", then_branch=inner, else_branch=body(outputs="x")), inputs="x c"))
    assert [one.op for one in found.walk()] == ["If", "Neg"]


def test_renaming_swaps_names_everywhere() -> None:
    found = rename(BRANCHES, {"a": "t", "t": "a", "k": "weights"})
    check_graph(found, stage="test")
    inner = found.nodes[1].bodies["then_branch"]
    assert inner.nodes[0].inputs == ("t", "weights")
    assert inner.outputs == ("a",)
    assert list(found.constants) == ["weights"]


NAMED: dict[str, tuple[dict[str, str], list[tuple[str, str]]]] = {
    "made by a node": ({"out": "a"}, [("Exp", "out"), ("Neg", "b")]),
    "two names": ({"out": "a", "more": "a"}, [("Exp", "out"), ("Neg", "b"), ("Identity", "more")]),
    "an input": ({"out": "x"}, [("Exp", "a"), ("Neg", "b"), ("Identity", "out")]),
    "a constant": ({"k": "k"}, [("Exp", "a"), ("Neg", "b"), ("Identity", "k")]),
    "each other's name": ({"a": "b", "b": "a"}, [("Exp", "b"), ("Neg", "a")]),
    "an input under its own name": ({"x": "x", "out": "b"}, [("Exp", "a"), ("Neg", "out")]),
}


@pytest.mark.parametrize("name", NAMED)
def test_outputs_get_their_names(name: str) -> None:
    values, wanted = NAMED[name]
    made = graph(node("Exp", "x", "a"), node("Neg", "a", "b"), outputs="", values="x a b k")
    found = named_outputs(made, values)
    check_graph(found, stage="test")
    assert found.outputs == tuple(values)
    assert [(one.op, one.output) for one in found.nodes] == wanted


def test_types_of_constants() -> None:
    assert constant_type(np.zeros((2, 3), np.int8)) == ValueType(DType.INT8, (2, 3))
    assert constant_type(np.zeros(2, ">f4")) == ValueType(DType.FP32, (2,))
    with pytest.raises(KeyError):
        constant_type(np.array(["a"]))
