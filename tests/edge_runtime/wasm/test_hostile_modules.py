"""Modules that break the ABI: each is refused by name before wasmtime sees a byte of it."""

from __future__ import annotations

import struct
from typing import Any

import msgspec
import pytest
import wasmtime

from edge_bundle import canonical
from edge_bundle.digest import sha256_digest
from edge_bundle.errors import EngineError, FormatError, LimitExceededError, SkerryError
from edge_bundle.tensor import DType
from edge_runtime.factory import open_engine
from edge_runtime.wasm.abi import SEAL_SECTION, SECTION, Feature, MemoryMap, ModuleInfo, Region, TensorPlace, Weights
from edge_runtime.wasm.module import MAX_CODE_BYTES, MAX_MEMORY_PAGES, read_module
from edge_runtime.wasm.runtime import wasmtime_engine
from edge_runtime.wasm.seal import seal
from tests.edge_runtime.wasm.modules import WEIGHTS, WEIGHTS_AT, X_AT, assemble, info, module, source, standalone, text
from wasm_emit.binary import HEADER, append_custom, append_data


def edited(old: str, new: str, about: ModuleInfo | None = None) -> bytes:
    """The module with its text changed in one place, sealed."""
    wat = text()
    assert wat.count(old) == 1, old
    return seal(assemble(wat.replace(old, new)), about or info())


def told(**changes: Any) -> bytes:
    """The honest module that says something else of itself."""
    return module(about=info(**changes))


def place(**changes: Any) -> TensorPlace:
    return msgspec.structs.replace(info().inputs[0], **changes)


def only_section(payload: bytes, name: str = SECTION) -> bytes:
    return append_custom(assemble(text()), name, payload)


def test_the_honest_module_is_taken() -> None:
    taken = read_module(standalone())
    assert taken.info == info()
    assert (bytes(taken.weights or b""), taken.code) == (WEIGHTS, module())
    assert taken.assembled(None) == standalone()
    assert read_module(module()).assembled(WEIGHTS) == standalone()


