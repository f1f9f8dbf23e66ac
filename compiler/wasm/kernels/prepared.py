"""Operands made ready for a contraction: with a border around them, or widened to int32 less their zero point."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.ir.graph import ValueType
from compiler.wasm.kernels.copy import copy_layout, fill_run
from compiler.wasm.kernels.layout import Layout
from compiler.wasm.kernels.loopnest import elementwise
from compiler.wasm.kernels.operand import Operand, broadcast, contiguous
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.step import Emit, StepEmitter
from edge_bundle.tensor import DType
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, i64
from wasm_emit.types import I32, Expr


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """``value`` (of type ``kind``) inside a tensor of ``shape``, from ``before`` on, the rest filled with ``fill``.

    With ``widen`` the elements become int32 less ``zero``: the name of a value whose shape, ``zero_shape``, broadcasts
    to that of ``value``. ``key`` names the area that it takes; there is none if the value can be read as it lies. A
    ``fixed`` one reads constants only: ``init`` makes it ready, once.
    """

    key: str
    value: str
    kind: ValueType
    shape: tuple[int, ...]
    before: tuple[int, ...]
    fill: float = 0.0
    widen: bool = False
    zero: str = ""
    zero_shape: tuple[int, ...] = ()
    fixed: bool = False

    @staticmethod
    def plain(key: str, value: str, kind: ValueType) -> Prepared:
        """The value as it is."""
        return Prepared(key=key, value=value, kind=kind, shape=kind.shape, before=(0,) * kind.rank)

    @property
    def dtype(self) -> DType:
        """Of the elements that the contraction reads."""
        return DType.INT32 if self.widen else self.kind.dtype

    @property
    def layout(self) -> Layout:
        """As it lies in memory once it is ready."""
        return Layout.of(self.shape, self.dtype.itemsize)

    @property
    def as_it_lies(self) -> bool:
        """Whether nothing has to be done."""
        return not self.widen and self.shape == self.kind.shape

    @property
    def scratch(self) -> Mapping[str, int]:
        """For ``Step.scratch``."""
        return {} if self.as_it_lies or self.fixed else self._area

    @property
    def expanded(self) -> Mapping[str, int]:
        """For ``Step.expanded``."""
        return self._area if self.fixed and not self.as_it_lies else {}

    @property
    def _area(self) -> Mapping[str, int]:
        return {self.key: math.prod(self.shape) * self.dtype.itemsize}

    @property
    def reads(self) -> tuple[str, ...]:
        """For ``Step.reads``."""
        return tuple(filter(None, (self.value, self.zero)))

    def address(self, out: StepEmitter) -> int:
        """Write the code that makes it ready, unless ``init`` has; its address."""
        if self.as_it_lies:
            return out.at(self.value)
        if self.fixed:
            return out.expanded(self.key)
        base = out.scratch(self.key)
        self._write(out, base)
        return base

    def init(self, out: StepEmitter) -> None:
        """The part of ``init`` that makes a fixed one ready."""
        if self.expanded:
            self._write(out, out.expanded(self.key))

    def _write(self, out: StepEmitter, base: int) -> None:
        if self.shape != self.kind.shape:
            bits = fill_bits(self.dtype, self.fill)
            fill_run(out.fn, out.fn.new(base), bits, self.dtype.itemsize, math.prod(self.shape))
        to = Layout.of(self.shape, 1)
        for axis, (start, count) in enumerate(zip(self.before, self.kind.shape, strict=True)):
            to = to.part(axis, start, count)
        if self.widen:
            self._widen(out, base, to)
        else:
            come = Layout.of(self.kind.shape, self.dtype.itemsize)
            copy_layout(out.fn, base, to.scaled(self.dtype.itemsize), out.at(self.value), come, self.dtype.itemsize)

    def _widen(self, out: StepEmitter, base: int, to: Layout) -> None:
        target = Operand(address=base, dtype=DType.INT32, strides=to.strides, offset=to.start)
        source = Operand(address=out.at(self.value), dtype=self.kind.dtype, strides=contiguous(self.kind.shape))
        inputs = [source]
        if self.zero:
            strides = broadcast(self.zero_shape, self.kind.shape)
            inputs.append(Operand(address=out.at(self.zero), dtype=out.type_of(self.zero).dtype, strides=strides))
        elementwise(out.fn, self.kind.shape, target, inputs, _less_zero, exact=True)


def init_of(parts: Sequence[Prepared]) -> Emit | None:
    """``Step.init`` of a step with these operands."""
    fixed = [part for part in parts if part.expanded]

    def init(out: StepEmitter) -> None:
        for part in fixed:
            part.init(out)

    return init if fixed else None


def fill_bits(dtype: DType, value: float) -> Expr:
    """The bits of a constant, as ``fill_run`` takes them."""
    made = Lanes(dtype, 1).const(value)
    if made.type is I32:
        return made
    if dtype is DType.FP32:
        return i32.reinterpret_f32(made)
    return i64.reinterpret_f64(made) if dtype is DType.FP64 else made


def _less_zero(_fn: Function, lanes: Lanes, values: Sequence[Local]) -> Expr:
    """Widened lanes of 8 bits are int32 lanes already."""
    return lanes.sub(values[0], values[1]) if len(values) > 1 else values[0]
