"""``If``, ``Loop`` and ``Scan`` against ONNX Runtime, and what is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto, helper  # noqa: TID251

from compiler.wasm.compile import compile_module
from edge_bundle.errors import CompileError, UnsupportedOperatorError
from tests.wasm.against_ort import check, graph, like, model, value

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL
X = np.array([[1.5, -2.0, 0.25], [4.0, 0.5, -1.0]], np.float32)
YES, NO = np.array(True), np.array(False)

Arrays = dict[str, NDArray[Any]]
Case = tuple[ModelProto, Arrays]


def op(kind: str, inputs: str, outputs: str, **attrs: Any) -> NodeProto:
    """A node; names stand with spaces between, ``-`` leaves one out."""
    given, made = (["" if name == "-" else name for name in side.split()] for side in (inputs, outputs))
    return helper.make_node(kind, given, made, name=f"{kind} {outputs}", **attrs)


def body(nodes: Sequence[NodeProto], inputs: str, outputs: str, constants: Arrays | None = None) -> GraphProto:
    """A body; only counters and conditions have declared shapes, all others are found by reading it."""
    given, made = ([_declared(name) for name in side.split()] for side in (inputs, outputs))
    return graph(nodes, given, made, constants)


def _declared(name: str) -> ValueInfoProto:
    return value(name, _dtype(name), () if name[0] in "ic" else None)


def _dtype(name: str) -> int:
    """By the first letter: ``i`` integers, ``c`` conditions."""
    return {"i": INT64, "c": BOOL}.get(name[0], FLOAT)


def case(nodes: Sequence[NodeProto], fed: Arrays, outputs: str, constants: Arrays | None = None) -> Case:
    """A model and what it is given."""
    results = [value(name, _dtype(name), None) for name in outputs.split()]
    return model(graph(nodes, [like(*pair) for pair in fed.items()], results, constants)), fed


def if_(then: GraphProto, other: GraphProto, outputs: str = "y", condition: str = "c") -> NodeProto:
    return op("If", condition, outputs, then_branch=then, else_branch=other)


DOUBLE = body([op("Add", "x x", "a")], "", "a")
NEGATIVE = body([op("Neg", "x", "b")], "", "b")
TWO = body([op("Neg", "x", "a"), op("Identity", "x", "b")], "", "a b")
STEP = body(  # total += x; rows of the running total
    [op("Add", "t x", "t2"), op("Identity", "c", "c2"), op("Identity", "t2", "row")], "i c t", "c2 t2 row"
)
SWAP = body([op("Identity", "c", "c2")], "i c p q", "c2 q p")
UNTIL = body(  # doubles until the sum is above 40
    [
        op("Add", "t t", "t2"),
        op("ReduceSum", "t2", "s", keepdims=0),
        op("Less", "s limit", "c2"),
    ],
    "i c t",
    "c2 t2",
    {"limit": np.array(40.0, np.float32)},
)
GROW = body([op("Concat", "t x", "t2", axis=0), op("Identity", "c", "c2")], "i c t", "c2 t2")
TURN = body([op("Cast", "i", "f", to=FLOAT), op("Add", "t f", "t2"), op("Identity", "c", "c2")], "i c t", "c2 t2")
VIEWED = body(  # carried values change places through a reshape
    [op("Reshape", "q shape", "q2"), op("Reshape", "p back", "p2"), op("Identity", "c", "c2")],
    "i c p q",
    "c2 q2 p2",
    {"shape": np.array([2, 3], np.int64), "back": np.array([6], np.int64)},
)
INNER = op("Loop", "n c t", "t2", body=body([op("Add", "u x", "u2"), op("Identity", "c", "c3")], "i2 c u", "c3 u2"))
NESTED = body([INNER, op("Identity", "c", "c2")], "i c t", "c2 t2", {"n": np.array(2, np.int64)})
RUNNING = body([op("Add", "s e", "s2"), op("Mul", "s2 e", "out")], "s e", "s2 out")
TRIPS: Arrays = {"m": np.array(3, np.int64)}
FLAT = X.reshape(6)

CASES: dict[str, Case] = {
    "if true": case([if_(DOUBLE, NEGATIVE)], {"c": YES, "x": X}, "y"),
    "if false": case([if_(DOUBLE, NEGATIVE)], {"c": NO, "x": X}, "y"),
    "if of a captured value": case([if_(body([op("Identity", "x", "a")], "", "a"), NEGATIVE)], {"c": YES, "x": X}, "y"),
    "if of a constant": case([if_(body([], "", "k", {"k": X * 2}), NEGATIVE)], {"c": YES, "x": X}, "y"),
    "if of a view": case(
        [if_(
            body([op("Reshape", "x s", "r")], "", "r", {"s": np.array([6], np.int64)}),
            body([op("Neg", "x", "n"), op("Flatten", "n", "m", axis=0), op("Squeeze", "m z", "b")], "", "b",
                 {"z": np.array([0], np.int64)}),
        )],
        {"c": NO, "x": X}, "y",
    ),
    "if of two outputs": case(
        [if_(TWO, body([op("Abs", "x", "a"), op("Identity", "x", "b")], "", "b a"), "y z")],
        {"c": YES, "x": X}, "y z",
    ),
    "if inside if": case(
        [if_(body([if_(DOUBLE, NEGATIVE, "w", "c2")], "", "w"), body([op("Abs", "x", "d")], "", "d"))],
        {"c": YES, "c2": NO, "x": X}, "y",
    ),
    "if between steps": case(
        [op("Relu", "x0", "x"), if_(DOUBLE, NEGATIVE, "z"), op("Add", "z x", "y")], {"c": NO, "x0": X}, "y"
    ),
    "if of a constant condition": case([if_(DOUBLE, NEGATIVE)], {"x": X}, "y", {"c": NO}),
    "loop": case([op("Loop", "m c x", "y rows", body=STEP)], {"x": X}, "y rows", {**TRIPS, "c": YES}),
    "loop without condition": case([op("Loop", "m - x", "y rows", body=STEP)], {"x": X}, "y rows", TRIPS),
    "loop whose rows nobody reads": case([op("Loop", "m - x", "y rows", body=STEP)], {"x": X}, "y", TRIPS),
    "loop of swaps": case(
        [op("Neg", "x", "n"), op("Loop", "m - x n", "y z", body=SWAP)], {"x": X}, "y z", TRIPS
    ),
    "loop of swapped views": case(
        [op("Loop", "m - x v", "y z", body=VIEWED)], {"x": X, "v": FLAT}, "y z", {"m": np.array(2, np.int64)}
    ),
    "loop that ends early": case(
        [op("Loop", "m c x", "y", body=UNTIL)], {"x": np.abs(X), "c": YES}, "y", {"m": np.array(100, np.int64)}
    ),
    "loop that never starts": case(
        [op("Loop", "m c x", "y", body=UNTIL)], {"x": X, "c": NO}, "y", {"m": np.array(100, np.int64)}
    ),
    "loop that reaches its bound": case(
        [op("Loop", "m c x", "y", body=UNTIL)], {"x": X / 100, "c": YES}, "y", {"m": np.array(5, np.int64)}
    ),
    "loop that counts": case([op("Loop", "m - x", "y", body=TURN)], {"x": X}, "y", TRIPS),
    "loop in a loop": case([op("Loop", "m - x", "y", body=NESTED)], {"x": X}, "y", TRIPS),
    "loop that grows": case([op("Loop", "m - x", "y", body=GROW)], {"x": X}, "y", TRIPS),
    "loop of no turns": case(
        [op("Loop", "m - x", "z", body=TURN), op("Neg", "z", "y")], {"x": X}, "y", {"m": np.array(0, np.int64)}
    ),
    "loop in a branch": case(
        [if_(body([op("Loop", "m - x", "w", body=TURN)], "", "w"), NEGATIVE)], {"c": YES, "x": X}, "y", TRIPS
    ),
    "scan": case(
        [op("Scan", "s x", "last y", body=RUNNING, num_scan_inputs=1)],
        {"s": np.array([1, 2, 3], np.float32), "x": X}, "last y",
    ),
    "scan backwards": case(
        [op("Scan", "s x", "last y", body=RUNNING, num_scan_inputs=1, scan_input_directions=[1],
            scan_output_directions=[1])],
        {"s": np.array([1, 2, 3], np.float32), "x": X}, "last y",
    ),
    "scan along the last axis": case(
        [op("Scan", "s x", "last y", body=RUNNING, num_scan_inputs=1, scan_input_axes=[-1], scan_output_axes=[1])],
        {"s": np.array([1, 2], np.float32), "x": X}, "last y",
    ),
    "scan whose state nobody reads": case(
        [op("Scan", "s x", "last y", body=RUNNING, num_scan_inputs=1)],
        {"s": np.array([1, 2, 3], np.float32), "x": X}, "y",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_gives_what_onnx_runtime_gives(name: str) -> None:
    check(*CASES[name])


def test_a_loop_gives_the_same_each_time_it_runs() -> None:
    """Carried values are set anew in every run; ``check`` runs twice."""
    check(*CASES["loop"], twice=True)


FAULTS: dict[str, tuple[Case, type[CompileError], str]] = {
    "bound of data": (
        case([op("Loop", "m - x", "y", body=TURN)], {"m": np.array(3, np.int64), "x": X}, "y"),
        UnsupportedOperatorError, "number of turns is not known",
    ),
    "endless": (
        case([op("Loop", "m c x", "y", body=UNTIL)], {"c": YES, "x": X}, "y", {"m": np.array(2**62, np.int64)}),
        UnsupportedOperatorError, "expected 1 to 1048576 turns",
    ),
    "rows of an early end": (
        case(
            [op("Loop", "m c x", "y rows", body=STEP)], {"c": YES, "x": X}, "y rows", {"m": np.array(100, np.int64)}
        ),
        UnsupportedOperatorError, "may end early",
    ),
    "grows for too long": (
        case([op("Loop", "m - x", "y", body=GROW)], {"x": X}, "y", {"m": np.array(1000, np.int64)}),
        CompileError, "expected carried values of one type",
    ),
    "branches of two shapes": (
        case([if_(DOUBLE, body([op("ReduceSum", "x", "b", keepdims=0)], "", "b"))], {"c": YES, "x": X}, "y"),
        CompileError, "expected branches that give the same types",
    ),
    "unknown operator in a branch": (
        case([if_(body([op("Frobnicate", "x", "a")], "", "a"), NEGATIVE)], {"c": YES, "x": X}, "y"),
        UnsupportedOperatorError, "no such operator",
    ),
    "scans of two lengths": (
        case(
            [op("Scan", "s x z", "last y", num_scan_inputs=2,
                body=body([op("Add", "s e", "s2"), op("Add", "e f", "out")], "s e f", "s2 out"))],
            {"s": np.zeros(3, np.float32), "x": X, "z": np.zeros((3, 3), np.float32)}, "last y",
        ),
        CompileError, "one length",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_is_refused_with_the_node_and_the_reason(name: str) -> None:
    (proto, _), kind, words = FAULTS[name]
    with pytest.raises(kind, match=words) as caught:
        compile_module(proto.SerializeToString())
    assert caught.value.node
    assert caught.value.operator
