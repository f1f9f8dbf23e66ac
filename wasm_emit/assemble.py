"""WAT to binary, by wasmtime's assembler: the one place where this package needs wasmtime."""

from __future__ import annotations

from wasm_emit.binary import without_custom
from wasm_emit.types import EmitError

NAME_SECTION = "name"
"""Where assemblers keep the text's identifiers (core specification 2.0, section 7.4.1). They are left out: a fifth of a
small module, and each step's function is found by its export."""


def assemble(wat: str) -> bytes:
    """The binary of a module in text form.

    Raises ``EmitError`` when the text is not a module: a fault of the code that wrote it.
    """
    import wasmtime  # noqa: PLC0415 - modules are read without it

    try:
        return without_custom(bytes(wasmtime.wat2wasm(wat)), NAME_SECTION)
    except wasmtime.WasmtimeError as error:
        raise EmitError(f"expected a well-formed module: {error}") from error
