"""Advice that several errors give."""

from __future__ import annotations

ANOTHER_RUNTIME = (
    "compile this model for a profile of another runtime, such as cpu-fp32, or export it without this operator; "
    "docs/wasm.md lists what WebAssembly covers"
)
"""For an operator, or a use of one, that the WebAssembly target does not cover."""
