"""Operators that work in either layout: how each is written once channels are last.

A rule takes the node, and gives the node's new inputs and attributes, or ``None`` when this node only works as ONNX has
it. Numbered as in ``layout.py``'s rule 2.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from compiler.ir.graph import Attribute, Node
from compiler.wasm.passes.draft import Draft
from compiler.wasm.passes.pads import all_pads
from compiler.wasm.passes.relayout import Layouts, moved_axis, to_last, widened


@dataclass(frozen=True)
class Carried:
    """What replaces the node: its inputs and attributes over channels-last values.

    ``flat`` says that the outputs have no channels-last form: they are as ONNX has them already.
    """

    inputs: tuple[str, ...]
    attrs: Mapping[str, Attribute] = field(default_factory=dict)
    flat: bool = False


Rule: TypeAlias = Callable[[Draft, Layouts, Node], "Carried | None"]

ELEMENTWISE = frozenset((
    "Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BitwiseAnd", "BitwiseNot", "BitwiseOr",
    "BitwiseXor", "Cast", "Ceil", "Celu", "Clip", "Cos", "Cosh", "Div", "Elu", "Equal", "Erf", "Exp", "Floor",
    "Gelu", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "IsInf", "IsNaN", "LeakyRelu", "Less",
    "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pow",
    "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign",
    "Sqrt", "Sub", "Sum", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Where", "Xor",
))  # fmt: skip
"""(a) One output element comes from one element of each input, with broadcasting."""


_FLATTENING = frozenset({"Hardmax", "LogSoftmax", "Softmax"})
_PLAIN_SOFTMAX_OPSET = 13
"""Before it, these flattened all dimensions from the axis on (Changelog.md, Softmax-13)."""


def elementwise(draft: Draft, layouts: Layouts, node: Node) -> Carried | None:
    """(a) Every operand of more than one element is put in the same layout."""
    rank = draft.types[node.output].rank
    return Carried(tuple(_operand(draft, layouts, name, rank) for name in node.inputs), dict(node.attrs))


def _operand(draft: Draft, layouts: Layouts, name: str, rank: int) -> str:
    if not name:
        return name
    kind = draft.types[name]
    if kind.rank == rank and (kind.size > 1 or layouts.has_last(name)):
        return layouts.last(name)
    layouts.first(name)
    return layouts.last(widened(draft, name, rank)) if kind.size > 1 else name


def per_axis(draft: Draft, layouts: Layouts, node: Node) -> Carried | None:
    """(b) The axis is renamed: Softmax, Concat, Split and quantization (where it matters if there are many scales)."""
    if node.op in _FLATTENING and draft.source.opset < _PLAIN_SOFTMAX_OPSET:
        return None
    rank = draft.types[node.input(0)].rank
    default = {"Softmax": -1, "LogSoftmax": -1, "Hardmax": -1, "Split": 0}.get(node.op, 1)
    axis = moved_axis(int(node.attrs.get("axis", default)), rank)
    if node.op == "Concat":
        return Carried(tuple(layouts.last(name) for name in node.inputs), {"axis": axis})
    attrs = dict(node.attrs) | {"axis": axis}
    return Carried((layouts.last(node.input(0)), *node.inputs[1:]), attrs)


def pad(draft: Draft, layouts: Layouts, node: Node) -> Carried | None:
    """(c) Begins and ends are listed in the new order."""
    rank = draft.types[node.input(0)].rank
    known = all_pads(draft, node)
    if known is None:
        return None
    full = np.array([side[axis] for side in known for axis in to_last(rank)], dtype=np.int64)
    pads = draft.new_constant(f"{node.output}/pads", full)
    return Carried((layouts.last(node.input(0)), pads, node.input(2)), dict(node.attrs))


def reduce(draft: Draft, layouts: Layouts, node: Node) -> Carried | None:
    """(d) Axes are renamed; without kept dimensions only when those that stay keep their order."""
    rank = draft.types[node.input(0)].rank
    given = draft.constant(node.input(1)) if node.input(1) else node.attrs.get("axes")
    if given is None or len(given) == 0:
        return None
    axes = sorted(int(axis) % rank for axis in given)
    keep = bool(node.attrs.get("keepdims", 1))
    left = [axis for axis in to_last(rank) if axis not in axes]
    if not keep and left != sorted(left):
        return None
    attrs = {key: value for key, value in node.attrs.items() if key != "axes"}
    places = sorted(moved_axis(axis, rank) for axis in axes)
    inputs: tuple[str, ...] = (layouts.last(node.input(0)),)
    if "axes" in node.attrs:
        attrs["axes"] = tuple(places)
    else:
        inputs = (*inputs, draft.new_constant(f"{node.output}/axes", np.array(places, dtype=np.int64)))
    return Carried(inputs, attrs, flat=not keep)


def cut(draft: Draft, layouts: Layouts, node: Node) -> Carried | None:
    """(e) Slice: axes are named, in the new order."""
    rank = draft.types[node.input(0)].rank
    starts, axes = draft.constant(node.input(1)), draft.constant(node.input(3))
    if starts is None or (node.input(3) and axes is None):
        return None
    where = range(len(starts)) if axes is None else axes.tolist()
    places = np.array([moved_axis(int(axis), rank) for axis in where], dtype=np.int64)
    named = draft.new_constant(f"{node.output}/axes", places)
    return Carried((layouts.last(node.input(0)), *node.inputs[1:3], named, *node.inputs[4:]), dict(node.attrs))


def _table() -> dict[str, Rule]:
    table: dict[str, Rule] = dict.fromkeys(ELEMENTWISE, elementwise)
    table |= dict.fromkeys(
        ("Concat", "DequantizeLinear", "Hardmax", "LogSoftmax", "QuantizeLinear", "Softmax", "Split"), per_axis
    )
    table |= dict.fromkeys(
        ("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin",
         "ReduceProd", "ReduceSum", "ReduceSumSquare"), reduce,
    )  # fmt: skip
    return table | {"Pad": pad, "Slice": cut}


RULES: Mapping[str, Rule] = _table()
