"""What the text of an operator asks of its inputs' shapes, and ONNX's inference does not look at.

Kernels rely on these. The first two are worse: with them broken, onnx 1.23's inference reads behind the end of a list,
and the process ends. Source: Operators.md, under each operator's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compiler.importer.call import Call

_CHANNELS_RANK = 2
"""[N, C] and more."""


def hold_rules(call: Call) -> None:
    """Raise ``CompileError`` for a node that breaks a rule of its operator."""
    rule = _RULES.get(call.op)
    if rule is not None:
        rule(call)


def _split(call: Call) -> None:
    if call.attrs.get("num_outputs", len(call.outputs)) != len(call.outputs):
        raise call.fault(f"expected num_outputs of {len(call.outputs)}, got {call.attrs['num_outputs']}")


def _gather_nd(call: Call) -> None:
    shared, ranks = call.attrs.get("batch_dims", 0), [call.type_of(index).rank for index in (0, 1)]
    if not 0 <= shared < min(ranks):
        raise call.fault(f"expected batch_dims from 0 to {min(ranks) - 1}, got {shared}")


def _vector(call: Call) -> None:
    """The second input is a list of sizes or repeats."""
    if call.type_of(1).rank != 1:
        raise call.fault(f"expected a vector as input 1, got {call.type_of(1)}")


def _elements(call: Call) -> None:
    """Indices have the rank of the data, updates the shape of the indices."""
    shapes = [call.type_of(index).shape for index in range(3 if call.input(2) else 2)]
    if len(shapes[0]) != len(shapes[1]) or shapes[1] != shapes[-1]:
        raise call.fault(f"expected indices and updates as deep as the data, got {', '.join(map(str, shapes))}")


def _scatter_nd(call: Call) -> None:
    data, indices, updates = (call.type_of(index).shape for index in range(3))
    depth = indices[-1] if indices else len(data) + 1
    if depth > len(data) or updates != (*indices[:-1], *data[depth:]):
        raise call.fault(f"expected updates for indices {list(indices)} of {list(data)}, got {list(updates)}")


def _channels(call: Call) -> None:
    """Scale and bias have one number per channel; groups share the channels out."""
    shape = call.type_of(0).shape
    groups = call.attrs.get("num_groups", 1)
    if len(shape) < _CHANNELS_RANK or groups < 1 or shape[1] % groups:
        raise call.fault(f"expected [N, C, ..] with C a multiple of {groups}, got {list(shape)}")
    for index in (1, 2):
        if call.type_of(index).shape != shape[1:2]:
            raise call.fault(f"expected {shape[1]} channels as input {index}, got {call.type_of(index)}")


def _resize(call: Call) -> None:
    """A region has two ends for each axis that is resized."""
    axes = len(call.attrs.get("axes", call.type_of(0).shape))
    if call.input(1) and call.type_of(1).size not in (0, 2 * axes):
        raise call.fault(f"expected a region of {2 * axes} numbers, got {call.type_of(1).size}")


def _pad(call: Call) -> None:
    """Only a constant can stand beside nothing."""
    if call.attrs.get("mode", "constant") != "constant" and call.type_of(0).size == 0:
        raise call.fault(f"expected elements to pad from, got {call.type_of(0)}")


def _slope(call: Call) -> None:
    """The slope broadcasts to the input, never the other way round."""
    shape, slope = call.type_of(0).shape, call.type_of(1).shape
    pairs = zip(reversed(slope), reversed(shape), strict=False)
    if len(slope) > len(shape) or any(have not in (1, want) for have, want in pairs):
        raise call.fault(f"expected a slope that broadcasts to {list(shape)}, got {list(slope)}")


def _scales(call: Call) -> None:
    """One scale, one for each index of the axis, or, with ``block_size``, one for each block along it."""
    x, scale = call.type_of(0), call.type_of(1)
    zeros = call.type_of(2) if call.input(2) else scale
    if zeros.shape != scale.shape and (zeros.size, scale.size) != (1, 1):  # ONNX Runtime's quantizer writes [1] and []
        raise call.fault(f"expected zero points like the scales, {list(scale.shape)}, got {zeros}")
    if scale.size == 1 or call.attrs.get("block_size", 0):
        return
    axis = call.attrs.get("axis", 1)
    if not -x.rank <= axis < x.rank or scale.shape != (x.shape[axis],):
        raise call.fault(f"expected one scale or one for each index of axis {axis} of {x}, got {list(scale.shape)}")


def _groups(call: Call) -> None:
    """Channels are shared out evenly among groups."""
    groups, channels = call.attrs.get("group", 1), call.type_of(0).shape[1:2]
    if groups < 1 or not channels or channels[0] % groups:
        raise call.fault(f"expected groups that share the channels of {call.type_of(0)} evenly, got {groups}")


_RULES: Mapping[str, Callable[[Call], None]] = {
    "Conv": _groups,
    "ConvInteger": _groups,
    "ConvTranspose": _groups,
    "DequantizeLinear": _scales,
    "Expand": _vector,
    "GatherElements": _elements,
    "GatherND": _gather_nd,
    "GroupNormalization": _channels,
    "InstanceNormalization": _channels,
    "PRelu": _slope,
    "Pad": _pad,
    "QLinearConv": _groups,
    "QuantizeLinear": _scales,
    "Reshape": _vector,
    "Resize": _resize,
    "ScatterElements": _elements,
    "ScatterND": _scatter_nd,
    "Split": _split,
    "Tile": _vector,
}
