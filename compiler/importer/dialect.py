"""Old forms of operators in the words of the newest operator set, so that nothing behind the importer knows versions.

Each entry of ``_LIFTS`` gives the version that changed the form, and what changed. Source: Changelog.md and the version
history of each operator (https://github.com/onnx/onnx/blob/main/docs/Changelog.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from compiler.importer.call import Call
from compiler.importer.expansion import Expansion
from compiler.ir.graph import Attribute

_Lift: TypeAlias = Callable[[Call, int], Expansion]

_ALWAYS = 1 << 16
"""No version has a newest form of its own: another operator takes the place."""

_RESIZE_WITH_ROI = 11

_CHANNELS_RANK = 2

_AXIS_BEFORE_20 = 1
"""DFT's default axis in version 17."""


def lift(call: Call) -> Expansion | None:
    """The node in its newest form, ``None`` if it has that."""
    entry = _LIFTS.get(call.op)
    if entry is None or call.version >= entry[0]:
        return None
    return entry[1](call, entry[0])


def _renewed(
    call: Call,
    version: int,
    *,
    op: str = "",
    drop: Sequence[str] = (),
    put: Mapping[str, Attribute] | None = None,
    constants: Mapping[int, NDArray[Any]] | None = None,
    keep: int | None = None,
) -> Expansion:
    """The same node under ``version``.

    Attributes are dropped and put; of its inputs the first ``keep`` stay; constants are further inputs, by place.
    """
    formal = [f"i{index}" if name else "" for index, name in enumerate(call.inputs)]
    inputs, nodes = formal[:keep], []
    for place, array in (constants or {}).items():
        inputs += [""] * (place + 1 - len(inputs))
        inputs[place] = f"c{place}"
        nodes.append(_constant(inputs[place], array))
    outputs = [f"o{index}" if name else "" for index, name in enumerate(call.outputs)]
    kept = [one for one in call.proto.attribute if one.name not in (*drop, *(put or {}))]
    made = helper.make_node(op or call.op, inputs, outputs, name=call.name, **(put or {}))
    made.attribute.extend(kept)
    return Expansion(nodes=[*nodes, made], inputs=formal, outputs=outputs, opsets={"": version}, renamed=True)


def _constant(name: str, array: NDArray[Any]) -> onnx.NodeProto:
    return helper.make_node("Constant", [], [name], value=numpy_helper.from_array(array))


def _integers(values: Sequence[int] | int) -> NDArray[Any]:
    return np.array(values, np.int64)


def _attribute_as_input(attribute: str, place: int) -> _Lift:
    """An attribute of integers became an input."""

    def lifted(call: Call, version: int) -> Expansion:
        given = call.attrs.get(attribute)
        constants = {} if given is None else {place: np.atleast_1d(_integers(given))}
        return _renewed(call, version, drop=[attribute], constants=constants)

    return lifted


def _slice(call: Call, version: int) -> Expansion:
    starts = call.attrs["starts"]
    axes = call.attrs.get("axes", tuple(range(len(starts))))
    constants = {1: _integers(starts), 2: _integers(call.attrs["ends"]), 3: _integers(axes)}
    return _renewed(call, version, drop=["starts", "ends", "axes"], constants=constants)


def _clip(call: Call, version: int) -> Expansion:
    dtype = np.dtype(call.type_of(0).dtype.numpy_name)
    found = {1: call.attrs.get("min"), 2: call.attrs.get("max")}
    constants = {place: np.array(value, dtype) for place, value in found.items() if value is not None}
    return _renewed(call, version, drop=["min", "max"], constants=constants)


def _pad(call: Call, version: int) -> Expansion:
    pads = call.attrs.get("pads", call.attrs.get("paddings", ()))
    dtype = np.dtype(call.type_of(0).dtype.numpy_name)
    constants = {1: _integers(pads), 2: np.array(call.attrs.get("value", 0.0), dtype)}
    return _renewed(call, version, drop=["pads", "paddings", "value"], constants=constants)


def _upsample(call: Call, version: int) -> Expansion:
    """Upsample is Resize without half pixels; before version 9 the scales were an attribute."""
    rounding: dict[str, Attribute] = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if "scales" in call.attrs:
        scales = np.array(call.attrs["scales"], np.float32)
        return _renewed(call, version, op="Resize", drop=["scales"], put=rounding, constants={2: scales})
    renewed = _renewed(call, version, op="Resize", put=rounding)
    renewed.nodes[-1].input[:] = ["i0", "", "i1"]
    return renewed


def _resize(call: Call, version: int) -> Expansion:
    """Version 10 is Upsample's; version 11 only made ``roi`` mandatory."""
    return _upsample(call, version) if call.version < _RESIZE_WITH_ROI else _renewed(call, version)


