"""``If``, ``Loop`` and ``Scan``: bodies that are chosen or counted now are read into the graph around them.

1. ``If`` with a constant condition is its branch. Otherwise both branches must give the same types.
2. ``Loop`` keeps its body if the types of carried values stay the same from one turn to the next. If they do not, and
   there are at most ``MAX_UNROLLED`` turns, each turn is read by itself, with the turn's number as a constant.
3. A ``Loop`` must have a constant bound, and one that may end early has no scan outputs: their shape would depend on
   the data. A ``Loop`` of no turns gives its initial values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import helper

from compiler.importer.bodies import Body, read_apart, read_inline
from compiler.importer.call import Call, NodeReader, keep
from compiler.importer.expansion import Expansion
from compiler.ir.graph import ValueType
from edge_bundle.errors import CompileError, UnsupportedOperatorError
from edge_bundle.tensor import DType

MAX_UNROLLED = 64
"""Turns of a loop that are written out one by one where shapes differ between them."""

_ONE_BRANCH = "make the inputs that its condition depends on constants, so that one branch is left"

_SCAN_WITHOUT_BATCH = 9
"""Since this version Scan has no batch dimension of its own."""

_COUNTER = ValueType(DType.INT64, ())
_CONDITION = ValueType(DType.BOOL, ())


def read_if(call: Call, reader: NodeReader) -> None:
    """The branch that is taken, or a node with both."""
    condition = call.constant(0)
    if condition is not None:
        outputs = read_inline(call, "then_branch" if condition.any() else "else_branch", reader, ())
        for index, value in enumerate(outputs):
            call.give(index, value)
        return
    bodies = {name: _branch(call, name, reader) for name in ("then_branch", "else_branch")}
    then, other = (_types(call, body.outputs) for body in bodies.values())
    if then != other or len(then) != len(call.outputs):
        raise call.fault(
            f"expected branches that give the same types, got {_listed(then)} and {_listed(other)}",
            advice=_ONE_BRANCH,
        )
    keep(call, dict(enumerate(then)), {name: body.graph(call.version) for name, body in bodies.items()})


def _branch(call: Call, name: str, reader: NodeReader) -> Body:
    """A branch; one that does not fit the sizes given may be one that is never taken."""
    try:
        return read_apart(call, name, reader, ())
    except UnsupportedOperatorError:
        raise
    except CompileError as error:
        raise CompileError(
            stage=error.stage, node=error.node, operator=error.operator,
            detail=f"{error.detail} (in {name} of {call.name!r})", advice=_ONE_BRANCH,
        ) from error  # fmt: skip


def read_loop(call: Call, reader: NodeReader) -> None:
    """A node with the body, or the turns one by one."""
    bound, condition = call.constant(0), call.constant(1)
    if bound is not None and bound.size != 1:
        raise call.fault(f"expected one number of turns, got {bound.size}")
    turns = None if bound is None else int(bound.reshape(-1)[0])
    if condition is not None and not condition.any():
        turns = 0
    if turns is None:
        raise call.refuse(
            "its number of turns is not known before the model runs", advice="give the loop a constant trip count"
        )
    carried = call.inputs[2:]
    if not all(carried):
        raise call.fault("expected an initial value for every carried one, got one left out")
    try:
        _keep_loop(call, reader, max(turns, 0), carried)
    except CompileError:
        if not 0 < turns <= MAX_UNROLLED or (call.input(1) and condition is None):
            raise
        _unroll(call, reader, turns, carried)


def _keep_loop(call: Call, reader: NodeReader, turns: int, carried: Sequence[str]) -> None:
    before = _types(call, carried)
    body = read_apart(call, "body", reader, (_COUNTER, _CONDITION, *before))
    after = _types(call, body.outputs)
    if len(after) != len(call.outputs) + 1 or len(after) < len(before) + 1:
        raise call.fault(f"body: expected {len(call.outputs) + 1} outputs, got {len(after)}")
    if after[0].dtype is not DType.BOOL or after[0].size != 1:
        raise call.fault(f"body: expected a condition of one bool, got {after[0]}")
    if (carried_on := after[1 : len(before) + 1]) != before:
        raise call.fault(
            f"expected carried values of one type in every turn, got {_listed(before)} and then {_listed(carried_on)}",
            advice=f"a loop of at most {MAX_UNROLLED} turns, counted by a constant, may change shapes",
        )
    scanned = tuple(ValueType(kind.dtype, (turns, *kind.shape)) for kind in after[len(before) + 1 :])
    if turns == 0:
        _give_initial(call, carried, scanned)
        return
    if scanned and not (_is_true(call, body.outputs[0], body.inputs[1]) and (not call.input(1) or _starts(call))):
        raise call.refuse("it may end early, so the shape of its scan outputs depends on the data")
    keep(call, dict(enumerate((*before, *scanned))), {"body": body.graph(call.version)})


def _give_initial(call: Call, initial: Sequence[str], scanned: Sequence[ValueType]) -> None:
    for index, value in enumerate(initial):
        call.give(index, value)
    for index, kind in enumerate(scanned, len(initial)):
        call.give_constant(index, np.empty(kind.shape, kind.dtype.numpy_name))


def _starts(call: Call) -> bool:
    condition = call.constant(1)
    return condition is not None and bool(condition.any())


def _is_true(call: Call, value: str, given: str) -> bool:
    """Whether a body's condition stays true: a constant, or the one that it was given."""
    known = call.scope.values.constants.get(value)
    return value == given or (known is not None and bool(known.any()))


