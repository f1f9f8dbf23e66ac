"""The fields of a protobuf message, without its schema. Just enough to look at a file before a runtime reads it.

Source: protobuf.dev/programming-guides/encoding. Groups, which nobody writes any more, are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from edge_bundle.errors import FormatError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_MAX_VARINT_BYTES = 10
"""64 bits at 7 a byte."""

_MORE = 0x80
"""This bit of a byte says that the number goes on."""

Value = int | memoryview
"""A number, or the bytes of a string, of a message, of packed numbers or of a fixed-size number."""


def fields(data: memoryview) -> Iterator[tuple[int, Value]]:
    """Every field with its number, in the order of the file. Raises ``FormatError`` for bytes that are no message."""
    at, end = 0, len(data)
    while at < end:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if not number:
            raise _broken("a field number", "0")
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in (_FIXED32, _FIXED64):
            size = 4 if kind == _FIXED32 else 8
        else:
            raise _broken("a wire type of 0, 1, 2 or 5", str(kind))
        if size > end - at:
            raise _broken(f"{size} bytes of field {number}", f"{end - at}")
        yield number, data[at : at + size]
        at += size


Fields: TypeAlias = Callable[[memoryview], Iterator[tuple[int, Value]]]
"""``fields``, or one that counts."""


def at_most(most: int) -> Fields:
    """``fields`` for all messages of one file, which raises ``FormatError`` beyond so many fields in all."""
    left = most

    def counted(data: memoryview) -> Iterator[tuple[int, Value]]:
        nonlocal left
        for one in fields(data):
            left -= 1
            if left < 0:
                raise _broken(f"at most {most} fields", "more")
            yield one

    return counted


def message(value: Value) -> memoryview:
    """The bytes of a field that must be no number. Raises ``FormatError``."""
    if isinstance(value, int):
        raise _broken("bytes", "a number")
    return value


def number(value: Value) -> int:
    """The number of a field. Raises ``FormatError``."""
    if not isinstance(value, int):
        raise _broken("a number", "bytes")
    return value


def text(value: Value) -> str:
    """The text of a field. Raises ``FormatError``."""
    try:
        return bytes(message(value)).decode()
    except UnicodeDecodeError as error:
        raise _broken("UTF-8", str(error)) from error


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for count, byte in enumerate(data[at : at + _MAX_VARINT_BYTES]):
        value |= (byte & ~_MORE) << (7 * count)
        if byte < _MORE:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + count + 1
    raise _broken("the end of a number", "none")


def _broken(expected: str, got: str) -> FormatError:
    return FormatError(what="protobuf message", expected=expected, got=got)
