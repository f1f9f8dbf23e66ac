"""One turn of a cell for one sequence: gates in, the new state out, four hidden units at a time.

Formulas: ONNX Operators.md, "LSTM", "GRU", "RNN". Gates are stored one after the other, each ``padded`` floats long:
i, o, f, c for LSTM; z, r, h for GRU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.wasm.math.activation import activation
from compiler.wasm.numerics.lanes import F32X4
from compiler.wasm.numerics.sizes import FLOAT_BYTES, FLOAT_LANES, VECTOR_BYTES
from compiler.wasm.specs import Activation
from wasm_emit.function import Function, Local
from wasm_emit.instructions import f32x4, v128, v128_const
from wasm_emit.module import Module
from wasm_emit.types import I32, Expr


@dataclass(frozen=True, kw_only=True)
class Cell:
    """``padded`` hidden units (a multiple of 4), the activations f, g, h, and ``clip`` (0: none) before each."""

    padded: int
    activations: tuple[Activation, ...]
    clip: float = 0.0

    @property
    def gate_bytes(self) -> int:
        """From one gate to the next."""
        return self.padded * FLOAT_BYTES

    @property
    def vectors(self) -> int:
        """Vectors of hidden units."""
        return self.padded // FLOAT_LANES


def activated(module: Module, name: str, cell: Cell, spec: Activation, gates: int) -> Function:
    """A function (gates) that applies an activation to that many gates in place.

    A loop with one activation in it runs several turns at once in the processor; one with five does not.
    """
    fn = module.function(name)
    at = fn.param(I32, "gates")
    with fn.pointer_loop(at, gates * cell.vectors, VECTOR_BYTES):
        fn.do(v128.store(at, _act(fn, cell, spec, v128.load(at))))
    return fn


def lstm_cell(module: Module, name: str, cell: Cell) -> Function:
    """A function (gates, c, h) of gates that are activated already: c and h are changed in place."""
    fn = module.function(name)
    gates, c, h = (fn.param(I32, part) for part in ("gates", "c", "h"))
    with fn.pointer_loop(gates, cell.vectors, VECTOR_BYTES):
        enter, leave, keep, fresh = (v128.load(gates, offset=gate * cell.gate_bytes) for gate in range(4))
        state = fn.new(f32x4.add(f32x4.mul(keep, v128.load(c)), f32x4.mul(enter, fresh)), "c")
        fn.do(v128.store(c, state))
        fn.do(v128.store(h, f32x4.mul(leave, activation(fn, cell.activations[2], state))))
        _advance(fn, [c, h])
    return fn


def lstm_peephole_cell(module: Module, name: str, cell: Cell) -> Function:
    """A function (gates, c, h, peepholes): the gates see the state; peepholes are i, o, f."""
    fn = module.function(name)
    gates, c, h, peep = (fn.param(I32, part) for part in ("gates", "c", "h", "peepholes"))
    f, g, last = cell.activations

    def seen(gate: int, index: int, state: Local) -> Expr:
        """A gate, and what it sees of the state."""
        value = v128.load(gates, offset=gate * cell.gate_bytes)
        return f32x4.add(value, f32x4.mul(v128.load(peep, offset=index * cell.gate_bytes), state))

    with fn.pointer_loop(gates, cell.vectors, VECTOR_BYTES):
        before = fn.new(v128.load(c), "before")
        enter = fn.new(_act(fn, cell, f, seen(0, 0, before)), "i")
        keep = fn.new(_act(fn, cell, f, seen(2, 2, before)), "f")
        fresh = _act(fn, cell, g, v128.load(gates, offset=3 * cell.gate_bytes))
        state = fn.new(f32x4.add(f32x4.mul(keep, before), f32x4.mul(enter, fresh)), "c")
        fn.do(v128.store(c, state))
        leave = fn.new(_act(fn, cell, f, seen(1, 1, state)), "o")
        fn.do(v128.store(h, f32x4.mul(leave, activation(fn, last, state))))
        _advance(fn, [c, h, peep])
    return fn


def gru_reset(module: Module, name: str, cell: Cell) -> Function:
    """A function (gates, h, reset): z takes its gate's place, and ``reset`` becomes r times h."""
    fn = module.function(name)
    gates, h, reset = (fn.param(I32, part) for part in ("gates", "h", "reset"))
    f = cell.activations[0]
    with fn.pointer_loop(gates, cell.vectors, VECTOR_BYTES):
        fn.do(v128.store(gates, _act(fn, cell, f, v128.load(gates))))
        r = _act(fn, cell, f, v128.load(gates, offset=cell.gate_bytes))
        fn.do(v128.store(reset, f32x4.mul(r, v128.load(h))))
        _advance(fn, [h, reset])
    return fn


def gru_cell(module: Module, name: str, cell: Cell) -> Function:
    """A function (gates, h): the z that ``gru_reset`` left and the candidate's gate become the new h."""
    fn = module.function(name)
    gates, h = (fn.param(I32, part) for part in ("gates", "h"))
    with fn.pointer_loop(gates, cell.vectors, VECTOR_BYTES):
        z = fn.new(v128.load(gates), "z")
        fresh = fn.new(_act(fn, cell, cell.activations[1], v128.load(gates, offset=2 * cell.gate_bytes)), "fresh")
        _blend(fn, z, fresh, h)
        _advance(fn, [h])
    return fn


def gru_linear_cell(module: Module, name: str, cell: Cell) -> Function:
    """A function (gates, start, h) for ``linear_before_reset``: the third gate holds h times its weights.

    ``start`` are the gates of the input alone; its third one is the candidate's.
    """
    fn = module.function(name)
    gates, start, h = (fn.param(I32, part) for part in ("gates", "start", "h"))
    f, g = cell.activations[:2]
    third = 2 * cell.gate_bytes
    with fn.pointer_loop(gates, cell.vectors, VECTOR_BYTES):
        z = fn.new(_act(fn, cell, f, v128.load(gates)), "z")
        r = fn.new(_act(fn, cell, f, v128.load(gates, offset=cell.gate_bytes)), "r")
        linear = f32x4.mul(r, v128.load(gates, offset=third))
        fresh = fn.new(_act(fn, cell, g, f32x4.add(v128.load(start, offset=third), linear)), "fresh")
        _blend(fn, z, fresh, h)
        _advance(fn, [start, h])
    return fn


def rnn_cell(module: Module, name: str, cell: Cell) -> Function:
    """A function (gates, h)."""
    fn = module.function(name)
    gates, h = (fn.param(I32, part) for part in ("gates", "h"))
    with fn.pointer_loop(gates, cell.vectors, VECTOR_BYTES):
        fn.do(v128.store(h, _act(fn, cell, cell.activations[0], v128.load(gates))))
        _advance(fn, [h])
    return fn


def _blend(fn: Function, z: Local, fresh: Local, h: Local) -> None:
    """H = (1 - z) fresh + z h."""
    rest = f32x4.sub(v128_const("f32x4", 1.0), z)
    fn.do(v128.store(h, f32x4.add(f32x4.mul(rest, fresh), f32x4.mul(z, v128.load(h)))))


def _act(fn: Function, cell: Cell, spec: Activation, value: Expr) -> Expr:
    if cell.clip:
        low, high = (v128_const("f32x4", bound) for bound in (-cell.clip, cell.clip))
        value = f32x4.pmin(fn.new(f32x4.pmax(fn.new(value, "x"), low), "x"), high)
    return activation(fn, spec, fn.new(value, "x"), F32X4)


def _advance(fn: Function, pointers: Sequence[Local]) -> None:
    for pointer in pointers:
        fn.advance(pointer, VECTOR_BYTES)
