"""An LSTM step by step: one product for all gates, then the gates.

TFLite's own sequence operator keeps its state in variables of the interpreter, so that the same inputs would not give
the same outputs; the state of ONNX's is an input.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from compiler.ir.graph import Node, ValueType
from compiler.tflite.refused import refuse
from compiler.wasm.passes.draft import Draft, float_type

MAX_STEPS = 64
"""Longest sequence that is unrolled: about 14 operations for each step."""

_GATES = 4
_PLAIN = ("sigmoid", "tanh", "tanh")


@dataclass(frozen=True)
class _Direction:
    """One direction: product weights [4 H, I + H] as a constant, and bias [4 H]."""

    weights: str
    bias: str
    hidden: str
    cell: str
    backwards: bool


def lstm(draft: Draft, node: Node) -> bool:
    """Unroll the node (Operators.md, LSTM: gates in the order input, output, forget, cell).

    Raises:
        UnsupportedOperatorError: peepholes, clipping, other activations, lengths for each row, long sequences.

    """
    _check(draft, node)
    steps, batch, _ = draft.types[node.input(0)].shape
    size = int(node.attrs["hidden_size"])
    rows = [_row(draft, node, index) for index in range(steps)]
    ends, sequences = [], []
    for direction in _directions(draft, node, batch, size):
        order = range(steps - 1, -1, -1) if direction.backwards else range(steps)
        hidden, cell, held = direction.hidden, direction.cell, [""] * steps
        for step in order:
            hidden, cell = _step(draft, node, direction, (rows[step], hidden, cell), (batch, size))
            held[step] = hidden
        ends.append((hidden, cell))
        sequences.append(held)
    _give(draft, node, ends, sequences, (steps, batch, size))
    return True


def _check(draft: Draft, node: Node) -> None:
    names = tuple(str(one).lower() for one in node.attrs.get("activations") or _PLAIN * 2)
    steps = draft.types[node.input(0)].shape[0]
    reasons = {
        "layout 1": bool(node.attrs.get("layout", 0)),
        "clipped gates": node.attrs.get("clip") is not None,
        "coupled gates": bool(node.attrs.get("input_forget", 0)),
        "activations other than Sigmoid, Tanh, Tanh": names[:3] != _PLAIN or names[3:] not in ((), _PLAIN),
        "lengths for each row": bool(node.input(4)),
        "peepholes": bool(node.input(7)),
        f"{steps} steps, expected at most {MAX_STEPS}": steps > MAX_STEPS,
        "computed weights": any(draft.floats(node.input(index)) is None for index in (1, 2)),
        "computed biases": bool(node.input(3)) and draft.floats(node.input(3)) is None,
    }
    for reason, holds in reasons.items():
        if holds:
            raise refuse(node, reason)


def _directions(draft: Draft, node: Node, batch: int, size: int) -> list[_Direction]:
    weights, recurrent = draft.floats(node.input(1)), draft.floats(node.input(2))
    biases = draft.floats(node.input(3)) if node.input(3) else None
    if weights is None or recurrent is None:
        raise refuse(node, "computed weights")
    found = []
    for index in range(len(weights)):
        joined = np.concatenate([weights[index], recurrent[index]], axis=1)
        half = _GATES * size
        bias = np.zeros(half, np.float32) if biases is None else biases[index][:half] + biases[index][half:]
        backwards = node.attrs.get("direction", "forward") == "reverse" or index == 1
        found.append(
            _Direction(
                weights=draft.new_constant(f"{node.name}/weights", joined),
                bias=draft.new_constant(f"{node.name}/bias", bias.astype(np.float32)),
                hidden=_initial(draft, node, 5, index, (batch, size)),
                cell=_initial(draft, node, 6, index, (batch, size)),
                backwards=backwards,
            )
        )
    return found


def _initial(draft: Draft, node: Node, place: int, index: int, shape: tuple[int, int]) -> str:
    if not node.input(place):
        return draft.new_constant(f"{node.name}/zero", np.zeros(shape, np.float32))
    return _taken(draft, node.input(place), index, shape, f"{node.name}/initial")


def _row(draft: Draft, node: Node, index: int) -> str:
    return _taken(draft, node.input(0), index, draft.types[node.input(0)].shape[1:], f"{node.name}/x")


def _taken(draft: Draft, value: str, index: int, shape: tuple[int, ...], name: str) -> str:
    """``value[index]``."""
    if draft.types[value].shape[0] > 1:
        value = _sliced(draft, value, (index, index + 1), 0, name)
    return draft.reshaped(value, tuple(shape), draft.fresh(name))


def _sliced(draft: Draft, value: str, bounds: tuple[int, int], axis: int, name: str) -> str:
    kind = draft.types[value]
    shape = (*kind.shape[:axis], bounds[1] - bounds[0], *kind.shape[axis + 1 :])
    inputs = [draft.new_constant(f"{name}/bound", np.array([one], np.int64)) for one in (*bounds, axis)]
    return draft.add("Slice", (value, *inputs), draft.fresh(name), ValueType(kind.dtype, shape))


def _step(
    draft: Draft, node: Node, direction: _Direction, state: tuple[str, str, str], shape: tuple[int, int]
) -> tuple[str, str]:
    """Hidden and cell state after one row: ``state`` is the row, the hidden and the cell state before."""
    row, hidden, cell = state
    batch, size = shape

    def add(op: str, inputs: tuple[str, ...], columns: int, **attrs: object) -> str:
        name = draft.fresh(f"{node.name}/{op.lower()}")
        return draft.add(op, inputs, name, float_type((batch, columns)), **attrs)

    width = draft.types[direction.weights].shape[1]
    joined = add("Concat", (row, hidden), width, axis=1)
    gates = add("Gemm", (joined, direction.weights, direction.bias), _GATES * size, transB=1)
    parts = [
        _sliced(draft, gates, (index * size, (index + 1) * size), 1, f"{node.name}/gate") for index in range(_GATES)
    ]
    come, leave, forget = (add("Sigmoid", (part,), size) for part in parts[:3])
    kept = add("Mul", (forget, cell), size)
    new = add("Mul", (come, add("Tanh", (parts[3],), size)), size)
    cell = add("Add", (kept, new), size)
    return add("Mul", (leave, add("Tanh", (cell,), size)), size), cell


def _give(
    draft: Draft,
    node: Node,
    ends: list[tuple[str, str]],
    sequences: list[list[str]],
    shape: tuple[int, int, int],
) -> None:
    """The outputs that are asked for: every hidden state, the last one, the last cell state."""
    steps, batch, size = shape
    one = (1, 1, batch, size)
    names = (*node.outputs, "", "", "")[:3]
    if names[0]:
        rows = []
        for step in range(steps):
            sides = [draft.reshaped(held[step], one, draft.fresh(f"{node.name}/y")) for held in sequences]
            rows.append(_joined(draft, node, sides, 1))
        _named(draft, rows, 0, names[0])
    for place, name in enumerate(names[1:]):
        if name:
            parts = [draft.reshaped(end[place], (1, batch, size), draft.fresh(f"{node.name}/end")) for end in ends]
            _named(draft, parts, 0, name)


def _joined(draft: Draft, node: Node, parts: list[str], axis: int) -> str:
    if len(parts) == 1:
        return parts[0]
    kind = draft.types[parts[0]]
    shape = (*kind.shape[:axis], kind.shape[axis] * len(parts), *kind.shape[axis + 1 :])
    name = draft.fresh(f"{node.name}/joined")
    return draft.add("Concat", tuple(parts), name, ValueType(kind.dtype, shape), axis=axis)


def _named(draft: Draft, parts: list[str], axis: int, output: str) -> None:
    if len(parts) == 1:
        draft.reshaped(parts[0], draft.types[output].shape, output)
    else:
        draft.add("Concat", tuple(parts), output, draft.types[output], axis=axis)
