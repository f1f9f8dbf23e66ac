"""The fast call leans on what wasmtime keeps private: these tests notice when a new version changes it."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import cast

import pytest
import wasmtime
from wasmtime import _bindings as bindings

from edge_bundle.errors import EngineError
from edge_runtime.wasm.call import Export, check_bindings, export_named, memory_view

Exports = Mapping[str, object]

WAT = """(module
  (memory (export "memory") 2 2)
  (global $calls (mut i32) (i32.const 0))
  (func (export "count") (result i32)
    (global.set $calls (i32.add (global.get $calls) (i32.const 1))) (global.get $calls))
  (func (export "negative") (result i32) (i32.const -5))
  (func (export "nothing") (i32.store (i32.const 8) (i32.const 42)))
  (func (export "trap") (result i32) unreachable))"""


@pytest.fixture
def store() -> wasmtime.Store:
    return wasmtime.Store(wasmtime.Engine())


@pytest.fixture
def exports(store: wasmtime.Store) -> Exports:
    return wasmtime.Instance(store, wasmtime.Module(store.engine, WAT), []).exports(store)


def func(exports: Exports, name: str) -> wasmtime.Func:
    return cast(wasmtime.Func, exports[name])


def test_it_agrees_with_the_public_call(store: wasmtime.Store, exports: Exports) -> None:
    count = func(exports, "count")
    fast = Export(store, count)
    assert [fast(), count(store), fast(), count(store)] == [1, 2, 3, 4]
    assert Export(store, func(exports, "negative"))() == -5
    assert [fast() for _ in range(10_000)][-1] == 10_004


def test_memory_is_seen_without_a_copy(store: wasmtime.Store, exports: Exports) -> None:
    memory = cast(wasmtime.Memory, exports["memory"])
    view = memory_view(store, memory)
    assert (view.nbytes, view.format, view.readonly) == (2 << 16, "B", False)
    assert Export(store, func(exports, "nothing"))() == 0
    assert view[8] == 42
    view[100:104] = b"abcd"
    assert memory.read(store, 100, 104) == b"abcd"


def test_an_export_by_name(store: wasmtime.Store) -> None:
    instance = wasmtime.Instance(store, wasmtime.Module(store.engine, WAT), [])
    assert Export(store, cast(wasmtime.Func, export_named(store, instance, "negative")))() == -5
    assert isinstance(export_named(store, instance, "memory"), wasmtime.Memory)
    with pytest.raises(EngineError, match="expected export 'other', got none"):
        export_named(store, instance, "other")


def test_a_trap_is_an_error_each_time(store: wasmtime.Store, exports: Exports) -> None:
    trap = Export(store, func(exports, "trap"))
    for _ in range(100):
        with pytest.raises(EngineError, match=r"^runtime wasm: wasm trap: wasm `unreachable` instruction executed$"):
            trap()
    assert Export(store, func(exports, "count"))() == 1


def test_the_bindings_are_those_it_was_written_for() -> None:
    check_bindings()


@pytest.mark.parametrize(
    "declared",
    [
        pytest.param(None, id="gone"),
        pytest.param(ctypes.CDLL(None).getpid, id="other-arguments"),
    ],
)
def test_other_bindings_are_refused(declared: object, monkeypatch: pytest.MonkeyPatch) -> None:
    if declared is not None:
        declared.argtypes = [ctypes.c_int]  # type: ignore[attr-defined]
    monkeypatch.setattr(bindings, "_wasmtime_func_call_unchecked", declared)
    with pytest.raises(EngineError, match="got another declaration") as caught:
        check_bindings()
    assert "wasmtime" in caught.value.advice