@pytest.mark.parametrize(
    ("hostile", "message"),
    [
        pytest.param(
            edited("(memory (", '(import "env" "print" (func)) (memory ('),
            "module: expected no imports, got an import of env.print",
            id="import-function",
        ),
        pytest.param(
            edited('(memory (export "memory") 1 1)', '(import "env" "m" (memory 1 1)) (export "memory" (memory 0))'),
            "expected no imports, got an import of env.m",
            id="import-memory",
        ),
        pytest.param(edited("(memory (", "(table 1 funcref) (memory ("), "expected no tables", id="table"),
        pytest.param(
            edited("(func $step", "(start $start) (func $start) (func $step"), "no start function", id="start-function"
        ),
        pytest.param(edited("(memory (", "(tag) (memory ("), "expected no exception tags, got a section tag", id="tag"),
        pytest.param(
            edited('(memory (export "memory") 1 1)', ""), "memory: expected 1 pages, got none", id="no-memory"
        ),
        pytest.param(edited(") 1 1)", ") 1 1) (memory 1 1)"), "expected one memory, got 2", id="two-memories"),
        pytest.param(edited(") 1 1)", ") 1)"), "a maximum .*, got limits 0x0", id="memory-without-maximum"),
        pytest.param(edited(") 1 1)", ") 1 2)"), "equal minimum and maximum, got 1 and 2 pages", id="memory-grows"),
        pytest.param(edited(") 1 1)", ") 1 1 shared)"), "got limits 0x3", id="shared-memory"),
        pytest.param(edited('"memory") 1', '"memory") i64 1'), "got limits 0x5", id="memory-of-64-bit"),
        pytest.param(edited(") 1 1)", ") 2 2)"), "module's memory: expected 1 pages, got 2", id="other-memory"),
        pytest.param(
            edited("i32.const 1))", "i32.const 2))"), "'abi_version': expected i32 1, got i32 2", id="version"
        ),
        pytest.param(
            edited("i32 (i32.const 1))", "(mut i32) (i32.const 1))"), "expected i32 1, got mutable i32 1", id="mutable"
        ),
        pytest.param(edited("i32 (i32.const 1))", "i64 (i64.const 1))"), "got i64 None", id="version-of-64-bit"),
        pytest.param(edited('"abi_version"', '"version"'), "only those of the ABI, got 'version'", id="other-export"),
        pytest.param(edited('(export "init")', ""), "exports: expected 'init', got no such export", id="no-init"),
        pytest.param(edited('(export "step.0")', ""), "expected 'step.0', got no such export", id="no-step"),
        pytest.param(
            edited('(export "step.0")', '(export "step.0") (export "step.1")'), "got 'step.1'", id="one-step-more"
        ),
        pytest.param(
            edited('(export "step.0")', '(export "step.0") (export "free")'), "got 'free'", id="one-export-more"
        ),
        pytest.param(
            edited('(func (export "run") (result i32)', '(func (export "run") (param i32) (result i32)'),
            r"export 'run': expected \(\) -> \(i32\), got \(i32\) -> \(i32\)",
            id="run-takes-a-parameter",
        ),
        pytest.param(
            edited('(func (export "init")', '(func (export "init") (result i32) (i32.const 0)'),
            r"export 'init': expected \(\) -> \(\), got \(\) -> \(i32\)",
            id="init-returns-something",
        ),
        pytest.param(
            edited('(global (export "abi_version") i32 (i32.const 1))', '(func (export "abi_version"))'),
            "export 'abi_version': expected a global, got a function",
            id="wrong-kind",
        ),
        pytest.param(
            edited("(func $step", "(func (param externref)) (func $step"),
            "a value type of i32, .* got 0x6f",
            id="reference",
        ),
        pytest.param(assemble(text()), "expected a custom section 'skerry', got none", id="not-described"),
        pytest.param(only_section(b"{}"), "section 'skerry': expected valid strict JSON", id="described-badly"),
        pytest.param(only_section(b"\xff"), "expected valid strict JSON", id="described-in-garbage"),
        pytest.param(
            only_section(canonical.dumps(info())), "a custom section 'skerry.seal' behind it, got none", id="no-seal"
        ),
        pytest.param(
            append_custom(only_section(canonical.dumps(info())), SEAL_SECTION, bytes(32)),
            "module's seal",
            id="bad-seal",
        ),
        pytest.param(
            append_custom(only_section(canonical.dumps(info())), SEAL_SECTION, b""), "module's seal", id="empty-seal"
        ),
        pytest.param(
            seal(module(), info()), "nothing but data behind its seal, got section 'skerry'", id="sealed-twice"
        ),
        pytest.param(append_custom(module(), "note", b""), "nothing but data behind its seal", id="appendix"),
        pytest.param(
            seal(only_section(canonical.dumps(info())), info()), "one section 'skerry', got two", id="described-twice"
        ),
        pytest.param(told(abi=2), "module's ABI: expected version 1, got 2", id="abi"),
        pytest.param(
            told(features=(Feature.SIMD128, Feature.RELAXED_SIMD)),
            "module's features: expected only simd128, got relaxed-simd",
            id="feature-not-allowed",
        ),
        pytest.param(
            told(inputs=(place(offset=X_AT + 2),)),
            "input 'x': expected an offset that 4 divides, got 1026",
            id="unaligned",
        ),
        pytest.param(
            told(inputs=(place(offset=65532),)), "inside the memory's 65536 bytes, got 16 bytes at 65532", id="outside"
        ),
        pytest.param(
            told(outputs=(place(name="y", shape=(2**30, 2**30)),)), "output 'y': expected inside the memory", id="huge"
        ),
        pytest.param(
            told(inputs=(place(offset=WEIGHTS_AT + 12),)),
            "expected clear of the weights, 16 bytes at 128, got 16 bytes at 140",
            id="input-over-weights",
        ),
        pytest.param(
            told(outputs=(place(name="y", offset=WEIGHTS_AT - 4),)), "clear of the weights", id="output-over-weights"
        ),
        pytest.param(
            told(inputs=(place(), place(name="z", offset=X_AT + 12))),
            "input 'z': expected clear of 'x', 16 bytes at 1024, got 16 bytes at 1036",
            id="inputs-overlap",
        ),
        pytest.param(
            told(inputs=(place(), place(offset=2048))),
            "module's inputs: expected one name each, got 'x', 'x'",
            id="names",
        ),
        pytest.param(
            told(weights=Weights(offset=65530, bytes=16, digest=sha256_digest(WEIGHTS))),
            "weights: expected inside the memory",
            id="weights-outside",
        ),
        pytest.param(
            told(memory=MemoryMap(pages=1, regions=(Region(name="io", offset=65536, bytes=1),))),
            "region 'io': expected inside the memory",
            id="region-outside",
        ),
        pytest.param(
            append_data(module(), WEIGHTS_AT + 1, WEIGHTS),
            "data segment: expected 16 bytes at 128, got 16 bytes at 129",
            id="data-elsewhere",
        ),
        pytest.param(append_data(module(), WEIGHTS_AT, WEIGHTS * 2), "got 32 bytes at 128", id="data-too-long"),
        pytest.param(append_data(module(), WEIGHTS_AT, bytes(16)), "weights: expected sha256:", id="other-data"),
        pytest.param(module() + b"\x0b\x01\x00", "expected one data segment, got 0", id="no-segment"),
        pytest.param(
            module() + b"\x0b\x03\x01\x01\x00", "active segment for memory 0, got mode 1", id="passive-segment"
        ),
        pytest.param(b"", "expected header 0061736d01000000, got nothing", id="empty"),
        pytest.param(b"(module)", "expected header", id="text"),
        pytest.param(HEADER, "expected a custom section 'skerry', got none", id="empty-module"),
    ],
)
def test_refused_by_name(hostile: bytes, message: str) -> None:
    with pytest.raises(EngineError, match=message):
        open_engine(source({"b1.wasm": hostile, "weights.bin": WEIGHTS}))


