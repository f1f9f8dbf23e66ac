"""How wasmtime is set up here: strict, the same for every model, one runtime per process and feature set.

Off is every proposal that no module of ours uses. Reference types stay on: wasmtime 50 aborts the process when they are
switched off beside component-model-async, and ``structure.py`` refuses tables and reference-typed signatures anyway.
Neither fuel nor epochs interrupt a run: they cost 60-130 % on such loops, and loops have constant bounds. Memory
reservation and guards keep their defaults, which need no bounds check in the code.
"""

from __future__ import annotations

import functools

import wasmtime

from hardware_profiles.runtimes import installed_version

CONFIGURATION = "cranelift speed 1"
"""Names everything below that bears on compiled code; a change of it makes the node's compiled modules stale."""

WASMTIME_VERSION = installed_version("wasmtime") or ""
"""Of the installed package. Looked up when this is imported: it takes as long as opening a small model."""

MAX_STACK_BYTES = 512 << 10
"""Stack of WebAssembly code, in bytes: well below the smallest stack of a Python thread (8 MiB by default)."""

_OFF = (
    "wasm_component_model",
    "wasm_custom_page_sizes",
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_gc",
    "wasm_memory64",
    "wasm_multi_memory",
    "wasm_stack_switching",
    "wasm_tail_call",
    "wasm_threads",
    "wasm_wide_arithmetic",
)


@functools.cache
def wasmtime_engine(*, relaxed_simd: bool) -> wasmtime.Engine:
    """The process's runtime for modules with, or without, relaxed SIMD."""
    config = wasmtime.Config()
    for proposal in _OFF:
        setattr(config, proposal, False)
    config.wasm_relaxed_simd = relaxed_simd
    config.gc_support = False
    config.strategy = "cranelift"
    config.cranelift_opt_level = "speed"
    config.max_wasm_stack = MAX_STACK_BYTES
    return wasmtime.Engine(config)
