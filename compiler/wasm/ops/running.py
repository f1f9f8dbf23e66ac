"""Along one axis with a running state: CumSum, CumProd, TopK."""

from __future__ import annotations

import math
from collections.abc import Callable

from compiler.ir.graph import Node
from compiler.wasm.kernels.loops import loops
from compiler.wasm.numerics.lanes import Lanes
from compiler.wasm.numerics.sizes import INDEX_BYTES
from compiler.wasm.numerics.storage import load, store
from compiler.wasm.ops.arguments import axis_of, known_ints
from compiler.wasm.ops.copies import layout
from compiler.wasm.ops.dtypes import NUMBERS
from compiler.wasm.ops.rule import Lower, Rule, Rules, Scope, refuse
from compiler.wasm.step import Step, StepEmitter
from wasm_emit.function import Function, Local
from wasm_emit.instructions import i32, i64
from wasm_emit.types import I32, Expr


def _cumulative(start: float, combine: Callable[[Lanes, Expr, Expr], Expr]) -> Lower:
    """``y[i] = combine(y[i - 1], x[i])``; ``exclusive`` leaves ``x[i]`` out, ``reverse`` begins at the end."""

    def lower(node: Node, scope: Scope) -> Step:
        kind = scope.type_of(node.input(0))
        axes = known_ints(node, scope, 1, "axis")
        if not axes or kind.rank == 0:
            raise refuse(node, "expected an axis")
        axis = axes[0] % kind.rank
        source = layout(scope, node.input(0))
        step, length = source.strides[axis], kind.shape[axis]
        reverse, exclusive = bool(node.attrs.get("reverse", 0)), bool(node.attrs.get("exclusive", 0))
        others = [other for other in range(kind.rank) if other != axis]
        lanes = Lanes(kind.dtype, 1)
        first = (length - 1) * step if reverse else 0

        def emit(out: StepEmitter) -> None:
            fn = out.fn
            if kind.size == 0:
                return
            strides = [source.strides[other] for other in others]
            bases = [fn.new(out.at(value) + first, "base") for value in (node.input(0), node.output)]
            with loops(fn, [kind.shape[other] for other in others], [(base, strides) for base in bases]) as (line, _):
                total = fn.new(lanes.const(start), "total")
                along = [-step if reverse else step]
                with loops(fn, [length], [(one, along) for one in line]) as ((come, to), _):
                    value = fn.new(load(lanes, come), "x")
                    if exclusive:
                        fn.do(store(lanes, to, total))
                    fn.set(total, combine(lanes, total, value))
                    if not exclusive:
                        fn.do(store(lanes, to, total))

        return Step(name=node.name, op=node.op.lower(), reads=(node.input(0),), writes=(node.output,), emit=emit)

    return lower


def _top_k(node: Node, scope: Scope) -> Step:
    """The k best in order, earlier ones first among equals: insertion into the output, which is always sorted.

    NaN counts as greater than every number, as numpy sorts it.
    """
    kind = scope.type_of(node.input(0))
    axis = axis_of(node, kind.rank, -1)
    count = scope.type_of(node.output).shape[axis]
    outer, inner = math.prod(kind.shape[:axis]), math.prod(kind.shape[axis + 1 :])
    largest = bool(node.attrs.get("largest", 1))
    item, size = kind.dtype.itemsize, kind.shape[axis]
    if node.input(1) and scope.constant(node.input(1)) is None:
        raise refuse(node, "k must be a constant")
    if count > size:
        raise refuse(node, f"expected k of at most {size}, got {count}")
    outputs = tuple(node.outputs)
    if len(outputs) != 2 or not all(outputs):  # noqa: PLR2004 - values and indices
        raise refuse(node, "expected both outputs, values and indices")

    def emit(out: StepEmitter) -> None:
        fn = out.fn
        if outer * inner * count == 0:
            return
        pointers = [
            (fn.new(out.at(node.input(0)), "x"), [size * inner * item, item]),
            (fn.new(out.at(outputs[0]), "values"), [count * inner * item, item]),
            (fn.new(out.at(outputs[1]), "indices"), [count * inner * INDEX_BYTES, INDEX_BYTES]),
        ]
        with (
            loops(fn, [outer, inner], pointers) as ((line, values, indices), _),
            loops(fn, [size], [(line, [inner * item])], indexed=frozenset({0})) as ((at,), (index,)),
        ):
            _Ranks(fn, Lanes(kind.dtype, 1), values, indices, inner, count, largest=largest).insert(at, index)

    return Step(name=node.name, op="top_k", reads=(node.input(0),), writes=outputs, emit=emit)


class _Ranks:
    """The sorted list in the output: element ``r`` lies ``r * inner`` elements after the first."""

    def __init__(
        self, fn: Function, lanes: Lanes, values: Expr, indices: Expr, inner: int, count: int, *, largest: bool
    ) -> None:
        self._fn, self._lanes, self._values, self._indices = fn, lanes, values, indices
        self._count, self._largest = count, largest
        self._item, self._index_item = inner * lanes.dtype.itemsize, inner * INDEX_BYTES

    def insert(self, at: Expr, index: Expr) -> None:
        """The element at ``at``, unless the list is full of better ones."""
        fn = self._fn
        value = fn.new(load(self._lanes, at), "value")
        rank = fn.local(I32, "rank")
        with fn.block("done") as done:
            with fn.block("fits") as fits:
                fn.set(rank, index)
                fn.br(fits, i32.lt_u(index, self._count))
                fn.set(rank, self._count - 1)
                last = fn.new(load(self._lanes, self._value(rank)), "last")
                fn.br(done, i32.eqz(self._better(value, last)))
            self._shift(rank, value)
            fn.do(store(self._lanes, self._value(rank), value))
            fn.do(i64.store(self._index(rank), i64.extend_i32_u(index)))

    def _better(self, value: Local, other: Local) -> Expr:
        lanes, (great, small) = self._lanes, (value, other) if self._largest else (other, value)
        if not lanes.is_float:
            return lanes.gt(great, small)
        return i32.or_(lanes.gt(great, small), i32.and_(lanes.ne(great, great), lanes.eq(small, small)))

    def _shift(self, rank: Local, value: Local) -> None:
        """Move worse ones back by one until the place is found."""
        fn = self._fn
        with fn.block("found") as found, fn.loop("shift") as again:
            fn.br(found, i32.eqz(rank))
            before = fn.new(rank - 1, "before")
            other = fn.new(load(self._lanes, self._value(before)), "other")
            fn.br(found, i32.eqz(self._better(value, other)))
            fn.do(store(self._lanes, self._value(rank), other))
            fn.do(i64.store(self._index(rank), i64.load(self._index(before))))
            fn.set(rank, before)
            fn.br(again)

    def _value(self, rank: Local) -> Expr:
        return self._values + rank * self._item

    def _index(self, rank: Local) -> Expr:
        return self._indices + rank * self._index_item


_AXIS = "a constant axis"
_PRODUCT = _cumulative(1.0, lambda lanes, total, value: lanes.mul(total, value))
_SUM = _cumulative(0.0, lambda lanes, total, value: lanes.add(total, value))
RULES: Rules = {
    "CumProd": Rule(lower=_PRODUCT, dtypes=NUMBERS, note=_AXIS),
    "CumSum": Rule(lower=_SUM, dtypes=NUMBERS, note=_AXIS),
    "TopK": Rule(
        lower=_top_k, dtypes=NUMBERS, note="a constant k; equal elements keep their order; NaN is the greatest"
    ),
}