def test_relaxed_instructions_need_the_option() -> None:
    relaxed = "(drop (i32x4.relaxed_trunc_f32x4_s (v128.const i32x4 0 0 0 0)))"
    hidden = edited("(call $step)", f"{relaxed} (call $step)")
    with pytest.raises(EngineError, match="relaxed SIMD support is not enabled"):
        open_engine(source({"b1.wasm": hidden, "weights.bin": WEIGHTS}))
    honest = edited("(call $step)", f"{relaxed} (call $step)", info(features=tuple(Feature)))
    open_engine(source({"b1.wasm": honest, "weights.bin": WEIGHTS}, options={"relaxed-simd": "on"})).close()


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("(drop (i64.add (i32.const 1) (i32.const 2)))", id="ill-typed"),
        pytest.param("(drop (i32.load (i32.const 0))) (drop)", id="stack-empty"),
    ],
)
def test_code_that_does_not_validate_is_refused_by_wasmtime(code: str) -> None:
    hostile = edited("(call $step)", f"{code} (call $step)")
    with pytest.raises(EngineError, match=r"runtime wasm: cannot load: .{10,}"):
        open_engine(source({"b1.wasm": hostile, "weights.bin": WEIGHTS}))


@pytest.mark.parametrize("proposal", ["(func $f (return_call $f))", "(func (param i64 i64 i64 i64) {wide})"])
def test_proposals_that_are_off(proposal: str) -> None:
    wide = "(drop (drop (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3))))"
    hostile = edited("(func $step", f"{proposal.format(wide=wide)} (func $step")
    with pytest.raises(EngineError, match=r"tail calls support is not enabled|wide arithmetic support is not enabled"):
        open_engine(source({"b1.wasm": hostile, "weights.bin": WEIGHTS}))


def test_compiled_code_is_never_taken_from_outside() -> None:
    engine = wasmtime_engine(relaxed_simd=False)
    native = bytes(wasmtime.Module(engine, standalone()).serialize())
    assert native.startswith(b"\x7fELF")
    with pytest.raises(EngineError, match="expected header 0061736d01000000, got 7f454c46"):
        open_engine(source({"b1.wasm": native, "weights.bin": WEIGHTS}))


def test_too_much_memory() -> None:
    pages = MAX_MEMORY_PAGES + 1
    about = info(memory=MemoryMap(pages=pages, regions=()))
    with pytest.raises(LimitExceededError, match=f"expected at most {MAX_MEMORY_PAGES} pages of 64 KiB, got {pages}"):
        read_module(module(about=about, pages=pages))


def test_too_much_code(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(module()) < MAX_CODE_BYTES
    monkeypatch.setattr("edge_runtime.wasm.module.MAX_CODE_BYTES", len(module()) - 1)
    with pytest.raises(LimitExceededError, match="module without its weights"):
        read_module(module())


@pytest.mark.parametrize("length", range(0, len(standalone()), 7))
def test_truncated_anywhere(length: int) -> None:
    with pytest.raises(SkerryError):
        read_module(standalone()[:length])


def test_every_flipped_byte_is_noticed() -> None:
    whole = standalone()
    unnoticed = []
    for at in range(len(whole)):
        try:
            read_module(whole[:at] + bytes([whole[at] ^ 0x41]) + whole[at + 1 :]).assembled(None)
        except SkerryError:
            continue
        unnoticed.append(at)
    assert unnoticed == []


def test_odd_shapes_are_measured_right() -> None:
    """A scalar takes one element, an empty tensor none and is in nobody's way."""
    scalar = TensorPlace(name="s", dtype=DType.FP64, shape=(), offset=2048)
    empty = TensorPlace(name="e", dtype=DType.FP32, shape=(0, 4), offset=X_AT)
    assert (scalar.nbytes, empty.nbytes) == (8, 0)
    read_module(told(inputs=(place(), scalar, empty)))


def test_the_format_error_has_its_parts() -> None:
    with pytest.raises(FormatError) as caught:
        read_module(told(abi=3))
    assert (caught.value.what, caught.value.expected, caught.value.got) == ("module's ABI", "version 1", "3")
    assert struct.calcsize("<4f") == len(WEIGHTS)
