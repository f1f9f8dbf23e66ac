"""A whole module: memory, globals, functions, exports; written as WAT and assembled."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from wasm_emit.function import Function
from wasm_emit.types import EmitError, ValType


class Module:
    """Collects functions and exports. It imports nothing: there is no way to say so.

    ``memory_pages`` (64 KiB each) is minimum and maximum alike; memory is exported as ``memory``.
    """

    def __init__(self) -> None:
        self.memory_pages = 1
        self._functions: dict[str, Function] = {}
        self._exports: list[tuple[str, str]] = []
        self._globals: list[tuple[str, int]] = []

    def function(self, name: str, results: Sequence[ValType] = (), *, export: str | None = None) -> Function:
        """A new function. Raises ``EmitError`` for a name that is taken."""
        label = f"${name}"
        if label in self._functions:
            raise EmitError(f"expected a new function name, got {name!r} again")
        made = Function(label, results)
        self._functions[label] = made
        if export is not None:
            self._exports.append((export, label))
        return made

    def shared(self, name: str, build: Callable[[Module, str], Function]) -> Function:
        """The function of that name, built when it is first asked for."""
        return self._functions.get(f"${name}") or build(self, name)

    def exported_constant(self, name: str, value: int) -> None:
        """An immutable i32 global, exported under its name."""
        self._globals.append((name, value))

    def wat(self) -> str:
        """The module in the WebAssembly text format."""
        lines = ["(module", f'  (memory (export "memory") {self.memory_pages} {self.memory_pages})']
        lines += [f'  (global (export "{name}") i32 (i32.const {value}))' for name, value in self._globals]
        lines += [function.text() for function in self._functions.values()]
        lines += [f'  (export "{name}" (func {label}))' for name, label in self._exports]
        return "\n".join([*lines, ")", ""])
