"""Nodes whose output is known from attributes, shapes and constants alone, without asking ONNX for its type."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from compiler.importer.call import Call

MAX_RANGE = 1 << 22
"""Most elements of a ``Range``; models count positions and pixels with it."""

_SCALARS = {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64, "value_ints": np.int64}


def known_output(call: Call) -> NDArray[Any] | None:
    """The value of the node's only output, ``None`` if there is no rule or it is not known.

    Raises:
        UnsupportedOperatorError: a ``Constant`` that is a string or a sparse tensor.

    """
    rule = _RULES.get(call.op)
    return None if rule is None else rule(call)


def _constant(call: Call) -> NDArray[Any]:
    for name, value in call.attrs.items():
        if name == "value":
            array = np.asarray(value)
            if array.dtype.kind not in "biuf":
                raise call.refuse(f"expected a tensor of a dtype in use, got {array.dtype}")
            return array
        if name in _SCALARS:
            return np.array(value, _SCALARS[name])
    raise call.refuse(f"expected a dense tensor of numbers, got {', '.join(call.attrs) or 'nothing'}")


def _shape(call: Call) -> NDArray[Any]:
    shape = call.type_of(0).shape
    ends = (int(call.attrs.get(name, default)) for name, default in (("start", 0), ("end", len(shape))))
    first, last = (min(max(end + len(shape) if end < 0 else end, 0), len(shape)) for end in ends)
    return np.array(shape[first:last], np.int64)


def _size(call: Call) -> NDArray[Any]:
    return np.array(call.type_of(0).size, np.int64)


def _range(call: Call) -> NDArray[Any] | None:
    """Bounds of one element each; ONNX's own function bodies have some of rank 1."""
    found = [call.constant(index) for index in range(3)]
    bounds = [array.reshape(()) for array in found if array is not None and array.size == 1]
    if len(bounds) != len(found):
        return None
    start, limit, delta = bounds
    if not all(np.isfinite(bound) for bound in bounds) or delta == 0:
        raise call.fault(f"expected finite numbers and a step that is not 0, got {start}, {limit}, {delta}")
    count = max(int(np.ceil((limit.astype("f8") - start.astype("f8")) / delta.astype("f8"))), 0)
    if count > MAX_RANGE:
        raise call.refuse(f"expected at most {MAX_RANGE} elements, got {count}")
    made: NDArray[Any] = (start + np.arange(count) * delta).astype(start.dtype)
    return made


_RULES: Mapping[str, Callable[[Call], NDArray[Any] | None]] = {
    "Constant": _constant,
    "Range": _range,
    "Shape": _shape,
    "Size": _size,
}
