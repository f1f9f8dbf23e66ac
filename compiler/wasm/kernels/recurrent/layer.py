"""A recurrent layer over time: products of the whole input first, then turn by turn.

Scratch areas: ``x`` gates of the input for every time and sequence, ``gates`` those of one turn, ``h`` and ``c`` the
state, ``reset`` r times h. Weights and biases are areas of their own; where a model has them as inputs, they are laid
out anew in each run (``weights.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

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
from compiler.wasm.kernels.recurrent.product import Product, product_function
from compiler.wasm.kernels.recurrent.shape import Kind, Layer, Places
from compiler.wasm.numerics.sizes import FLOAT_BYTES
from compiler.wasm.specs import Activation
from compiler.wasm.step import StepEmitter
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, memory
from wasm_emit.module import Module
from wasm_emit.types import Expr


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
    result = fn.new(at.y + direction * layer.direction_bytes + (last * layer.time_bytes if backwards else 0), "y")
    sign = -1 if backwards else 1
    with fn.counted(layer.time, name="turn") as turn:
        _gates(out, layer, at, start)
        time = fn.new(i32.sub(last, turn), "time") if backwards else turn
        _cells(out, layer, cell, at, start, result, time)
        fn.advance(start, sign * turn_bytes)
        fn.advance(result, sign * layer.time_bytes)
    _store_state(out, layer, "h", at.y_h, direction)
    if layer.kind is Kind.LSTM:
        _store_state(out, layer, "c", at.y_c, direction)


def _multiply(out: StepEmitter, shape: Product, *addresses: int | Expr) -> None:
    sizes = (shape.rows, shape.depth, shape.columns, shape.a_stride, shape.start_stride, shape.out_stride)
    name = f"rows_{'_'.join(map(str, sizes))}{'_packed' if shape.packed else ''}"
    function = out.shared(name, lambda module: product_function(module, name, shape))
    out.fn.do(out.fn.call(function, *addresses))


def _gates(out: StepEmitter, layer: Layer, at: Places, start: Local) -> None:
    """What the state adds to the gates; GRU's third gate waits for the reset unless it comes first."""
    joined = layer.kind is not Kind.GRU
    columns = layer.gates * layer.padded if joined else 2 * layer.padded
    shape = _recurrent(layer, columns, start_stride=layer.start_stride)
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


def _cells(out: StepEmitter, layer: Layer, cell: Cell, at: Places, start: Local, result: Local, time: Local) -> None:
    """The state of every sequence goes one turn on; its output is stored."""
    fn = out.fn
    if layer.kind is Kind.GRU and not layer.linear_before_reset:
        _reset(out, layer, cell, at, start)
    own = fn.new(result, "y")
    begin = fn.new(start, "begin")
    states = ("c", "h") if layer.kind is Kind.LSTM else ("h",)
    with _sequences(out, layer, {"gates": layer.row_bytes, **dict.fromkeys(states, layer.state_bytes)}) as (
        row,
        pointers,
    ):
        with _active(out, at, row, time) as active:
            _call_cell(out, layer, cell, at, pointers, begin)
            if at.y:
                copy_run(fn, own, pointers[-1], layer.hidden * FLOAT_BYTES)
        if active is not None and at.y:
            with fn.if_not(active):
                fn.do(memory.fill(own, 0, layer.hidden * FLOAT_BYTES))
        fn.advance(own, layer.sequence_bytes)
        fn.advance(begin, layer.start_stride)


def _reset(out: StepEmitter, layer: Layer, cell: Cell, at: Places, start: Local) -> None:
    """GRU's third gate, from what the reset gate leaves of the state."""
    areas = {"gates": layer.row_bytes, "h": layer.state_bytes, "reset": layer.state_bytes}
    function = _shared(out, "gru_reset", cell, gru_reset)
    with _sequences(out, layer, areas) as (_, pointers):
        out.fn.do(out.fn.call(function, *pointers))
    shape = _recurrent(layer, layer.padded, start_stride=layer.start_stride)
    third = 2 * layer.state_bytes
    _multiply(out, shape, out.scratch("reset"), at.second, start + third, out.scratch("gates") + third)


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
        yield None
        return
    length = i32.load(row * FLOAT_BYTES + at.lengths)
    active = out.fn.new(i32.lt_s(time, length), "active")
    with out.fn.if_(active):
        yield active


def _call_cell(out: StepEmitter, layer: Layer, cell: Cell, at: Places, pointers: list[Local], begin: Local) -> None:
    """``pointers`` are gates, (c,) h."""
    gates, *states = pointers
    if layer.kind is Kind.LSTM and at.peepholes:
        call = out.fn.call(_shared(out, "lstm_peephole", cell, lstm_peephole_cell), *pointers, at.peepholes)
    elif layer.kind is Kind.LSTM:
        _activate(out, cell, gates, cell.activations[0], 3)
        _activate(out, cell, gates + 3 * layer.state_bytes, cell.activations[1], 1)
        call = out.fn.call(_shared(out, "lstm", cell, lstm_cell), *pointers)
    elif layer.linear_before_reset:
        call = out.fn.call(_shared(out, "gru_linear", cell, gru_linear_cell), gates, begin, *states)
    elif layer.kind is Kind.GRU:
        call = out.fn.call(_shared(out, "gru", cell, gru_cell), *pointers)
    else:
        call = out.fn.call(_shared(out, "rnn", cell, rnn_cell), *pointers)
    out.fn.do(call)


def _activate(out: StepEmitter, cell: Cell, gates: Expr, spec: Activation, count: int) -> None:
    """An activation over ``count`` gates that lie side by side."""
    one = replace(cell, activations=(spec,))
    function = _shared(
        out, f"activated_{count}", one, lambda module, name, of: activated(module, name, of, spec, count)
    )
    out.fn.do(out.fn.call(function, gates))


def _shared(out: StepEmitter, prefix: str, cell: Cell, build: Callable[[Module, str, Cell], Function]) -> Function:
    """The cell's function, once for equal cells."""
    name = _name(prefix, cell)
    return out.shared(name, lambda module: build(module, name, cell))


def _name(prefix: str, cell: Cell) -> str:
    """A function's name: equal for equal cells, to the last bit of their numbers."""
    words = [part for one in cell.activations for part in (one.kind.value, one.a.hex(), one.b.hex())]
    return "_".join((prefix, str(cell.padded), *words, cell.clip.hex()))


def _load_state(out: StepEmitter, layer: Layer, area: str, initial: int, direction: int) -> None:
    fn = out.fn
    if not initial:
        fn.do(memory.fill(out.scratch(area), 0, layer.batch * layer.state_bytes))
        return
    source = fn.new(initial + direction * layer.direction_bytes, "initial")
    with _sequences(out, layer, {area: layer.state_bytes}) as (_, (state,)):
        copy_run(fn, state, source, layer.hidden * FLOAT_BYTES)
        fn.advance(source, layer.state_sequence_bytes)


def _store_state(out: StepEmitter, layer: Layer, area: str, target: int, direction: int) -> None:
    if not target:
        return
    fn = out.fn
    place = fn.new(target + direction * layer.direction_bytes, "last")
    with _sequences(out, layer, {area: layer.state_bytes}) as (_, (state,)):
        copy_run(fn, place, state, layer.hidden * FLOAT_BYTES)
        fn.advance(place, layer.state_sequence_bytes)
