"""The binary format of WebAssembly, as far as sections go: read them within bounds, append data and custom sections.

Core specification 2.0, chapter 5 (binary format) and appendix A.4 (custom sections). No runtime is needed for it.
Appending the weights here takes milliseconds; as a WAT string the same bytes take seconds.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass

from edge_bundle.errors import FormatError, LimitExceededError
from wasm_emit.cursor import MAX_NAME_BYTES, S32_SIGN, U32_LIMIT, Cursor, encode_s32, encode_u32

HEADER = b"\0asm\1\0\0\0"
"""Magic and version of every module (section 5.5.16)."""

MAX_SECTIONS = 256
"""Sections of one module; ours have ten, and toolchains add a handful of custom ones."""

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
    if not 0 <= offset <= offset + len(data) <= U32_LIMIT - 1:
        raise LimitExceededError(what="data segment", limit=U32_LIMIT - 1, got=offset + len(data), unit="bytes")
    for section in sections(code):
        if section.id is SectionId.DATA:
            raise FormatError(what="module", expected="no data section yet", got=f"one at byte {section.start}")
    address = offset - U32_LIMIT if offset >= S32_SIGN else offset
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
