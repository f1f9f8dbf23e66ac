"""Golden vectors: inputs with expected outputs that an agent replays on the real device before activation.

File format (``application/vnd.skerry.golden.v1+zstd``): one zstd frame around one MessagePack document, see
``docs/bundle-format.md``.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import msgspec

from edge_bundle.blobs import compress, decompress
from edge_bundle.contract import GoldenTolerance
from edge_bundle.errors import FormatError, GoldenMismatchError
from edge_bundle.limits import MAX_GOLDEN_BYTES, MAX_GOLDEN_VECTORS
from edge_bundle.tensor import MAX_RANK, DType, Tensor, TensorName

GOLDEN_SCHEMA = 1
MAX_TENSORS = 64
"""Tensors in one vector; the contract allows as many inputs and as many outputs."""

_NO_TOLERANCE = GoldenTolerance(atol=0.0, rtol=0.0)

_Size = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _WireTensor(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    name: TensorName
    dtype: DType
    shape: Annotated[tuple[_Size, ...], msgspec.Meta(max_length=MAX_RANK)]
    data: bytes


_WireTensors = Annotated[tuple[_WireTensor, ...], msgspec.Meta(min_length=1, max_length=MAX_TENSORS)]


class _WireVector(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    inputs: _WireTensors
    outputs: _WireTensors


class _WireGoldens(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    schema: Annotated[int, msgspec.Meta(ge=GOLDEN_SCHEMA, le=GOLDEN_SCHEMA)]
    vectors: Annotated[tuple[_WireVector, ...], msgspec.Meta(min_length=1, max_length=MAX_GOLDEN_VECTORS)]


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """One replay: named input tensors and the outputs the prover measured."""

    inputs: dict[str, Tensor]
    outputs: dict[str, Tensor]


def encode_goldens(vectors: Sequence[GoldenVector]) -> bytes:
    """The golden blob; deterministic, tensors sorted by name. ``FormatError`` for data of the wrong length."""
    wire = _WireGoldens(
        schema=GOLDEN_SCHEMA,
        vectors=tuple(_WireVector(inputs=_to_wire(v.inputs), outputs=_to_wire(v.outputs)) for v in vectors),
    )
    return compress(msgspec.msgpack.encode(wire))


def decode_goldens(data: bytes) -> tuple[GoldenVector, ...]:
    """Read a golden blob; ``FormatError`` or ``LimitExceededError``."""
    packed = decompress(data, max_bytes=MAX_GOLDEN_BYTES)
    try:
        wire = msgspec.msgpack.decode(packed, type=_WireGoldens)
    except (msgspec.DecodeError, ValueError) as error:
        raise FormatError(what="golden vectors", expected="the golden schema", got=f"an error: {error}") from None
    return tuple(GoldenVector(_from_wire(v.inputs), _from_wire(v.outputs)) for v in wire.vectors)


def check_golden(
    expected: Mapping[str, Tensor],
    got: Mapping[str, Tensor],
    tolerance: GoldenTolerance | None,
    *,
    runtime: str,
    vector: int,
) -> None:
    """Compare outputs: equal names, dtypes and shapes, and ``|got - want| <= atol + rtol * |want|`` for each element.

    NaN equals NaN and an infinity equals itself. Integers and booleans are held to the same rule. Without a tolerance
    every byte must be the same, signs of zeros and bits of NaNs included. Raises ``GoldenMismatchError`` naming the
    worst element, or the first whose bytes differ, and the largest difference.
    """

    def refuse(tensor: str, want: str, have: str, largest: float | None = None) -> GoldenMismatchError:
        return GoldenMismatchError(
            runtime=runtime, vector=vector, tensor=tensor, expected=want, got=have, largest_difference=largest
        )

    if expected.keys() != got.keys():
        raise refuse("*", f"outputs {sorted(expected)}", str(sorted(got)))
    for name, want in expected.items():
        have = got[name]
        if (want.dtype, want.shape) != (have.dtype, have.shape):
            raise refuse(name, f"{want.dtype} {list(want.shape)}", f"{have.dtype} {list(have.shape)}")
        wrong = _wrong_bytes(want, have) if tolerance is None else _wrong_value(want, have, tolerance)
        if wrong is not None:
            index, want_text, have_text = wrong
            raise refuse(f"{name}[{index}]", want_text, have_text, _largest_difference(want, have))


def _wrong_bytes(want: Tensor, have: Tensor) -> tuple[int, str, str] | None:
    """Flat index of the first element whose bytes differ, and both in words."""
    index = _first_difference(want, have)
    if index is None:
        return None
    rest = f"(not one bit may differ; values differ by up to {_largest_difference(want, have):.3g})"
    return index, f"bytes {_hex(want, index)}", f"{_hex(have, index)} {rest}"


def _wrong_value(want: Tensor, have: Tensor, tolerance: GoldenTolerance) -> tuple[int, str, str] | None:
    """Flat index of the element furthest over its tolerance, and both in words."""
    worst = _worst_element(want, have, tolerance)
    if worst is None:
        return None
    index, a, b = worst
    limit = tolerance.atol + tolerance.rtol * abs(a)
    return index, f"{a!r} within {limit:.3g}", f"{b!r} (values differ by up to {_largest_difference(want, have):.3g})"


def _first_difference(want: Tensor, have: Tensor) -> int | None:
    """Flat index of the first element whose bytes differ; ``None`` when all are the same."""
    if want.data == have.data:
        return None
    _check_length(want, "golden tensor")
    _check_length(have, "output tensor")
    pairs = zip(bytes(want.data), bytes(have.data), strict=True)
    return next((i // want.dtype.itemsize for i, (a, b) in enumerate(pairs) if a != b), None)


def _hex(tensor: Tensor, index: int) -> str:
    size = tensor.dtype.itemsize
    return bytes(tensor.data)[index * size : (index + 1) * size].hex()


def _worst_element(want: Tensor, have: Tensor, tolerance: GoldenTolerance) -> tuple[int, float, float] | None:
    """Flat index, wanted and got value of the element furthest over its tolerance; ``None`` when all hold."""
    if want.data == have.data:
        return None
    worst: tuple[float, int, float, float] | None = None
    for i, (a, b) in enumerate(zip(_elements(want), _elements(have), strict=True)):
        excess = _excess(a, b, tolerance)
        if excess > 0 and (worst is None or excess > worst[0]):
            worst = (excess, i, a, b)
    return worst[1:] if worst else None


def _largest_difference(want: Tensor, have: Tensor) -> float:
    """Over all elements; infinite where a NaN or an infinity meets another value."""
    return max((_excess(a, b, _NO_TOLERANCE) for a, b in zip(_elements(want), _elements(have), strict=True)), default=0)


def _excess(want: float, got: float, tolerance: GoldenTolerance) -> float:
    if want == got or (math.isnan(want) and math.isnan(got)):
        return 0.0
    if not (math.isfinite(want) and math.isfinite(got)):
        return math.inf
    return abs(got - want) - (tolerance.atol + tolerance.rtol * abs(want))


def _elements(tensor: Tensor) -> Iterable[float]:
    # struct, not memoryview.cast: it states the byte order and knows FP16 on every Python we support.
    count = math.prod(tensor.shape)
    _check_length(tensor, "output tensor")
    return struct.unpack(f"<{count}{tensor.dtype.struct_code}", tensor.data)


def _to_wire(tensors: Mapping[str, Tensor]) -> tuple[_WireTensor, ...]:
    for name, tensor in tensors.items():
        _check_length(tensor, f"golden tensor {name!r}")
    return tuple(
        _WireTensor(name=name, dtype=t.dtype, shape=t.shape, data=bytes(t.data)) for name, t in sorted(tensors.items())
    )


def _from_wire(tensors: tuple[_WireTensor, ...]) -> dict[str, Tensor]:
    result = {t.name: Tensor(t.dtype, t.shape, t.data) for t in tensors}
    if len(result) != len(tensors):
        raise FormatError(what="golden vectors", expected="each tensor once", got="a repeated name")
    for name, tensor in result.items():
        _check_length(tensor, f"golden tensor {name!r}")
    return result


def _check_length(tensor: Tensor, what: str) -> None:
    size = memoryview(tensor.data).nbytes
    if size != tensor.nbytes:
        raise FormatError(what=what, expected=f"{tensor.nbytes} bytes", got=str(size))
