"""A recurrent layer over time: products of the whole input first, then turn by turn.

Scratch areas: ``x`` gates of the input for every time and sequence, ``gates`` those of one turn, ``h`` and ``c`` the
state, ``reset`` r times h. Weights and biases are areas of their own; where a model has them as inputs, they are laid
out anew in each run (``weights.py``).
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

from compiler.wasm.kernels.copy import copy_run
from compiler.wasm.kernels.recurrent.cells import (
    Cell,
    activated,
    gru_cell,
    gru_linear_cell,
    gru_reset,
    lstm_cell,
    lstm_peephole_cell,
    rnn_cell,
)
from compiler.wasm.kernels.recurrent.product import FLOAT_BYTES, LANES, Product, product_function
from compiler.wasm.specs import Activation
from compiler.wasm.step import StepEmitter
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, memory
from wasm_emit.module import Module
from wasm_emit.types import Expr


class Kind(enum.StrEnum):
    """The operator."""

    LSTM = "LSTM"
    GRU = "GRU"
    RNN = "RNN"


GATES = {Kind.LSTM: 4, Kind.GRU: 3, Kind.RNN: 1}
"""Gates of each kind of cell."""


@dataclass(frozen=True, kw_only=True)
class Layer:
    """Sizes and choices, equal for all directions. ``batch_first`` is ONNX's ``layout`` 1."""

    kind: Kind
    time: int
    batch: int
    inputs: int
    hidden: int
    directions: int
    batch_first: bool = False
    linear_before_reset: bool = False
    packed: bool = True

    @property
    def padded(self) -> int:
        """Hidden units, up to whole vectors."""
        return -(-self.hidden // LANES) * LANES

    @property
    def gates(self) -> int:
        """Gates of a cell."""
        return GATES[self.kind]

    @property
    def row_bytes(self) -> int:
        """All gates of one sequence at one time."""
        return self.gates * self.padded * FLOAT_BYTES

    @property
    def state_bytes(self) -> int:
        """The state of one sequence."""
        return self.padded * FLOAT_BYTES

    def scratch(self) -> dict[str, int]:
        """Bytes of the areas in use whatever the weights are."""
        areas = {
            "x": self.time * self.batch * self.row_bytes,
            "gates": self.batch * self.row_bytes,
            "h": self.batch * self.state_bytes,
        }
        if self.kind is Kind.LSTM:
            areas["c"] = self.batch * self.state_bytes
        if self.kind is Kind.GRU and not self.linear_before_reset:
            areas["reset"] = self.batch * self.state_bytes
        return areas

    def flops(self) -> int:
        """Multiplications and additions of the products."""
        rows = self.time * self.batch * self.directions
        return 2 * rows * self.gates * self.hidden * (self.inputs + self.hidden)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Addresses of one direction's weights and of the layer's tensors; 0 where there is none.

    ``second`` and ``second_bias`` are GRU's candidate: its recurrent weights, and their bias before a reset.
    """

    x: int
    first_weights: int
    bias: int
    recurrent: int
    second: int = 0
    second_bias: int = 0
    peepholes: int = 0
    lengths: int = 0
    initial_h: int = 0
    initial_c: int = 0
    y: int = 0
    y_h: int = 0
    y_c: int = 0


def emit_direction(out: StepEmitter, layer: Layer, cell: Cell, at: Places, direction: int, *, backwards: bool) -> None:
    """Write one direction of the layer into the step's function."""
    fn = out.fn
    _load_state(out, layer, "h", at.initial_h, direction)
    if layer.kind is Kind.LSTM:
        _load_state(out, layer, "c", at.initial_c, direction)
    rows = layer.time * layer.batch
    everything = Product(
        rows=rows, depth=layer.inputs, columns=layer.gates * layer.padded, a_stride=layer.inputs * FLOAT_BYTES,
        start_stride=0, out_stride=layer.row_bytes, packed=layer.packed,
    )  # fmt: skip
    _multiply(out, everything, at.x, at.first_weights, at.bias, out.scratch("x"))
    turn_bytes = layer.row_bytes * (1 if layer.batch_first else layer.batch)
    last = layer.time - 1
    start = fn.new(out.scratch("x") + (last * turn_bytes if backwards else 0), "start")
    result = fn.new(at.y + direction * _direction_bytes(layer) + (last * _time_bytes(layer) if backwards else 0), "y")
    sign = -1 if backwards else 1
    with fn.counted(layer.time, name="turn") as turn:
        _gates(out, layer, at, start)
        time = fn.new(i32.sub(last, turn), "time") if backwards else turn
        _cells(out, layer, cell, at, start, result, time)
        fn.advance(start, sign * turn_bytes)
        fn.advance(result, sign * _time_bytes(layer))
    _store_state(out, layer, "h", at.y_h, direction)
    if layer.kind is Kind.LSTM:
        _store_state(out, layer, "c", at.y_c, direction)


def _multiply(out: StepEmitter, shape: Product, *addresses: int | Expr) -> None:
    def build(module: Module) -> Function:
        return product_function(module, name, shape)

    sizes = (shape.rows, shape.depth, shape.columns, shape.a_stride, shape.start_stride, shape.out_stride)
    name = f"rows_{'_'.join(map(str, sizes))}{'_packed' if shape.packed else ''}"
    out.fn.do(out.fn.call(out.shared(name, build), *addresses))


def _gates(out: StepEmitter, layer: Layer, at: Places, start: Local) -> None:
    """What the state adds to the gates; GRU's third gate waits for the reset unless it comes first."""
    joined = layer.kind is not Kind.GRU
    columns = layer.gates * layer.padded if joined else 2 * layer.padded
    shape = _recurrent(layer, columns, start_stride=_start_stride(layer))
    _multiply(out, shape, out.scratch("h"), at.recurrent, start, out.scratch("gates"))
    if layer.linear_before_reset:
        shape = _recurrent(layer, layer.padded, start_stride=0)
        third = out.scratch("gates") + 2 * layer.state_bytes
        _multiply(out, shape, out.scratch("h"), at.second, at.second_bias, third)


def _recurrent(layer: Layer, columns: int, *, start_stride: int) -> Product:
    return Product(
        rows=layer.batch, depth=layer.hidden, columns=columns, a_stride=layer.state_bytes, start_stride=start_stride,
        out_stride=layer.row_bytes, packed=layer.packed,
    )  # fmt: skip


def _start_stride(layer: Layer) -> int:
    """From one sequence's gates of the input to the next one's, at the same time."""
    return layer.row_bytes * (layer.time if layer.batch_first else 1)


def _cells(out: StepEmitter, layer: Layer, cell: Cell, at: Places, start: Local, result: Local, time: Local) -> None:
    """The state of every sequence goes one turn on; its output is stored."""
    fn = out.fn
    second = layer.kind is Kind.GRU and not layer.linear_before_reset
    if second:
        reset = out.shared(f"gru_reset {cell}", lambda module: gru_reset(module, _name("gru_reset", cell), cell))
        with _sequences(out, layer, {"gates": layer.row_bytes, "h": layer.state_bytes, "reset": layer.state_bytes}) as (
            _, pointers,
        ):  # fmt: skip
            fn.do(fn.call(reset, *pointers))
        shape = _recurrent(layer, layer.padded, start_stride=_start_stride(layer))
        third = 2 * layer.state_bytes
        _multiply(out, shape, out.scratch("reset"), at.second, start + third, out.scratch("gates") + third)
    own = fn.new(result, "y")
    begin = fn.new(start, "begin")
    strides: dict[str, int] = {name: layer.state_bytes for name in ("c", "h") if name in layer.scratch()}
    with _sequences(out, layer, {"gates": layer.row_bytes, **strides}) as (row, pointers):
        with _active(out, at, row, time) as inactive:
            _call_cell(out, layer, cell, at, pointers, begin)
            if at.y:
                copy_run(fn, own, pointers[-1], layer.hidden * FLOAT_BYTES)
        if inactive is not None and at.y:
            with fn.if_not(inactive):
                fn.do(memory.fill(own, 0, layer.hidden * FLOAT_BYTES))
        fn.advance(own, _batch_bytes(layer))
        fn.advance(begin, _start_stride(layer))


@contextmanager
def _sequences(out: StepEmitter, layer: Layer, areas: dict[str, int]) -> Iterator[tuple[Local, list[Local]]]:
    """A loop over the sequences of the batch, with a pointer into each of the areas."""
    pointers = [out.fn.new(out.scratch(area), area) for area in areas]
    with out.fn.counted(layer.batch, name="row") as row:
        yield row, pointers
        for pointer, stride in zip(pointers, areas.values(), strict=True):
            out.fn.advance(pointer, stride)


@contextmanager
def _active(out: StepEmitter, at: Places, row: Local, time: Local) -> Iterator[Local | None]:
    """Statements for a sequence that is not over; yields whether it is so, if they have lengths."""
    if not at.lengths:
        with nullcontext():
            yield None
        return
    length = i32.load(row * FLOAT_BYTES + at.lengths)
    active = out.fn.new(i32.lt_s(time, length), "active")
    with out.fn.if_(active):
        yield active


def _call_cell(out: StepEmitter, layer: Layer, cell: Cell, at: Places, pointers: list[Local], begin: Local) -> None:
    """``pointers`` are gates, (c,) h."""
    fn = out.fn
    if layer.kind is Kind.LSTM and at.peepholes:
        name = _name("lstm_peephole", cell)
        found = out.shared(name, lambda module: lstm_peephole_cell(module, name, cell))
        fn.do(fn.call(found, *pointers, at.peepholes))
        return
    if layer.kind is Kind.LSTM:
        _activate(out, cell, pointers[0], cell.activations[0], 3)
        _activate(out, cell, pointers[0] + 3 * layer.state_bytes, cell.activations[1], 1)
        name = _name("lstm", cell)
        fn.do(fn.call(out.shared(name, lambda module: lstm_cell(module, name, cell)), *pointers))
        return
    gates, h = pointers
    if layer.linear_before_reset:
        name = _name("gru_linear", cell)
        found = out.shared(name, lambda module: gru_linear_cell(module, name, cell))
        fn.do(fn.call(found, gates, begin, h))
        return
    build = gru_cell if layer.kind is Kind.GRU else rnn_cell
    name = _name(layer.kind.lower(), cell)
    fn.do(fn.call(out.shared(name, lambda module: build(module, name, cell)), gates, h))


def _activate(out: StepEmitter, cell: Cell, gates: Expr, spec: Activation, count: int) -> None:
    """An activation over ``count`` gates that lie side by side."""
    one = replace(cell, activations=(spec,))
    name = _name(f"activated_{count}", one)
    out.fn.do(out.fn.call(out.shared(name, lambda module: activated(module, name, one, spec, count)), gates))


def _name(prefix: str, cell: Cell) -> str:
    """A function's name: equal for equal cells."""
    acts = "_".join(f"{one.kind.value}_{one.a:g}_{one.b:g}" for one in cell.activations)
    return f"{prefix}_{cell.padded}_{acts}_{cell.clip:g}".replace("-", "m").replace("+", "p")


def _load_state(out: StepEmitter, layer: Layer, area: str, initial: int, direction: int) -> None:
    fn = out.fn
    if not initial:
        fn.do(memory.fill(out.scratch(area), 0, layer.batch * layer.state_bytes))
        return
    source = fn.new(initial + direction * _state_direction_bytes(layer), "initial")
    with _sequences(out, layer, {area: layer.state_bytes}) as (_, (state,)):
        copy_run(fn, state, source, layer.hidden * FLOAT_BYTES)
        fn.advance(source, _state_batch_bytes(layer))


def _store_state(out: StepEmitter, layer: Layer, area: str, target: int, direction: int) -> None:
    if not target:
        return
    fn = out.fn
    place = fn.new(target + direction * _state_direction_bytes(layer), "last")
    with _sequences(out, layer, {area: layer.state_bytes}) as (_, (state,)):
        copy_run(fn, place, state, layer.hidden * FLOAT_BYTES)
        fn.advance(place, _state_batch_bytes(layer))


# Strides in bytes. Layout 0: Y [time, directions, batch, hidden], states [directions, batch, hidden];
# layout 1: Y [batch, time, directions, hidden], states [batch, directions, hidden].


def _direction_bytes(layer: Layer) -> int:
    return FLOAT_BYTES * layer.hidden * (1 if layer.batch_first else layer.batch)


def _time_bytes(layer: Layer) -> int:
    return FLOAT_BYTES * layer.hidden * layer.directions * (1 if layer.batch_first else layer.batch)


def _batch_bytes(layer: Layer) -> int:
    return FLOAT_BYTES * layer.hidden * (layer.time * layer.directions if layer.batch_first else 1)


def _state_direction_bytes(layer: Layer) -> int:
    return FLOAT_BYTES * layer.hidden * (1 if layer.batch_first else layer.batch)


def _state_batch_bytes(layer: Layer) -> int:
    return FLOAT_BYTES * layer.hidden * (layer.directions if layer.batch_first else 1)
