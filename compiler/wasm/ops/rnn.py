"""``LSTM``, ``GRU`` and ``RNN``: all directions and layouts, initial states, peepholes, clip, lengths of sequences.

Weights that are constants are packed when the model is compiled; others are laid out in each run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.ir.graph import Node
from compiler.wasm.kernels.recurrent.cells import Cell
from compiler.wasm.kernels.recurrent.layer import emit_direction
from compiler.wasm.kernels.recurrent.shape import GATES, Kind, Layer, Places
from compiler.wasm.kernels.recurrent.weights import emit_matrix, emit_rows, emit_sums, packed_matrix, padded_rows
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from compiler.wasm.ops.dtypes import FP32
from compiler.wasm.ops.rule import Rule, Rules, Scope, refuse
from compiler.wasm.specs import Activation, ActivationKind
from compiler.wasm.step import Step, StepEmitter

_DEFAULTS = {Kind.LSTM: ("sigmoid", "tanh", "tanh"), Kind.GRU: ("sigmoid", "tanh"), Kind.RNN: ("tanh",)}

_ACTIVATIONS: Mapping[str, tuple[ActivationKind, tuple[float, ...]]] = {
    "hardsigmoid": (ActivationKind.HARD_SIGMOID, (0.2, 0.5)),
    "leakyrelu": (ActivationKind.LEAKY_RELU, (0.01,)),
    "relu": (ActivationKind.RELU, ()),
    "sigmoid": (ActivationKind.SIGMOID, ()),
    "tanh": (ActivationKind.TANH, ()),
}
"""Name in lower case -> kind, and the defaults of alpha and beta."""

_BACKWARDS = {"forward": (False,), "reverse": (True,), "bidirectional": (False, True)}
_LENGTHS, _INITIAL_H, _INITIAL_C, _PEEPHOLES = 4, 5, 6, 7
"""Places of the optional inputs."""


@dataclass(frozen=True)
class _Areas:
    """Where the weights of a direction are: constants of the step, or scratch that code fills."""

    names: Mapping[str, int]
    constant: bool

    def address(self, out: StepEmitter, name: str, direction: int) -> int:
        """0 if the layer has no such area."""
        if name not in self.names:
            return 0
        key = f"{name} {direction}"
        return out.constant(key) if self.constant else out.scratch(key)


def _lower(node: Node, scope: Scope) -> Step:
    kind = Kind(node.op)
    backwards = _BACKWARDS.get(node.attrs.get("direction", "forward"))
    if backwards is None:
        raise refuse(node, f"expected a direction, got {node.attrs['direction']!r}")
    if node.attrs.get("input_forget", 0):
        raise refuse(node, "coupled input and forget gates")
    weights = {name: node.input(index) for index, name in ((1, "W"), (2, "R"), (3, "B"), (_PEEPHOLES, "P"))}
    constants = {name: scope.constant(value) for name, value in weights.items() if value}
    fixed = all(array is not None for array in constants.values())
    layer = _layer(node, scope, kind, len(backwards), packed=fixed)
    cells = [_cell(node, layer, direction) for direction in range(layer.directions)]
    areas = _Areas(_area_bytes(layer, peepholes=bool(weights["P"])), constant=fixed)
    lengths = _lengths(node, scope, layer)

    def emit(out: StepEmitter) -> None:
        for direction, back in enumerate(backwards):
            if not fixed:
                _emit_weights(out, layer, areas, weights, direction)
            places = _places(out, node, areas, lengths, direction)
            emit_direction(out, layer, cells[direction], places, direction, backwards=back)

    states = (node.input(0), lengths, node.input(_INITIAL_H), node.input(_INITIAL_C))
    return Step(
        name=node.name,
        op=f"{node.op.lower()}_f32",
        reads=tuple(filter(None, (*states, *(() if fixed else weights.values())))),
        writes=tuple(filter(None, node.outputs)),
        emit=emit,
        constants=_packed(layer, constants) if fixed else {},
        scratch={**layer.scratch(), **({} if fixed else _scratch(areas.names, layer.directions))},
        flops=layer.flops(),
    )


def _layer(node: Node, scope: Scope, kind: Kind, directions: int, *, packed: bool) -> Layer:
    first, second, inputs = scope.type_of(node.input(0)).shape
    batch_first = bool(node.attrs.get("layout", 0))
    hidden = scope.type_of(node.input(2)).shape[-1]
    made = Layer(
        kind=kind,
        time=second if batch_first else first,
        batch=first if batch_first else second,
        inputs=inputs,
        hidden=hidden,
        directions=directions,
        batch_first=batch_first,
        linear_before_reset=kind is Kind.GRU and bool(node.attrs.get("linear_before_reset", 0)),
        packed=packed,
    )
    expected = (directions, made.gates * hidden, inputs)
    if (got := scope.type_of(node.input(1)).shape) != expected:
        raise refuse(node, f"expected W of shape {list(expected)}, got {list(got)}")
    return made


def _cell(node: Node, layer: Layer, direction: int) -> Cell:
    """The activations of one direction; alpha and beta go to those that take them, in order over all directions."""
    names = [name.lower() for name in node.attrs.get("activations", _DEFAULTS[layer.kind] * layer.directions)]
    per = len(_DEFAULTS[layer.kind])
    if len(names) != per * layer.directions:
        raise refuse(node, f"expected {per * layer.directions} activations, got {len(names)}")
    alphas = list(node.attrs.get("activation_alpha", ()))
    betas = list(node.attrs.get("activation_beta", ()))
    found = []
    for name in names:
        if name not in _ACTIVATIONS:
            raise refuse(node, f"expected activations of {', '.join(_ACTIVATIONS)}, got {name}")
        kind, defaults = _ACTIVATIONS[name]
        given = [
            float(values.pop(0)) if values else default
            for values, default in zip((alphas, betas), defaults, strict=False)
        ]
        found.append(Activation(kind, *given))
    clip = float(node.attrs.get("clip", 0.0))
    return Cell(padded=layer.padded, activations=tuple(found[direction * per :][:per]), clip=clip)


def _lengths(node: Node, scope: Scope, layer: Layer) -> str:
    """The input with the lengths, ``""`` if all sequences are full."""
    known = scope.constant(node.input(_LENGTHS))
    return "" if known is not None and bool((known >= layer.time).all()) else node.input(_LENGTHS)


def _area_bytes(layer: Layer, *, peepholes: bool) -> dict[str, int]:
    """Bytes of the areas of one direction, as code lays them out."""
    gate = layer.state_bytes
    first = 2 if layer.kind is Kind.GRU else layer.gates
    areas = {"w": layer.inputs * layer.row_bytes, "bias": layer.row_bytes, "r": layer.hidden * first * gate}
    if layer.kind is Kind.GRU:
        areas["second"] = layer.hidden * gate
    if layer.linear_before_reset:
        areas["second bias"] = gate
    if peepholes:
        areas["p"] = 3 * gate
    return areas


def _scratch(names: Mapping[str, int], directions: int) -> dict[str, int]:
    return {f"{name} {direction}": nbytes for direction in range(directions) for name, nbytes in names.items()}


def _recurrent_gates(layer: Layer) -> range:
    """Gates of the first recurrent product; GRU's third has its own."""
    return range(2 if layer.kind is Kind.GRU else layer.gates)