def _scatter(call: Call, version: int) -> Expansion:
    return _renewed(call, version, op="ScatterElements")


def _flattened(call: Call, version: int) -> Expansion:
    """Softmax and its kin worked on rows of a matrix that begins at ``axis``; now on one axis."""
    shape = call.type_of(0).shape
    axis = int(call.attrs.get("axis", 1)) % max(len(shape), 1)
    rows = (math.prod(shape[:axis]), math.prod(shape[axis:]))
    nodes = [
        _constant("rows", _integers(rows)),
        helper.make_node("Reshape", ["i0", "rows"], ["flat"]),
        helper.make_node(call.op, ["flat"], ["soft"], name=call.name, axis=-1),
        _constant("shape", _integers(shape)),
        helper.make_node("Reshape", ["soft", "shape"], ["o0"]),
    ]
    return Expansion(nodes=nodes, inputs=["i0"], outputs=["o0"], opsets={"": version}, renamed=True)


def _dft(call: Call, version: int) -> Expansion:
    axis = _integers(int(call.attrs.get("axis", _AXIS_BEFORE_20)))
    return _renewed(call, version, drop=["axis"], constants={2: axis})


def _grid_sample(call: Call, version: int) -> Expansion:
    mode = {"bilinear": "linear", "bicubic": "cubic"}.get(call.attrs.get("mode", "bilinear"), "nearest")
    return _renewed(call, version, put={"mode": mode})


def _roi_align(call: Call, version: int) -> Expansion:
    return _renewed(call, version, put={"coordinate_transformation_mode": "output_half_pixel"})


def _group_normalization(call: Call, version: int) -> Expansion:
    """Scale and bias were one number per group; now one per channel."""
    kinds = [call.type_of(index) for index in range(3)]
    if kinds[0].rank < _CHANNELS_RANK or kinds[1].rank != 1 or kinds[2] != kinds[1] or 0 in kinds[1].shape:
        raise call.fault(f"expected [N, C, ..] and two vectors of groups, got {', '.join(map(str, kinds))}")
    channels, groups = kinds[0].shape[1], kinds[1].shape[0]
    nodes = [
        _constant("groups", _integers([groups, 1])),
        _constant("spread", _integers([groups, channels // groups])),
        _constant("channels", _integers([channels])),
    ]
    for name in ("i1", "i2"):
        nodes += [
            helper.make_node("Reshape", [name, "groups"], [f"{name}.a"]),
            helper.make_node("Expand", [f"{name}.a", "spread"], [f"{name}.b"]),
            helper.make_node("Reshape", [f"{name}.b", "channels"], [f"{name}.c"]),
        ]
    made = helper.make_node(call.op, ["i0", "i1.c", "i2.c"], ["o0"], name=call.name)
    made.attribute.extend(call.proto.attribute)
    return Expansion(
        nodes=[*nodes, made], inputs=["i0", "i1", "i2"], outputs=["o0"], opsets={"": version}, renamed=True
    )


def _cast_like(call: Call, _: int) -> Expansion:
    """The dtype is known: a Cast."""
    code = helper.np_dtype_to_tensor_dtype(np.dtype(call.type_of(1).dtype.numpy_name))
    return _renewed(call, call.version, op="Cast", put={"to": code}, keep=1)


_REDUCTIONS = ("L1", "L2", "LogSum", "LogSumExp", "Max", "Mean", "Min", "Prod", "SumSquare")

_LIFTS: Mapping[str, tuple[int, _Lift]] = {
    "CastLike": (_ALWAYS, _cast_like),
    "Clip": (11, _clip),
    "DFT": (20, _dft),
    "GridSample": (20, _grid_sample),
    "GroupNormalization": (21, _group_normalization),
    "Hardmax": (13, _flattened),
    "LogSoftmax": (13, _flattened),
    "Pad": (11, _pad),
    "ReduceSum": (13, _attribute_as_input("axes", 1)),
    "Resize": (13, _resize),
    "RoiAlign": (16, _roi_align),
    "Scatter": (11, _scatter),
    "Slice": (10, _slice),
    "Softmax": (13, _flattened),
    "Split": (13, _attribute_as_input("split", 1)),
    "Squeeze": (13, _attribute_as_input("axes", 1)),
    "TopK": (10, _attribute_as_input("k", 1)),
    "Unsqueeze": (13, _attribute_as_input("axes", 1)),
    "Upsample": (13, _upsample),
    **{f"Reduce{kind}": (18, _attribute_as_input("axes", 1)) for kind in _REDUCTIONS},
}
"""Operator -> the version since which its form is the newest, and how to reach it."""
