"""Operators that compute element by element."""

from __future__ import annotations

from compiler.tflite.kernel import Integers, Kernel
from compiler.tflite.rule import Rule, Rules
from compiler.tflite.site import Site
from compiler.tflite.values import Order, first


def aligned(site: Site, index: int, order: Order) -> int:
    """An input in that order of the result's dimensions; a lower rank gets sizes of 1 in front."""
    rank, kind = len(order), site.type_of(index)
    if kind.rank == rank:
        return site.read(index, order)
    if order == first(rank) or kind.rank == 0:
        return site.read(index)
    place = site.draft.reshaped(site.read(index), (*(1,) * (rank - kind.rank), *kind.shape))
    return site.draft.transposed(place, order)


def result_order(site: Site) -> Order:
    """The order of the first input of the result's rank that lies in any but the usual one."""
    rank = site.made.rank
    indices = [
        index for index in range(len(site.node.inputs)) if site.given(index) and site.type_of(index).rank == rank
    ]
    orders = [site.order(index) for index in indices]
    return next((order for order in orders if order != first(rank)), first(rank))


def _ordered(shape: tuple[int, ...], order: Order) -> tuple[int, ...]:
    return tuple(shape[axis] for axis in order)


def _binary(op: str, table: str, kernel: Kernel = Kernel()) -> Rule:  # noqa: B008  # frozen
    def lower(site: Site) -> None:
        order = result_order(site)
        inputs = (aligned(site, 0, order), aligned(site, 1, order))
        options = {"fusedActivationFunction": site.fused()} if kernel.fuses else {}
        if op in ("ADD", "SUB"):
            options["potScaleInt16"] = False
        site.give(site.emit(op, inputs, _ordered(site.made.shape, order), options, table), order)

    return Rule(lower=lower, tflite=(op,), kernel=kernel)


def _unary(op: str, table: str = "") -> Rule:
    def lower(site: Site) -> None:
        order = site.order(0)
        site.give(site.emit(op, (site.read(0, order),), _ordered(site.made.shape, order), {}, table), order)

    return Rule(lower=lower, tflite=(op,))


_ARITHMETIC = Kernel(integers=Integers.ANY, activations=2, fuses=True)
_FLOAT_ARITHMETIC = Kernel(fuses=True)

RULES: Rules = {
    "Add": _binary("ADD", "AddOptions", _ARITHMETIC),
    "Sub": _binary("SUB", "SubOptions", _ARITHMETIC),
    "Mul": _binary("MUL", "MulOptions", _ARITHMETIC),
    "Div": _binary("DIV", "DivOptions", _FLOAT_ARITHMETIC),
    "Sqrt": _unary("SQRT"),
}
