"""What a module is made of, read without a runtime: types, functions, memory, globals, exports, its data segment.

Function bodies stay unread; wasmtime validates them. Core specification 2.0, chapter 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edge_bundle.errors import FormatError
from wasm_emit.binary import Section, SectionId, sections
from wasm_emit.cursor import Cursor

MAX_TYPES = 10_000
"""Function types; ours need a handful."""

MAX_FUNCTIONS = 200_000
"""Functions; one per step and a few helpers."""

MAX_GLOBALS = 10_000
"""Globals; ours have one."""

MAX_EXPORTS = 200_000
"""Exports; one per step and four more."""

MAX_VALUES = 1_000
"""Parameters, or results, of one function type (the JavaScript interface's limit)."""

VALUE_TYPES = {0x7F: "i32", 0x7E: "i64", 0x7D: "f32", 0x7C: "f64", 0x7B: "v128"}
"""Number and vector types (sections 5.3.1, 5.3.2). References are left out: nothing here has tables."""

EXPORT_KINDS = ("function", "table", "memory", "global", "tag")

_FUNCTION_TYPE = 0x60
_HAS_MAXIMUM = 0x01
_CONST_I32, _CONST_I64, _CONST_F32, _CONST_F64, _VECTOR = 0x41, 0x42, 0x43, 0x44, 0xFD
_CONST_V128 = 12
_END = 0x0B
_MAX_I64_BYTES = 10
_MORE = 0x80

_REFUSED = {
    SectionId.IMPORT: "no imports",
    SectionId.TABLE: "no tables",
    SectionId.START: "no start function",
    SectionId.ELEMENT: "no table elements",
    SectionId.TAG: "no exception tags",
}
"""Sections that a module of this ABI never has, and what was expected instead."""


@dataclass(frozen=True, slots=True)
class FunctionType:
    """Value types by name, such as ``i32``."""

    parameters: tuple[str, ...]
    results: tuple[str, ...]

    def __str__(self) -> str:
        return f"({' '.join(self.parameters)}) -> ({' '.join(self.results)})"


@dataclass(frozen=True, slots=True)
class Global:
    """A global's type; ``value`` where it is an ``i32.const``."""

    type: str
    mutable: bool
    value: int | None


@dataclass(frozen=True, slots=True)
class Export:
    """What an export stands for: ``kind`` is one of ``EXPORT_KINDS``."""

    kind: str
    index: int


@dataclass(frozen=True, slots=True)
class Segment:
    """The data segment: its first byte in memory, and where its bytes lie in the file."""

    offset: int
    start: int
    end: int


@dataclass(slots=True)
class Structure:
    """Everything about a module that its ABI speaks of. ``functions`` are indexes into ``types``."""

    types: list[FunctionType] = field(default_factory=list)
    functions: list[int] = field(default_factory=list)
    memory_pages: int | None = None
    globals: list[Global] = field(default_factory=list)
    exports: dict[str, Export] = field(default_factory=dict)
    segment: Segment | None = None
    layout: list[Section] = field(default_factory=list)


def read_structure(module: bytes) -> Structure:
    """Read a module's structure.

    Raises ``FormatError`` for imports, tables, a start function, more than one memory or data segment, a memory that
    can grow, and for anything that does not parse; ``LimitExceededError`` beyond the named limits.
    """
    structure = Structure()
    for section in sections(module):
        structure.layout.append(section)
        if section.id in _REFUSED:
            raise FormatError(what="module", expected=_REFUSED[section.id], got=_describe(module, section))
        read = _READERS.get(section.id)
        if read is not None:
            cursor = Cursor(module, section.body, section.end, what=f"{section.id.name.lower()} section")
            read(structure, cursor)
            cursor.finish()
    return structure


def _describe(module: bytes, section: Section) -> str:
    """The refused section in words; for imports, the first one's name."""
    cursor = Cursor(module, section.body, section.end, what="import section")
    if section.id is SectionId.IMPORT and cursor.u32():
        return f"an import of {cursor.name()}.{cursor.name()}"
    return f"a section {section.id.name.lower()}"


def _read_types(structure: Structure, cursor: Cursor) -> None:
    for _ in range(cursor.count(limit=MAX_TYPES, of="types")):
        form = cursor.byte()
        if form != _FUNCTION_TYPE:
            raise cursor.bad(f"function types ({_FUNCTION_TYPE:#x})", f"{form:#x}")
        structure.types.append(FunctionType(_values(cursor), _values(cursor)))


def _read_functions(structure: Structure, cursor: Cursor) -> None:
    for _ in range(cursor.count(limit=MAX_FUNCTIONS, of="functions")):
        index = cursor.u32()
        if index >= len(structure.types):
            raise cursor.bad(f"one of {len(structure.types)} types", str(index))
        structure.functions.append(index)


def _read_memory(structure: Structure, cursor: Cursor) -> None:
    count = cursor.count(limit=MAX_GLOBALS, of="memories")
    if count != 1:
        raise cursor.bad("one memory", str(count))
    kind = cursor.byte()
    if kind != _HAS_MAXIMUM:
        raise cursor.bad("a 32-bit memory of one thread with a maximum (limits 0x1)", f"limits {kind:#x}")
    minimum, maximum = cursor.u32(), cursor.u32()
    if minimum != maximum:
        raise cursor.bad("equal minimum and maximum", f"{minimum} and {maximum} pages")
    structure.memory_pages = minimum


def _read_globals(structure: Structure, cursor: Cursor) -> None:
    for _ in range(cursor.count(limit=MAX_GLOBALS, of="globals")):
        kind = _value(cursor)
        mutable = cursor.byte()
        if mutable > 1:
            raise cursor.bad("0 or 1 for mutability", str(mutable))
        structure.globals.append(Global(kind, bool(mutable), _constant(cursor)))


def _read_exports(structure: Structure, cursor: Cursor) -> None:
    for _ in range(cursor.count(limit=MAX_EXPORTS, of="exports")):
        name, kind, index = cursor.name(), cursor.byte(), cursor.u32()
        if kind >= len(EXPORT_KINDS):
            raise cursor.bad(f"a kind of export up to {len(EXPORT_KINDS) - 1}", str(kind))
        if name in structure.exports:
            raise cursor.bad("each export once", f"{name!r} twice")
        structure.exports[name] = Export(EXPORT_KINDS[kind], index)


def _read_data(structure: Structure, cursor: Cursor) -> None:
    count = cursor.u32()
    if count != 1:
        raise cursor.bad("one data segment", str(count))
    mode = cursor.u32()
    if mode != 0:
        raise cursor.bad("an active segment for memory 0", f"mode {mode}")
    offset = _constant(cursor)
    if offset is None:
        raise cursor.bad("an offset by i32.const", "another expression")
    length = cursor.u32()
    if length != cursor.left:
        raise cursor.bad(f"{cursor.left} bytes of data", str(length))
    structure.segment = Segment(offset & 0xFFFF_FFFF, cursor.at, cursor.end)
    cursor.at = cursor.end


def _values(cursor: Cursor) -> tuple[str, ...]:
    return tuple(_value(cursor) for _ in range(cursor.count(limit=MAX_VALUES, of="values")))


def _value(cursor: Cursor) -> str:
    code = cursor.byte()
    if code not in VALUE_TYPES:
        raise cursor.bad(f"a value type of {', '.join(VALUE_TYPES.values())}", f"{code:#x}")
    return VALUE_TYPES[code]


def _constant(cursor: Cursor) -> int | None:
    """A constant expression: the value of an ``i32.const``, ``None`` for another constant."""
    instruction = cursor.byte()
    value = None
    if instruction == _CONST_I32:
        value = cursor.s32()
    elif instruction == _CONST_I64:
        _skip_i64(cursor)
    elif instruction in (_CONST_F32, _CONST_F64):
        cursor.take(4 if instruction == _CONST_F32 else 8)
    elif instruction == _VECTOR and cursor.u32() == _CONST_V128:
        cursor.take(16)
    else:
        raise cursor.bad("a constant", f"instruction {instruction:#x}")
    end = cursor.byte()
    if end != _END:
        raise cursor.bad("the end of a constant expression", f"instruction {end:#x}")
    return value


def _skip_i64(cursor: Cursor) -> None:
    for _ in range(_MAX_I64_BYTES):
        if cursor.byte() < _MORE:
            return
    raise cursor.bad(f"a number of at most {_MAX_I64_BYTES} bytes", "a longer one")


_READERS: Mapping[SectionId, Callable[[Structure, Cursor], None]] = {
    SectionId.TYPE: _read_types,
    SectionId.FUNCTION: _read_functions,
    SectionId.MEMORY: _read_memory,
    SectionId.GLOBAL: _read_globals,
    SectionId.EXPORT: _read_exports,
    SectionId.DATA: _read_data,
}
