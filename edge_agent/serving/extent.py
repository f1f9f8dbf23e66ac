"""Smallest and largest element of a tensor, and clipping: numpy where it is installed, plain Python where it is not.

Both ways give the same results (a property test holds them together). numpy is imported at the first use, never at
the agent's start: an agent that serves only WebAssembly variants has none.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import math
import struct
from types import ModuleType
from typing import Any, NamedTuple

from edge_bundle.tensor import DType, Tensor

PLAIN_MAX_ELEMENTS = 16
"""Up to this many elements plain Python is faster than three numpy calls (measured: 1 us each way)."""

_PLAIN_MAX_BYTES = {dtype: PLAIN_MAX_ELEMENTS * dtype.itemsize for dtype in DType}


class Extent(NamedTuple):
    """Range of a tensor's elements, NaN apart. Without any element to compare it is ``(inf, -inf)``."""

    smallest: float
    largest: float
    has_nan: bool


def extent(tensor: Tensor) -> Extent:
    """Smallest and largest element and whether one is NaN. Integers come back as ``int``, exactly."""
    data = tensor.data
    size = data.nbytes if type(data) is memoryview else len(data)
    numpy = _numpy() if size > _PLAIN_MAX_BYTES[tensor.dtype] else None
    return extent_plain(tensor) if numpy is None else extent_numpy(tensor, numpy)


def extent_plain(tensor: Tensor) -> Extent:
    """``extent`` with the standard library alone."""
    numbers = _values(tensor)
    has_nan = False
    if math.isnan(sum(numbers)):  # one NaN makes the sum NaN; so do two infinities, hence the closer look
        rest = tuple(value for value in numbers if not math.isnan(value))
        has_nan = len(rest) != len(numbers)
        numbers = rest
    if not numbers:
        return Extent(math.inf, -math.inf, has_nan)
    return Extent(min(numbers), max(numbers), has_nan)


def extent_numpy(tensor: Tensor, numpy: ModuleType) -> Extent:
    """``extent`` with numpy."""
    array = numpy.frombuffer(tensor.data, _element_type(tensor.dtype, numpy))
    if array.size == 0:
        return Extent(math.inf, -math.inf, has_nan=False)
    # The position of a NaN where there is one. A third of the time of numpy's minimum up to a thousand elements.
    smallest, largest = array.item(array.argmin()), array.item(array.argmax())
    if smallest == smallest:  # noqa: PLR0124
        return Extent(smallest, largest, has_nan=False)
    numbers = array[array == array]  # noqa: PLR0124
    if numbers.size == 0:
        return Extent(math.inf, -math.inf, has_nan=True)
    return Extent(numpy.minimum.reduce(numbers).item(), numpy.maximum.reduce(numbers).item(), has_nan=True)


def clip(tensor: Tensor, low: float, high: float) -> Tensor:
    """The tensor with every element moved into ``[low, high]``; both are values of its dtype, or inrest."""
    numpy = _numpy()
    return clip_plain(tensor, low, high) if numpy is None else clip_numpy(tensor, low, high, numpy)


def clip_plain(tensor: Tensor, low: float, high: float) -> Tensor:
    """``clip`` with the standard library alone."""
    values = [low if value < low else min(value, high) for value in _values(tensor)]
    data = struct.pack(f"<{len(values)}{tensor.dtype.struct_code}", *values)
    return Tensor(tensor.dtype, tensor.shape, data)


def clip_numpy(tensor: Tensor, low: float, high: float, numpy: ModuleType) -> Tensor:
    """``clip`` with numpy."""
    array = numpy.frombuffer(tensor.data, dtype=tensor.dtype.numpy_name)
    if low != -math.inf:
        array = numpy.where(array < low, array.dtype.type(low), array)
    if high != math.inf:
        array = numpy.where(array > high, array.dtype.type(high), array)
    return Tensor(tensor.dtype, tensor.shape, array.tobytes())


def bounds(dtype: DType, minimum: float | None, maximum: float | None) -> tuple[float, float]:
    """The range of a contract as elements of ``dtype`` can hold it; an infinity where there is nothing to compare.

    Floats: the nearest FP16 or FP32 value, so that a client that sends the FP32 value of ``maximum = 0.1`` is not
    turned away by rounding. Integers: the whole numbers inside the range.
    """
    low = -math.inf if minimum is None else _nearest(dtype, minimum) if dtype.is_float else math.ceil(minimum)
    high = math.inf if maximum is None else _nearest(dtype, maximum) if dtype.is_float else math.floor(maximum)
    if dtype.is_float or dtype is DType.BOOL:
        return low, high
    least, most = integer_limits(dtype)
    return (-math.inf if low <= least else min(low, most)), (math.inf if high >= most else max(high, least))


def integer_limits(dtype: DType) -> tuple[int, int]:
    """Smallest and largest value of an integer dtype."""
    bits = 8 * dtype.itemsize
    return (0, 2**bits - 1) if dtype.value.startswith("U") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _nearest(dtype: DType, bound: float) -> float:
    code = f"<{dtype.struct_code}"
    try:
        return float(struct.unpack(code, struct.pack(code, bound))[0])
    except OverflowError:
        return math.copysign(math.inf, bound)


def _values(tensor: Tensor) -> tuple[float, ...]:
    return _unpacker(tensor.dtype, tensor.shape).unpack(tensor.data)


@functools.lru_cache(maxsize=256)
def _unpacker(dtype: DType, shape: tuple[int, ...]) -> struct.Struct:
    return struct.Struct(f"<{math.prod(shape)}{dtype.struct_code}")


@functools.cache
def _element_type(dtype: DType, numpy: ModuleType) -> Any:
    """Numpy's dtype object: looking it up by name takes as long as finding the smallest of 64 elements."""
    return numpy.dtype(dtype.numpy_name)


@functools.cache
def _numpy() -> ModuleType | None:
    """numpy, or None where it is not installed."""
    return importlib.import_module("numpy") if importlib.util.find_spec("numpy") else None
