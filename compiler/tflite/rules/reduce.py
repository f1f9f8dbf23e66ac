"""Reductions over dimensions."""

from __future__ import annotations

import numpy as np

from compiler.tflite.kernel import Integers, Kernel
from compiler.tflite.model import OptionValue
from compiler.tflite.rule import Rule, Rules
from compiler.tflite.schema import member
from compiler.tflite.site import Site
from compiler.tflite.values import Order


def _reduction(op: str, kernel: Kernel | None = None) -> Rule:
    def lower(site: Site) -> None:
        axes = _axes(site)
        if not axes:
            raise site.refuse("expected dimensions to reduce, got none")
        keeps = bool(site.node.attrs.get("keepdims", 1))
        order = site.order(0)
        source = site.read(0, order)
        places = site.draft.integers("axes", sorted(order.index(axis) for axis in axes))
        shape = [1 if axis in axes else site.type_of(0).shape[axis] for axis in order]
        if not keeps:
            shape = [size for size, axis in zip(shape, order, strict=True) if axis not in axes]
        made = site.emit(op, (source, places), tuple(shape), {"keepDims": keeps}, "ReducerOptions")
        site.give(made, order if keeps else _left(order, axes))

    return Rule(lower=lower, tflite=(op,), kernel=kernel or Kernel(), note="known axes")


def _axes(site: Site) -> set[int]:
    rank = site.type_of(0).rank
    if site.given(1):
        held = site.known(1, "axes").tolist()
        if held or site.node.attrs.get("noop_with_empty_axes", 0):
            return {int(axis) % rank for axis in held}
    return set(range(rank))


def _left(order: Order, axes: set[int]) -> Order:
    """The order of the dimensions that are left, counted anew."""
    left = [axis for axis in order if axis not in axes]
    return tuple(sorted(left).index(axis) for axis in left)


def _arg(op: str, table: str) -> Rule:
    def lower(site: Site) -> None:
        if site.node.attrs.get("select_last_index", 0):
            raise site.refuse("the last of equals")
        axis = int(site.node.attrs.get("axis", 0)) % site.type_of(0).rank
        shape = tuple(size for index, size in enumerate(site.type_of(0).shape) if index != axis)
        options: dict[str, OptionValue] = {"outputType": member("TensorType", "INT64")}
        inputs = (site.read(0), site.draft.constant("axis", np.array(axis, np.int32)))
        site.give(site.emit(op, inputs, shape, options, table))

    return Rule(lower=lower, tflite=(op,))


RULES: Rules = {
    "ReduceMean": _reduction("MEAN", Kernel(integers=Integers.ANY)),
    "ReduceMax": _reduction("REDUCE_MAX", Kernel(integers=Integers.SAME)),
    "ReduceMin": _reduction("REDUCE_MIN", Kernel(integers=Integers.SAME)),
    "ReduceProd": _reduction("REDUCE_PROD"),
    "ReduceSum": _reduction("SUM"),
    "ArgMax": _arg("ARG_MAX", "ArgMaxOptions"),
    "ArgMin": _arg("ARG_MIN", "ArgMinOptions"),
}