def _unroll(call: Call, reader: NodeReader, turns: int, carried: Sequence[str]) -> None:
    values, count = call.scope.values, len(carried)
    scanned: list[tuple[str, ...]] = []
    for turn in range(turns):
        number = values.add_constant(f"{call.name}/turn", np.array(turn, np.int64))
        go = values.add_constant(f"{call.name}/go", np.array(1, np.bool_))
        outputs = read_inline(call, "body", reader, (number, go, *carried))
        condition = values.constants.get(outputs[0])
        if condition is None:
            raise call.refuse("shapes differ between its turns, and their number depends on the data")
        carried = outputs[1 : count + 1]
        scanned.append(outputs[count + 1 :])
        if not condition.any():
            break
    for index, value in enumerate(carried):
        call.give(index, value)
    for index in range(len(scanned[0])):
        _stack(call, reader, count + index, [turn[index] for turn in scanned])


def _stack(call: Call, reader: NodeReader, place: int, values: Sequence[str]) -> None:
    """One output of all turns: what each gave, along a new first dimension."""
    formal = [f"i{index}" for index in range(len(values))]
    nodes = [helper.make_node("Constant", [], ["axes"], value_ints=[0])]
    nodes += [helper.make_node("Unsqueeze", [name, "axes"], [f"{name}.row"]) for name in formal]
    nodes += [helper.make_node("Concat", [f"{name}.row" for name in formal], ["o"], axis=0)]
    outputs = [""] * place + ["o"]
    reader.expand(call, Expansion(nodes=nodes, inputs=formal, outputs=outputs, opsets={"": 13}), values)


def read_scan(call: Call, reader: NodeReader) -> None:
    """A node with the body; the number of turns is the length of what is scanned."""
    if call.version < _SCAN_WITHOUT_BATCH:
        raise call.refuse(f"expected the form of opset {_SCAN_WITHOUT_BATCH} or newer, got that of {call.version}")
    scanned_in = int(call.attrs.get("num_scan_inputs", 0))
    states = len(call.inputs) - scanned_in
    if not 0 < scanned_in <= len(call.inputs) or not all(call.inputs):
        raise call.fault(f"expected 1 to {len(call.inputs)} scan inputs, got {scanned_in}")
    initial, sequences = _types(call, call.inputs[:states]), _types(call, call.inputs[states:])
    axes = _axes(call, "scan_input_axes", [kind.rank for kind in sequences])
    lengths = {kind.shape[axis] for kind, axis in zip(sequences, axes, strict=True)}
    if len(lengths) != 1:
        raise call.fault(f"expected scan inputs of one length, got {sorted(lengths)}")
    rows = tuple(_without(kind, axis) for kind, axis in zip(sequences, axes, strict=True))
    body = read_apart(call, "body", reader, (*initial, *rows))
    after = _types(call, body.outputs)
    if len(after) != len(call.outputs) or after[:states] != initial:
        raise call.fault(f"expected states of the types {_listed(initial)}, got {_listed(after[:states])}")
    _keep_scan(call, body, states, lengths.pop(), after)


def _keep_scan(call: Call, body: Body, states: int, turns: int, after: tuple[ValueType, ...]) -> None:
    axes = _axes(call, "scan_output_axes", [kind.rank + 1 for kind in after[states:]])
    scanned = tuple(
        ValueType(kind.dtype, (*kind.shape[:axis], turns, *kind.shape[axis:]))
        for kind, axis in zip(after[states:], axes, strict=True)
    )
    if turns == 0:
        _give_initial(call, call.inputs[:states], scanned)
        return
    keep(call, dict(enumerate((*after[:states], *scanned))), {"body": body.graph(call.version)})


def _axes(call: Call, attribute: str, ranks: Sequence[int]) -> list[int]:
    axes = call.attrs.get(attribute, (0,) * len(ranks))
    if len(axes) != len(ranks) or not all(-rank <= axis < rank for axis, rank in zip(axes, ranks, strict=True)):
        raise call.fault(f"{attribute}: expected an axis for each of {len(ranks)} tensors, got {list(axes)}")
    return [axis % rank for axis, rank in zip(axes, ranks, strict=True)]


def _without(kind: ValueType, axis: int) -> ValueType:
    return ValueType(kind.dtype, (*kind.shape[:axis], *kind.shape[axis + 1 :]))


def _types(call: Call, values: Sequence[str]) -> tuple[ValueType, ...]:
    return tuple(call.scope.values.types[value] for value in values)


def _listed(types: Sequence[ValueType]) -> str:
    return ", ".join(map(str, types)) or "nothing"


CONTROL: Mapping[str, Callable[[Call, NodeReader], Any]] = {"If": read_if, "Loop": read_loop, "Scan": read_scan}
"""Operators with bodies."""
