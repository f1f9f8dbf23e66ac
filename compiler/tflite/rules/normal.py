"""Softmax and the sigmoidal functions, whose integer kernels have fixed scales."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.tflite.kernel import Integers, Kernel
from compiler.tflite.rule import Rule, Rules
from compiler.tflite.site import Site
from edge_bundle.tensor import DType

_UNIT: Mapping[DType, tuple[float, int]] = {DType.INT8: (1 / 256, -128), DType.INT16: (1 / 32768, 0)}
"""Scale and zero point of results from 0 to 1 (LiteRT 8-bit quantization specification, ``LOGISTIC``, ``SOFTMAX``)."""

_BOTH_SIDES: Mapping[DType, tuple[float, int]] = {DType.INT8: (1 / 128, 0), DType.INT16: (1 / 32768, 0)}
"""Of results from -1 to 1 (``TANH``)."""


def _softmax(site: Site) -> None:
    """``SOFTMAX`` works along the last dimension."""
    rank = site.type_of(0).rank
    axis = int(site.node.attrs.get("axis", -1)) % rank
    order = (*(one for one in range(rank) if one != axis), axis)
    source = site.read(0, order)
    shape = site.draft.tensors[source].shape
    site.give(site.emit("SOFTMAX", (source,), shape, {"beta": 1.0}, "SoftmaxOptions"), order)


def _pointwise(op: str) -> Rule:
    def lower(site: Site) -> None:
        order = site.order(0)
        source = site.read(0, order)
        site.give(site.emit(op, (source,), site.draft.tensors[source].shape), order)

    fixed = _UNIT if op == "LOGISTIC" else _BOTH_SIDES
    return Rule(lower=lower, tflite=(op,), kernel=Kernel(integers=Integers.FIXED, fixed=fixed))


RULES: Rules = {
    "Softmax": Rule(lower=_softmax, tflite=("SOFTMAX",), kernel=Kernel(integers=Integers.FIXED, fixed=_UNIT)),
    "Sigmoid": _pointwise("LOGISTIC"),
    "Tanh": _pointwise("TANH"),
}
