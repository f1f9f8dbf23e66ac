"""Numbers and names of WebAssembly's binary format, read within bounds and written.

Core specification 2.0, sections 5.2.2 (LEB128) and 5.2.4 (names).
"""

from __future__ import annotations

from edge_bundle.errors import FormatError, LimitExceededError

MAX_NAME_BYTES = 4096
"""Longest name of an export, import or custom section, in bytes; ours stay below 20."""

_U32_BYTES = 5
"""LEB128 spends 7 bits a byte: 32 bits fit into five (section 5.2.2)."""

_MORE, _DIGIT, _SIGN = 0x80, 0x7F, 0x40
"""Of a LEB128 byte: more follow, its 7 bits, the sign among them."""

U32_LIMIT, S32_SIGN = 1 << 32, 1 << 31
"""What an unsigned number stays below; the sign bit of a signed one."""


class Cursor:
    """Reads numbers and names from ``data[start:end]``. Every method raises ``FormatError`` rather than read on."""

    def __init__(self, data: bytes, start: int = 0, end: int | None = None, *, what: str = "module") -> None:
        self.data, self.at, self.end, self.what = data, start, len(data) if end is None else end, what

    @property
    def left(self) -> int:
        """Bytes not yet read."""
        return self.end - self.at

    def byte(self) -> int:
        """The next byte."""
        return self.take(1)[0]

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        if count > self.left:
            raise self.bad(f"{count} more bytes at offset {self.at}", str(self.left))
        self.at += count
        return self.data[self.at - count : self.at]

    def u32(self) -> int:
        """An unsigned 32-bit number in LEB128."""
        value = self._leb128()[0]
        if value >= U32_LIMIT:
            raise self.bad("a number below 2**32", str(value))
        return value

    def s32(self) -> int:
        """A signed 32-bit number in LEB128."""
        value, bits = self._leb128()
        if value >> (bits - 1):
            value -= 1 << bits
        if not -S32_SIGN <= value < S32_SIGN:
            raise self.bad("a number of 32 bits", str(value))
        return value

    def count(self, *, limit: int, of: str) -> int:
        """The length of a vector of at most ``limit`` elements. Raises ``LimitExceededError`` beyond it."""
        count = self.u32()
        if count > limit:
            raise LimitExceededError(what=f"{self.what}: {of}", limit=limit, got=count, unit=of)
        if count > self.left:  # an element takes a byte at least
            raise self.bad(f"at least {count} bytes for {count} {of}", str(self.left))
        return count

    def name(self) -> str:
        """A name: its length in bytes and its UTF-8 text."""
        length = self.u32()
        if length > MAX_NAME_BYTES:
            raise LimitExceededError(what=f"{self.what}: name", limit=MAX_NAME_BYTES, got=length, unit="bytes")
        raw = self.take(length)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.bad("a name in UTF-8", repr(raw[:80])) from None

    def finish(self) -> None:
        """Refuse bytes that are left over."""
        if self.left:
            raise self.bad("its end", f"{self.left} more bytes")

    def bad(self, expected: str, got: str) -> FormatError:
        """A refusal that names what is being read."""
        return FormatError(what=self.what, expected=expected, got=got)

    def _leb128(self) -> tuple[int, int]:
        """The digits as one number, and how many bits they have."""
        value = bits = 0
        for _ in range(_U32_BYTES):
            digit = self.byte()
            value |= (digit & _DIGIT) << bits
            bits += 7
            if digit < _MORE:
                return value, bits
        raise self.bad(f"a number of at most {_U32_BYTES} bytes", "a longer one")


def encode_u32(value: int) -> bytes:
    """LEB128 of a number in ``[0, 2**32)``."""
    if not 0 <= value < U32_LIMIT:
        raise LimitExceededError(what="unsigned number", limit=U32_LIMIT - 1, got=value, unit="")
    digits = bytearray()
    while value >= _MORE:
        digits.append(value & _DIGIT | _MORE)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def encode_s32(value: int) -> bytes:
    """LEB128 of a number in ``[-2**31, 2**31)``."""
    if not -S32_SIGN <= value < S32_SIGN:
        raise LimitExceededError(what="signed number", limit=S32_SIGN - 1, got=value, unit="")
    digits = bytearray()
    while not -_SIGN <= value < _SIGN:
        digits.append(value & _DIGIT | _MORE)
        value >>= 7
    digits.append(value & _DIGIT)
    return bytes(digits)
