"""Shapes of windows over space, where ONNX's inference is not what the operators' text says."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.importer.call import Call
from compiler.ir.graph import ValueType
from edge_bundle.errors import LimitExceededError

_CEILING_MENDED = 22
"""Since this version no pooling window may start behind the input; before, only inference counted such windows."""

MAX_PADDED = 1 << 31
"""Elements along one axis, pads included: more than a 32-bit memory holds of any float."""

_MODES = ("NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER")

_POOLS = frozenset({"AveragePool", "LpPool", "MaxPool"})

_WEIGHTS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3}
"""Which input holds the weights, whose spatial shape is the kernel's."""


def version_of_shapes(call: Call) -> int:
    """The operator set whose inference is right for the node."""
    ceils = call.op in _POOLS and call.attrs.get("ceil_mode", 0)
    return max(call.version, _CEILING_MENDED) if ceils else call.version


def check_windows(call: Call) -> None:
    """Hold that each window of a convolution or pool fits into the padded input; inference rounds such sizes up to 1.

    Raises ``CompileError`` for one that is larger, ``LimitExceededError`` for pads beyond any memory.
    """
    if call.op not in _POOLS and call.op not in _WEIGHTS:
        return
    mode, sizes = str(call.attrs.get("auto_pad", "NOTSET")), call.type_of(0).shape[2:]
    if mode not in _MODES:
        raise call.fault(f"expected auto_pad {', '.join(_MODES)}, got {mode!r}")
    if mode.startswith("SAME") or not sizes:
        return
    place = _WEIGHTS.get(call.op)
    kernel = tuple(call.attrs.get("kernel_shape") or (call.type_of(place).shape[2:] if place else ()))
    pads = (0,) * 2 * len(sizes) if mode == "VALID" else _numbers(call, "pads", 2 * len(sizes), 0)
    dilations = _numbers(call, "dilations", len(sizes), 1)
    if len(kernel) != len(sizes):
        raise call.fault(f"expected a kernel of {len(sizes)} dimensions, got {list(kernel)}")
    for axis, (size, taps, dilation) in enumerate(zip(sizes, kernel, dilations, strict=True)):
        padded, reach = size + pads[axis] + pads[axis + len(sizes)], (taps - 1) * dilation + 1
        if padded > MAX_PADDED:
            raise LimitExceededError(what=f"padded input of {call.name}", limit=MAX_PADDED, got=padded, unit="elements")
        if taps < 1 or dilation < 1 or reach > padded:
            raise call.fault(f"expected windows of 1 to {padded} elements, the padded input, got {reach} in {axis + 2}")


def transposed_type(call: Call) -> ValueType | None:
    """With ``auto_pad`` SAME ConvTranspose gives ``input * stride`` (Operators.md); inference adds ``output_padding``.

    Where the windows do not reach that far, it is what they reach.
    """
    x, w = call.type_of(0), call.type_of(1)
    rank = x.rank - 2
    spare = _numbers(call, "output_padding", rank, 0)
    if not any(spare) or not str(call.attrs.get("auto_pad", "")).startswith("SAME") or "output_shape" in call.attrs:
        return None
    strides, dilations = _numbers(call, "strides", rank, 1), _numbers(call, "dilations", rank, 1)
    sizes = (
        min(size * stride, (size - 1) * stride + (taps - 1) * dilation + 1 + more)
        for size, taps, stride, dilation, more in zip(x.shape[2:], w.shape[2:], strides, dilations, spare, strict=True)
    )
    return ValueType(x.dtype, (x.shape[0], w.shape[1] * int(call.attrs.get("group", 1)), *sizes))


def _numbers(call: Call, name: str, count: int, default: int) -> Sequence[int]:
    values: Sequence[int] = call.attrs.get(name) or (default,) * count
    if len(values) != count:
        raise call.fault(f"expected {count} numbers in {name}, got {list(values)}")
    return values
