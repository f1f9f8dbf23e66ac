"""Compiled modules kept on the node (``edge_runtime/compiled_code.py`` says what makes that safe)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import wasmtime

from edge_runtime.compiled_code import CompiledCode, host_facts, open_code
from edge_runtime.wasm.runtime import CONFIGURATION, WASMTIME_VERSION

RUNTIME = "wasm"

_FORMAT = 1


def entry_key(seal: bytes, weights_digest: str, *, relaxed_simd: bool) -> str:
    """The name, 64 hex digits, under which this node keeps a module compiled.

    It covers the module, its weights, wasmtime's version and configuration, and this CPU's features.
    """
    configuration = f"{CONFIGURATION}{' relaxed' * relaxed_simd}"
    facts = f"{_FORMAT}\n{seal.hex()}\n{weights_digest}\n{configuration}\n{WASMTIME_VERSION}\n{host_facts()}"
    return hashlib.sha256(facts.encode()).hexdigest()


def open_cache(folder: Path | None) -> CompiledCache | None:
    """The compiled modules in a folder (see ``open_code``)."""
    code = open_code(folder, RUNTIME)
    return None if code is None else CompiledCache(code)


class CompiledCache:
    """The compiled modules among the code that a node keeps."""

    def __init__(self, code: CompiledCode) -> None:
        self._code = code

    def load(self, engine: wasmtime.Engine, key: str) -> wasmtime.Module | None:
        """The module kept under a key; ``None`` if there is none that this node made for this engine."""

        def read(path: Path, _content: object) -> wasmtime.Module | None:
            try:
                return wasmtime.Module.deserialize_file(engine, str(path))
            except wasmtime.WasmtimeError:
                return None

        return self._code.load(key, read)

    def store(self, key: str, module: wasmtime.Module) -> None:
        """Keep a module. One that cannot be kept is compiled again next time."""
        self._code.store(key, module.serialize())
