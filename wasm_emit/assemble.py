"""WAT to binary, by wasmtime's assembler: the one place where this package needs wasmtime."""

from __future__ import annotations

from wasm_emit.types import EmitError


def assemble(wat: str) -> bytes:
    """The binary of a module in text form.

    Raises ``EmitError`` when the text is not a module: a fault of the code that wrote it.
    """
    import wasmtime  # noqa: PLC0415 - modules are read without it

    try:
        return bytes(wasmtime.wat2wasm(wat))
    except wasmtime.WasmtimeError as error:
        raise EmitError(f"expected a well-formed module: {error}") from error
