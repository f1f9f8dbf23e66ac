"""What a module is made of, section by section: what is read, and what is refused."""

from __future__ import annotations

import pytest

from edge_bundle.errors import FormatError, LimitExceededError
from edge_runtime.wasm.structure import (
    MAX_EXPORTS,
    MAX_FUNCTIONS,
    MAX_GLOBALS,
    MAX_TYPES,
    MAX_VALUES,
    Export,
    FunctionType,
    Global,
    read_structure,
)
from tests.edge_runtime.wasm.modules import assemble
from wasm_emit.binary import HEADER, SectionId
from wasm_emit.cursor import encode_u32

TYPES = bytes([1, 0x60, 0, 0])
"""One type: nothing in, nothing out."""


def with_sections(*parts: tuple[SectionId, bytes]) -> bytes:
    return HEADER + b"".join(bytes([number]) + encode_u32(len(body)) + body for number, body in parts)


def test_everything_that_the_abi_speaks_of() -> None:
    structure = read_structure(
        assemble("""(module
          (memory (export "m") 3 3)
          (global i32 (i32.const -7)) (global (mut i64) (i64.const -1)) (global f32 (f32.const 1))
          (global f64 (f64.const 2)) (global $v v128 (v128.const i32x4 1 2 3 4))
          (func (export "f") (param i32 i64) (result f32 f64 v128) unreachable)
          (export "g" (global $v))
          (data (i32.const 65535) "abc"))""")
    )
    assert structure.types == [FunctionType(("i32", "i64"), ("f32", "f64", "v128"))]
    assert str(structure.types[0]) == "(i32 i64) -> (f32 f64 v128)"
    assert (structure.functions, structure.memory_pages) == ([0], 3)
    assert structure.globals == [
        Global("i32", mutable=False, value=-7),
        Global("i64", mutable=True, value=None),
        Global("f32", mutable=False, value=None),
        Global("f64", mutable=False, value=None),
        Global("v128", mutable=False, value=None),
    ]
    assert structure.exports == {"m": Export("memory", 0), "f": Export("function", 0), "g": Export("global", 4)}
    assert structure.segment is not None
    assert (structure.segment.offset, structure.segment.end - structure.segment.start) == (65535, 3)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        pytest.param([(SectionId.TYPE, b"\1\x5f\0")], r"function types \(0x60\), got 0x5f", id="struct-type"),
        pytest.param([(SectionId.TYPE, TYPES + b"\0")], "type section: expected its end, got 1 more", id="more-types"),
        pytest.param([(SectionId.TYPE, b"\5")], "at least 5 bytes for 5 types, got 0", id="fewer-types"),
        pytest.param(
            [(SectionId.TYPE, TYPES), (SectionId.FUNCTION, b"\1\1")],
            "expected one of 1 types, got 1",
            id="no-such-type",
        ),
        pytest.param([(SectionId.FUNCTION, b"\1\0")], "expected one of 0 types, got 0", id="no-types"),
        pytest.param([(SectionId.MEMORY, b"\0")], "expected one memory, got 0", id="no-memory"),
        pytest.param([(SectionId.GLOBAL, b"\1\x7f\2\x41\0\x0b")], "0 or 1 for mutability, got 2", id="mutability"),
        pytest.param([(SectionId.GLOBAL, b"\1\x7f\0\x23\0\x0b")], "a constant, got instruction 0x23", id="global.get"),
        pytest.param(
            [(SectionId.GLOBAL, b"\1\x7b\0\xfd\1\x0b")], "a constant, got instruction 0xfd", id="not-v128.const"
        ),
        pytest.param(
            [(SectionId.GLOBAL, b"\1\x7f\0\x41\1\x41\2\x6a\x0b")],
            "the end of a constant expression",
            id="extended-const",
        ),
        pytest.param([(SectionId.GLOBAL, b"\1\x70\0\xd0\x70\x0b")], "a value type of i32, .*, got 0x70", id="funcref"),
        pytest.param(
            [(SectionId.GLOBAL, b"\1\x7e\0\x42" + b"\x80" * 10 + b"\0\x0b")], "at most 10 bytes", id="endless-i64"
        ),
        pytest.param([(SectionId.EXPORT, b"\1\1a\5\0")], "a kind of export up to 4, got 5", id="kind-of-export"),
        pytest.param([(SectionId.EXPORT, b"\2\1a\2\0\1a\2\0")], "each export once, got 'a' twice", id="export-twice"),
        pytest.param([(SectionId.DATA, b"\1\0\x23\0\x0b\0")], "a constant, got", id="offset-by-global"),
        pytest.param([(SectionId.DATA, b"\1\0\x42\0\x0b\0")], "an offset by i32.const", id="offset-of-64-bit"),
        pytest.param([(SectionId.DATA, b"\1\0\x41\0\x0b\5a")], "1 bytes of data, got 5", id="data-too-short"),
        pytest.param([(SectionId.DATA, b"\1\2\0\x41\0\x0b\0")], "memory 0, got mode 2", id="data-for-another-memory"),
    ],
)
def test_refused(parts: list[tuple[SectionId, bytes]], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_structure(with_sections(*parts))


@pytest.mark.parametrize(
    ("section", "head", "limit", "of"),
    [
        pytest.param(SectionId.TYPE, b"", MAX_TYPES, "types", id="types"),
        pytest.param(SectionId.TYPE, b"\1\x60", MAX_VALUES, "values", id="parameters"),
        pytest.param(SectionId.FUNCTION, b"", MAX_FUNCTIONS, "functions", id="functions"),
        pytest.param(SectionId.GLOBAL, b"", MAX_GLOBALS, "globals", id="globals"),
        pytest.param(SectionId.EXPORT, b"", MAX_EXPORTS, "exports", id="exports"),
    ],
)
def test_limits_are_checked_before_anything_is_read(section: SectionId, head: bytes, limit: int, of: str) -> None:
    with pytest.raises(LimitExceededError, match=f"expected at most {limit} {of}, got {limit + 1}"):
        read_structure(with_sections((section, head + encode_u32(limit + 1))))


def test_an_offset_above_two_gib_is_not_negative() -> None:
    structure = read_structure(assemble('(module (memory 65535 65535) (data (i32.const -65536) "a"))'))
    assert structure.segment is not None
    assert structure.segment.offset == 2**32 - 65536