def _packed(layer: Layer, given: Mapping[str, NDArray[Any] | None]) -> dict[str, NDArray[Any]]:
    """The constants of the step, of all directions."""
    arrays = {name: array for name, array in given.items() if array is not None}
    return {
        f"{name} {direction}": array
        for direction in range(layer.directions)
        for name, array in _packed_direction(layer, {key: array[direction] for key, array in arrays.items()})
    }


def _packed_direction(layer: Layer, arrays: Mapping[str, NDArray[Any]]) -> Iterator[tuple[str, NDArray[Any]]]:
    hidden, gates = layer.hidden, layer.gates
    yield "w", packed_matrix(arrays["W"], hidden, range(gates))
    yield "r", packed_matrix(arrays["R"], hidden, _recurrent_gates(layer))
    if layer.kind is Kind.GRU:
        yield "second", packed_matrix(arrays["R"], hidden, range(2, 3))
    given = arrays.get("B", np.zeros(2 * gates * hidden, np.float32)).reshape(2, gates, hidden)
    bias = given[0] + given[1]
    if layer.linear_before_reset:
        bias[2] = given[0, 2]
        yield "second bias", padded_rows(given[1, 2], hidden)
    yield "bias", padded_rows(bias, hidden)
    if "P" in arrays:
        yield "p", padded_rows(arrays["P"], hidden)


def _emit_weights(out: StepEmitter, layer: Layer, areas: _Areas, weights: Mapping[str, str], direction: int) -> None:
    """Lay the weights of one direction out."""
    fn, hidden, gates = out.fn, layer.hidden, layer.gates
    gate_floats = hidden * FLOAT_BYTES
    w = out.at(weights["W"]) + direction * gates * gate_floats * layer.inputs
    r = out.at(weights["R"]) + direction * gates * gate_floats * hidden
    emit_matrix(fn, areas.address(out, "w", direction), w, hidden, layer.inputs, range(gates))
    emit_matrix(fn, areas.address(out, "r", direction), r, hidden, hidden, _recurrent_gates(layer))
    if layer.kind is Kind.GRU:
        emit_matrix(fn, areas.address(out, "second", direction), r, hidden, hidden, range(2, 3))
    bias = out.at(weights["B"]) + direction * 2 * gates * gate_floats if weights["B"] else 0
    for gate in range(gates):
        parts = [bias + gate * gate_floats, bias + (gates + gate) * gate_floats] if bias else []
        target = areas.address(out, "bias", direction) + gate * layer.state_bytes
        if layer.linear_before_reset and gate == gates - 1:
            emit_sums(fn, areas.address(out, "second bias", direction), parts[1:], hidden)
            parts = parts[:1]
        emit_sums(fn, target, parts, hidden)
    if weights["P"]:
        source = out.at(weights["P"]) + direction * 3 * gate_floats
        emit_rows(fn, areas.address(out, "p", direction), source, hidden, 3)


def _places(out: StepEmitter, node: Node, areas: _Areas, lengths: str, direction: int) -> Places:
    def at(value: str) -> int:
        return out.at(value) if value else 0

    y, y_h, y_c = (*node.outputs, "", "", "")[:3]
    return Places(
        x=out.at(node.input(0)),
        first_weights=areas.address(out, "w", direction),
        bias=areas.address(out, "bias", direction),
        recurrent=areas.address(out, "r", direction),
        second=areas.address(out, "second", direction),
        second_bias=areas.address(out, "second bias", direction),
        peepholes=areas.address(out, "p", direction),
        lengths=at(lengths),
        initial_h=at(node.input(_INITIAL_H)),
        initial_c=at(node.input(_INITIAL_C)),
        y=at(y),
        y_h=at(y_h),
        y_c=at(y_c),
    )


_NOTE = f"activations {', '.join(_ACTIVATIONS)}; no coupled gates"

RULES: Rules = {kind.value: Rule(lower=_lower, dtypes=FP32, note=_NOTE) for kind in GATES}
