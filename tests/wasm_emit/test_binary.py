"""Sections and LEB128: what is written reads back, wasmtime agrees, and broken bytes are refused by name."""

from __future__ import annotations

import itertools

import pytest
import wasmtime
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_bundle.errors import FormatError, LimitExceededError, SkerryError
from wasm_emit.assemble import assemble
from wasm_emit.binary import (
    HEADER,
    MAX_SECTIONS,
    SectionId,
    append_custom,
    append_data,
    sections,
    without_custom,
)
from wasm_emit.cursor import MAX_NAME_BYTES, Cursor, encode_s32, encode_u32

CODE = bytes(
    wasmtime.wat2wasm('(module (memory (export "memory") 1 1) (func (export "run") (result i32) i32.const 7))')
)
HIGH = 65535 * 65536
"""Beyond 2**31: an address that i32.const can only write as a negative number."""


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        pytest.param(0, b"\0", id="zero"),
        pytest.param(127, b"\x7f", id="one-byte"),
        pytest.param(128, b"\x80\1", id="two-bytes"),
        pytest.param(624485, b"\xe5\x8e\x26", id="the-dwarf-example"),
        pytest.param(2**32 - 1, b"\xff\xff\xff\xff\x0f", id="largest"),
    ],
)
def test_unsigned_leb128(value: int, encoded: bytes) -> None:
    assert encode_u32(value) == encoded
    assert Cursor(encoded).u32() == value


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        pytest.param(63, b"\x3f", id="one-byte"),
        pytest.param(64, b"\xc0\0", id="sign-needs-a-byte"),
        pytest.param(-64, b"\x40", id="negative-one-byte"),
        pytest.param(-123456, b"\xc0\xbb\x78", id="the-dwarf-example"),
        pytest.param(-(2**31), b"\x80\x80\x80\x80\x78", id="smallest"),
    ],
)
def test_signed_leb128(value: int, encoded: bytes) -> None:
    assert encode_s32(value) == encoded
    assert Cursor(encoded).s32() == value


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(-(2**31), 2**31 - 1))
def test_leb128_reads_back(unsigned: int, signed: int) -> None:
    cursor = Cursor(encode_u32(unsigned) + encode_s32(signed))
    assert (cursor.u32(), cursor.s32(), cursor.left) == (unsigned, signed, 0)


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x80", id="unfinished"),
        pytest.param(b"\x80\x80\x80\x80\x80\0", id="six-bytes"),
        pytest.param(b"\xff\xff\xff\xff\x1f", id="33-bits"),
    ],
)
def test_broken_leb128(encoded: bytes) -> None:
    for read in (Cursor.u32, Cursor.s32):
        with pytest.raises(FormatError):
            read(Cursor(encoded))


@pytest.mark.parametrize(
    ("encode", "value"),
    [
        pytest.param(encode_u32, -1, id="u32-below"),
        pytest.param(encode_u32, 2**32, id="u32-above"),
        pytest.param(encode_s32, -(2**31) - 1, id="s32-below"),
        pytest.param(encode_s32, 2**31, id="s32-above"),
    ],
)
def test_numbers_that_do_not_fit(encode: type[int], value: int) -> None:
    with pytest.raises(LimitExceededError):
        encode(value)


def test_sections_in_order() -> None:
    module = append_custom(CODE, "skerry", b"{}")
    found = list(sections(module))
    ids = [section.id for section in found if section.id is not SectionId.CUSTOM]
    assert ids == [SectionId.TYPE, SectionId.FUNCTION, SectionId.MEMORY, SectionId.EXPORT, SectionId.CODE]
    assert (found[-1].name, module[found[-1].body : found[-1].end]) == ("skerry", b"{}")
    assert found[0].start == len(HEADER)
    assert all(before.end == after.start for before, after in itertools.pairwise(found))


def test_custom_sections_of_a_name_are_left_out() -> None:
    with_both = append_custom(append_custom(CODE, "name", b"x"), "note", b"y")
    assert without_custom(with_both, "name") == append_custom(without_custom(CODE, "name"), "note", b"y")
    assert without_custom(CODE, "none") == CODE


