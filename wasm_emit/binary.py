"""The binary format of WebAssembly, as far as sections go: read them within bounds, append data and custom sections.

Core specification 2.0, chapter 5 (binary format) and appendix A.4 (custom sections). No runtime is needed for it.
Appending the weights here takes milliseconds; as a WAT string the same bytes take seconds.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from edge_bundle.errors import FormatError, LimitExceededError

HEADER = b"\0asm\1\0\0\0"
"""Magic and version of every module (section 5.5.16)."""

MAX_SECTIONS = 256
"""Sections of one module; ours have ten, and toolchains add a handful of custom ones."""

MAX_NAME_BYTES = 4096
"""Longest name of an export, import or custom section, in bytes; ours stay below 20."""

_U32_BYTES = 5
"""LEB128 spends 7 bits a byte: 32 bits fit into five (section 5.2.2)."""

_MORE, _DIGIT, _SIGN = 0x80, 0x7F, 0x40
"""Of a LEB128 byte: more follow, its 7 bits, the sign among them."""

_U32_LIMIT = 1 << 32
_S32_SIGN = 1 << 31
_I32_CONST, _END = 0x41, 0x0B


class SectionId(enum.IntEnum):
    """Section numbers (section 5.5.2; 13 is exception handling's)."""

    CUSTOM = 0
    TYPE = 1
    IMPORT = 2
    FUNCTION = 3
    TABLE = 4
    MEMORY = 5
    GLOBAL = 6
    EXPORT = 7
    START = 8
    ELEMENT = 9
    CODE = 10
    DATA = 11
    DATA_COUNT = 12
    TAG = 13


_ORDER = (
    SectionId.TYPE,
    SectionId.IMPORT,
    SectionId.FUNCTION,
    SectionId.TABLE,
    SectionId.MEMORY,
    SectionId.TAG,
    SectionId.GLOBAL,
    SectionId.EXPORT,
    SectionId.START,
    SectionId.ELEMENT,
    SectionId.DATA_COUNT,
    SectionId.CODE,
    SectionId.DATA,
)
_RANK = {section: rank for rank, section in enumerate(_ORDER)}


@dataclass(frozen=True, slots=True)
class Section:
    """Where a section lies: ``start`` is its number's byte, ``body`` its contents' first, ``end`` the first after it.

    ``name`` is that of a custom section (its contents begin at ``body``, after the name), else empty.
    """

    id: SectionId
    start: int
    body: int
    end: int
    name: str = ""

    @property
    def size(self) -> int:
        """Bytes of its contents."""
        return self.end - self.body


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
        if value >= _U32_LIMIT:
            raise self.bad("a number below 2**32", str(value))
        return value

    def s32(self) -> int:
        """A signed 32-bit number in LEB128."""
        value, bits = self._leb128()
        if value >> (bits - 1):
            value -= 1 << bits
        if not -_S32_SIGN <= value < _S32_SIGN:
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


def sections(module: bytes) -> Iterator[Section]:
    """The sections of a module in order; nothing inside them is looked at but the name of a custom one.

    Raises ``FormatError`` for a wrong header, a section that is unknown, repeated, out of order or longer than the
    module, and ``LimitExceededError`` beyond ``MAX_SECTIONS``.
    """
    if not module.startswith(HEADER):
        raise FormatError(
            what="module", expected=f"header {HEADER.hex()}", got=module[: len(HEADER)].hex() or "nothing"
        )
    cursor = Cursor(module, len(HEADER))
    rank = -1
    for number in range(MAX_SECTIONS + 1):
        if not cursor.left:
            return
        if number == MAX_SECTIONS:
            break
        section = _section(cursor)
        if section.id is not SectionId.CUSTOM:
            if _RANK[section.id] <= rank:
                raise cursor.bad("each section once and in order", f"section {section.id.name.lower()} too late")
            rank = _RANK[section.id]
        yield section
    raise LimitExceededError(what="module", limit=MAX_SECTIONS, got=MAX_SECTIONS + 1, unit="sections")


def append_data(code: bytes, offset: int, data: bytes | memoryview) -> bytes:
    """The module with a data section of one active segment for memory 0 (section 5.5.14).

    ``offset`` is the segment's first byte in memory. Raises ``FormatError`` if the module has data already, or does not
    parse; ``LimitExceededError`` if offset and length do not fit into 32 bits.
    """
    if not 0 <= offset <= offset + len(data) <= _U32_LIMIT - 1:
        raise LimitExceededError(what="data segment", limit=_U32_LIMIT - 1, got=offset + len(data), unit="bytes")
    for section in sections(code):
        if section.id is SectionId.DATA:
            raise FormatError(what="module", expected="no data section yet", got=f"one at byte {section.start}")
    address = offset - _U32_LIMIT if offset >= _S32_SIGN else offset
    head = b"\1\0" + bytes([_I32_CONST]) + encode_s32(address) + bytes([_END]) + encode_u32(len(data))
    return b"".join((code, bytes([SectionId.DATA]), encode_u32(len(head) + len(data)), head, data))


def without_custom(module: bytes, name: str) -> bytes:
    """The module without its custom sections of one name."""
    kept = [(section.start, section.end) for section in sections(module) if section.name != name]
    return b"".join((HEADER, *(module[start:end] for start, end in kept)))


def append_custom(code: bytes, name: str, payload: bytes) -> bytes:
    """The module with one more custom section at its end."""
    text = name.encode()
    if len(text) > MAX_NAME_BYTES:
        raise LimitExceededError(what="custom section name", limit=MAX_NAME_BYTES, got=len(text), unit="bytes")
    body = encode_u32(len(text)) + text + payload
    return b"".join((code, bytes([SectionId.CUSTOM]), encode_u32(len(body)), body))


def encode_u32(value: int) -> bytes:
    """LEB128 of a number in ``[0, 2**32)``."""
    if not 0 <= value < _U32_LIMIT:
        raise LimitExceededError(what="unsigned number", limit=_U32_LIMIT - 1, got=value, unit="")
    digits = bytearray()
    while value >= _MORE:
        digits.append(value & _DIGIT | _MORE)
        value >>= 7
    digits.append(value)
    return bytes(digits)


def encode_s32(value: int) -> bytes:
    """LEB128 of a number in ``[-2**31, 2**31)``."""
    if not -_S32_SIGN <= value < _S32_SIGN:
        raise LimitExceededError(what="signed number", limit=_S32_SIGN - 1, got=value, unit="")
    digits = bytearray()
    while not -_SIGN <= value < _SIGN:
        digits.append(value & _DIGIT | _MORE)
        value >>= 7
    digits.append(value & _DIGIT)
    return bytes(digits)


def _section(cursor: Cursor) -> Section:
    start = cursor.at
    number = cursor.byte()
    if number not in SectionId.__members__.values():
        raise cursor.bad(f"a section number up to {max(SectionId)}", f"{number} at byte {start}")
    size = cursor.u32()
    body = cursor.at
    if size > cursor.left:
        raise cursor.bad(f"a section of at most {cursor.left} bytes at byte {start}", str(size))
    cursor.at = end = body + size
    kind = SectionId(number)
    if kind is not SectionId.CUSTOM:
        return Section(kind, start, body, end)
    inner = Cursor(cursor.data, body, end, what=f"custom section at byte {start}")
    name = inner.name()
    return Section(kind, start, inner.at, end, name)
