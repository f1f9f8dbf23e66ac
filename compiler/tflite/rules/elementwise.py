"""Operators that compute element by element."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from compiler.ir.graph import Node
from compiler.tflite.kernel import Integers, Kernel
from compiler.tflite.model import OptionValue
from compiler.tflite.qdq import QdqGraph
from compiler.tflite.rule import Rule, Rules
from compiler.tflite.site import Site
from compiler.tflite.unit import FUSED, OPEN, bounds_of
from compiler.tflite.values import Order, first
from edge_bundle.tensor import DType


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


def ordered(shape: tuple[int, ...], order: Order) -> tuple[int, ...]:
    """A shape with its dimensions in that order."""
    return tuple(shape[axis] for axis in order)


def _many(op: str, table: str, kernel: Kernel, count: int) -> Rule:
    """An operator of ``count`` inputs that are broadcast to one shape."""

    def lower(site: Site) -> None:
        if len(site.node.inputs) != count:
            raise site.refuse(f"expected {count} inputs, got {len(site.node.inputs)}")
        order = result_order(site)
        inputs = [aligned(site, index, order) for index in range(count)]
        options: dict[str, OptionValue] = {"fusedActivationFunction": site.fused()} if kernel.fuses else {}
        if op in ("ADD", "SUB"):
            options["potScaleInt16"] = False
        site.give(site.emit(op, inputs, ordered(site.made.shape, order), options, table), order)

    return Rule(lower=lower, tflite=(op,), kernel=kernel)


def _binary(op: str, table: str, kernel: Kernel) -> Rule:
    return _many(op, table, kernel, 2)


def _unary(op: str, table: str = "", kernel: Kernel | None = None) -> Rule:
    def lower(site: Site) -> None:
        order = site.order(0)
        made = site.emit(op, (site.read(0, order),), ordered(site.made.shape, order), {}, table)
        site.give(made, order)

    return Rule(lower=lower, tflite=(op,), kernel=kernel or Kernel())


def _parametrised(op: str, table: str, fields: Mapping[str, tuple[str, float]], kernel: Kernel) -> Rule:
    """``fields``: option -> the attribute of the node, and its default."""

    def lower(site: Site) -> None:
        order = site.order(0)
        options = {name: float(site.node.attrs.get(held, absent)) for name, (held, absent) in fields.items()}
        made = site.emit(op, (site.read(0, order),), ordered(site.made.shape, order), options, table)
        site.give(made, order)

    return Rule(lower=lower, tflite=(op,), kernel=kernel)


def _clip(site: Site) -> None:
    """``RELU6`` and the like, or a ``MAXIMUM`` and a ``MINIMUM``; of integers, the stored bounds."""
    bounds = bounds_of(site.graph, site.node)
    if bounds is None:
        raise site.refuse("expected known bounds, got computed ones")
    order = site.order(0)
    place, shape = site.read(0, order), ordered(site.made.shape, order)
    if site.integer:
        site.give(place, order, bounds)
        return
    name = FUSED.get(bounds)
    if name not in (None, "NONE") and site.made.dtype is DType.FP32:
        site.give(site.emit(str(name), (place,), shape), order)
        return
    for bound, absent, op in zip(bounds, OPEN, ("MAXIMUM", "MINIMUM"), strict=True):
        if bound != absent:
            limit = site.draft.constant("bound", np.array(bound, site.made.dtype.numpy_name))
            place = site.emit(op, (place, limit), shape, {}, "MaximumMinimumOptions")
    site.give(place, order)


def _power(site: Site) -> None:
    """``SQUARE`` and ``SQRT`` for these exponents."""
    array = site.graph.floats(site.node.input(1))
    known = float(array.reshape(-1)[0]) if array is not None and array.size == 1 else None
    named = {2.0: ("SQUARE", "SquareOptions"), 0.5: ("SQRT", "")}
    if known not in named or site.made.shape != site.type_of(0).shape:
        order = result_order(site)
        inputs = (aligned(site, 0, order), aligned(site, 1, order))
        site.give(site.emit("POW", inputs, ordered(site.made.shape, order), {}, "PowOptions"), order)
        return
    op, table = named[known]
    order = site.order(0)
    site.give(site.emit(op, (site.read(0, order),), ordered(site.made.shape, order), {}, table), order)


def _reciprocal(site: Site) -> None:
    order = site.order(0)
    one = site.draft.constant("one", np.array(1.0, np.float32))
    options: dict[str, OptionValue] = {"fusedActivationFunction": site.fused()}
    inputs = (one, site.read(0, order))
    site.give(site.emit("DIV", inputs, ordered(site.made.shape, order), options, "DivOptions"), order)


def _identity(site: Site) -> None:
    order = site.order(0)
    site.give(site.read(0, order), order)


def _prelu(site: Site) -> None:
    """The slopes are of the shape without the batch."""
    order, slopes = result_order(site), site.known(1, "slopes")
    full = slopes.reshape((1,) * (site.made.rank - slopes.ndim) + slopes.shape)
    if full.shape[0] != 1:
        raise site.refuse("slopes for each row")
    held = site.draft.constant(site.node.input(1), full.transpose(order)[0])
    site.give(site.emit("PRELU", (site.read(0, order), held), ordered(site.made.shape, order)), order)


def _known_bounds(graph: QdqGraph, node: Node) -> bool:
    return bounds_of(graph, node) is not None


_ARITHMETIC = Kernel(integers=Integers.ANY, activations=2, fuses=True)
_BROADCAST = Kernel(integers=Integers.ANY, activations=2)
_FLOAT = Kernel()
_FUSED_FLOAT = Kernel(fuses=True)

RULES: Rules = {
    "Add": _binary("ADD", "AddOptions", _ARITHMETIC),
    "Sub": _binary("SUB", "SubOptions", _ARITHMETIC),
    "Mul": _binary("MUL", "MulOptions", _ARITHMETIC),
    "Div": _binary("DIV", "DivOptions", _FUSED_FLOAT),
    "Max": _binary("MAXIMUM", "MaximumMinimumOptions", _FLOAT),
    "Min": _binary("MINIMUM", "MaximumMinimumOptions", _FLOAT),
    "Pow": Rule(lower=_power, tflite=("POW", "SQUARE", "SQRT")),
    "And": _binary("LOGICAL_AND", "LogicalAndOptions", _FLOAT),
    "Or": _binary("LOGICAL_OR", "LogicalOrOptions", _FLOAT),
    "Equal": _binary("EQUAL", "EqualOptions", _FLOAT),
    "Greater": _binary("GREATER", "GreaterOptions", _FLOAT),
    "GreaterOrEqual": _binary("GREATER_EQUAL", "GreaterEqualOptions", _FLOAT),
    "Less": _binary("LESS", "LessOptions", _FLOAT),
    "LessOrEqual": _binary("LESS_EQUAL", "LessEqualOptions", _FLOAT),
    "Where": _many("SELECT_V2", "SelectV2Options", _FLOAT, 3),
    "Abs": _unary("ABS", "AbsOptions"),
    "Ceil": _unary("CEIL"),
    "Cos": _unary("COS", "CosOptions"),
    "Exp": _unary("EXP", "ExpOptions"),
    "Floor": _unary("FLOOR"),
    "HardSwish": _unary("HARD_SWISH", "HardSwishOptions"),
    "Log": _unary("LOG"),
    "Neg": _unary("NEG", "NegOptions"),
    "Not": _unary("LOGICAL_NOT", "LogicalNotOptions"),
    "Relu": _unary("RELU", "", Kernel(integers=Integers.ANY)),
    "Round": _unary("ROUND"),
    "Sin": _unary("SIN"),
    "Sqrt": _unary("SQRT"),
    "Cast": _unary("CAST", "CastOptions"),
    "Identity": Rule(lower=_identity, tflite=(), kernel=Kernel(integers=Integers.SAME)),
    "LeakyRelu": _parametrised(
        "LEAKY_RELU", "LeakyReluOptions", {"alpha": ("alpha", 0.01)}, Kernel(integers=Integers.ANY)
    ),
    "PRelu": Rule(lower=_prelu, tflite=("PRELU",), note="known slopes"),
    "Reciprocal": Rule(lower=_reciprocal, tflite=("DIV",), kernel=_FUSED_FLOAT),
    "Clip": Rule(
        lower=_clip,
        tflite=("RELU6", "MAXIMUM", "MINIMUM"),
        kernel=Kernel(integers=Integers.SAME, accepts=_known_bounds),
        note="known bounds",
    ),
}
