"""Convolutions whose ``auto_pad`` SAME crops: ``Slice`` in front, so that nothing behind the importer pads below 0.

Where strides are wider than windows, ``(outputs - 1) * stride + reach - size`` may be below zero (Operators.md, Conv).
How much of that comes off the front is ONNX Runtime's choice, as measured (tests hold it). Pools it refuses then.
"""

from __future__ import annotations

import numpy as np
from onnx import helper, numpy_helper

from compiler.importer.call import Call
from compiler.importer.expansion import Expansion
from compiler.ir.same_pads import same_front

CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
"""Operators, and which input holds the weights."""


def uncropped(call: Call) -> Expansion | None:
    """The node with pads of its own behind a ``Slice``; ``None`` if it does not crop."""
    mode, place = str(call.attrs.get("auto_pad", "NOTSET")), CONVOLUTIONS.get(call.op)
    if place is None or not mode.startswith("SAME"):
        return None
    sizes, taps = call.type_of(0).shape[2:], call.type_of(place).shape[2:]
    strides, dilations = (call.attrs.get(name) or (1,) * len(sizes) for name in ("strides", "dilations"))
    if not len(sizes) == len(taps) == len(strides) == len(dilations) or 0 in (*sizes, *strides):
        return None
    totals = [
        (-(-size // stride) - 1) * stride + (tap - 1) * dilation + 1 - size
        for size, tap, stride, dilation in zip(sizes, taps, strides, dilations, strict=True)
    ]
    upper = mode == "SAME_UPPER"
    fronts = [same_front(total, upper=upper) for total in totals]
    if min(fronts, default=0) >= 0:
        return None
    behind = [max(total - front, 0) for total, front in zip(totals, fronts, strict=True)]
    return _expansion(call, fronts, behind, sizes)


def _expansion(call: Call, fronts: list[int], behind: list[int], sizes: tuple[int, ...]) -> Expansion:
    formal = [f"i{index}" if name else "" for index, name in enumerate(call.inputs)]
    begins = np.asarray([max(-front, 0) for front in fronts], np.int64)
    axes = np.arange(2, 2 + len(sizes), dtype=np.int64)
    arrays = {"begins": begins, "ends": np.asarray(sizes, np.int64), "axes": axes}
    nodes = [
        helper.make_node("Constant", [], [name], name=f"{call.name}_{name}", value=numpy_helper.from_array(array))
        for name, array in arrays.items()
    ]
    nodes.append(helper.make_node("Slice", ["i0", "begins", "ends", "axes"], ["rest"], name=f"{call.name}_crop"))
    pads = [*(max(front, 0) for front in fronts), *behind]
    made = helper.make_node(call.op, ["rest", *formal[1:]], ["o0"], name=call.name, pads=pads)
    made.attribute.extend(one for one in call.proto.attribute if one.name not in ("auto_pad", "pads"))
    return Expansion(nodes=[*nodes, made], inputs=formal, outputs=["o0"], opsets={"": call.version}, renamed=True)