def test_assembled_modules_carry_no_names() -> None:
    wat = '(module (func $a_long_name (export "run") (result i32) (local $another i32) i32.const 7))'
    assert b"a_long_name" in bytes(wasmtime.wat2wasm(wat))
    assert [section.name for section in sections(assemble(wat)) if section.id is SectionId.CUSTOM] == []
    wasmtime.Module.validate(wasmtime.Engine(), assemble(wat))


@pytest.mark.parametrize(("offset", "length"), [(0, 0), (0, 65536), (65535, 1), (4096, 70)])
def test_wasmtime_finds_the_data_where_it_belongs(offset: int, length: int) -> None:
    data = bytes(range(1, 256)) * 258
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    module = append_data(append_custom(CODE, "note", b"before the data"), offset, data[:length])
    memory = wasmtime.Instance(store, wasmtime.Module(engine, module), []).exports(store)["memory"]
    assert isinstance(memory, wasmtime.Memory)
    assert bytes(memory.read(store)) == bytes(offset) + data[:length] + bytes(65536 - offset - length)


def test_data_above_two_gib() -> None:
    code = bytes(wasmtime.wat2wasm("(module (memory 65536 65536))"))
    wasmtime.Module.validate(wasmtime.Engine(), append_data(code, HIGH, b"high"))
    with pytest.raises(LimitExceededError):
        append_data(code, 2**32 - 2, b"high")


def test_data_is_appended_once() -> None:
    with pytest.raises(FormatError, match="expected no data section yet, got one at byte"):
        append_data(append_data(CODE, 0, b"x"), 8, b"y")


@pytest.mark.parametrize(
    ("module", "message"),
    [
        pytest.param(b"", "got nothing", id="empty"),
        pytest.param(b"(module)", "expected header 0061736d01000000, got 286d6f64", id="text"),
        pytest.param(b"\0asm\x0d\0\1\0", "header", id="component"),
        pytest.param(CODE[:-1], "expected a section of at most", id="truncated"),
        pytest.param(CODE + b"\x0e\0", "a section number up to 13, got 14", id="unknown-section"),
        pytest.param(CODE + b"\1\1\0", "each section once and in order, got section type too late", id="repeated"),
        pytest.param(CODE + b"\0\2\5a", "custom section", id="name-too-long"),
        pytest.param(CODE + b"\0\2\1\xff", "a name in UTF-8", id="name-not-utf-8"),
        pytest.param(CODE + b"\0", "1 more bytes", id="no-length"),
    ],
)
def test_broken_modules(module: bytes, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        list(sections(module))


def test_limits_are_kept() -> None:
    module = CODE
    while len(list(sections(module))) < MAX_SECTIONS:
        module = append_custom(module, "more", b"")
    with pytest.raises(LimitExceededError, match=f"expected at most {MAX_SECTIONS} sections"):
        list(sections(append_custom(module, "more", b"")))
    with pytest.raises(LimitExceededError):
        append_custom(CODE, "n" * (MAX_NAME_BYTES + 1), b"")
    with pytest.raises(LimitExceededError, match="name"):
        Cursor(encode_u32(MAX_NAME_BYTES + 1)).name()


def test_vectors_are_bounded_before_anything_is_read() -> None:
    with pytest.raises(LimitExceededError, match="expected at most 3 types, got 4"):
        Cursor(b"\4aaaa").count(limit=3, of="types")
    with pytest.raises(FormatError, match="at least 4 bytes for 4 types, got 2"):
        Cursor(b"\4aa").count(limit=9, of="types")
    with pytest.raises(FormatError, match="expected its end, got 2 more bytes"):
        Cursor(b"aa").finish()


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_sections_are_read_or_refused(tail: bytes) -> None:
    try:
        found = list(sections(HEADER + tail))
    except SkerryError:
        return
    assert sum(section.end - section.start for section in found) == len(tail)
