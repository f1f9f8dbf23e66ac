"""Calling an export of no parameters in well under a microsecond, and seeing its memory without a copy.

``wasmtime.Func.__call__`` asks for the function's type and builds argument arrays on every call (7-9 us). Here the
addresses are prepared once and ``wasmtime_func_call_unchecked`` is called with them; ctypes releases the GIL meanwhile.
Unchecked means that the types are not compared again: callers have compared them (``module.py``, rule 4).

This is the one file that knows what wasmtime's package keeps private. It is looked at again when the module is
imported, so that another version is refused rather than called wrongly.
"""

from __future__ import annotations

import ctypes
from typing import Any, cast

import wasmtime
from wasmtime import _bindings as bindings
from wasmtime import _ffi as ffi
from wasmtime._extern import wrap_extern

from edge_bundle.errors import EngineError

_SYMBOL = "wasmtime_func_call_unchecked"
_VALUE_BYTES = 16
"""A ``wasmtime_val_raw_t``: as large as its largest member, a v128."""

_ADVICE = "install the version of wasmtime that this release of Skerry was tested with"


class Export:
    """One exported function of a store. Only one thread at a time may be inside a store."""

    __slots__ = ("_arguments", "_call", "_func", "_keep", "_trap", "_value")

    def __init__(self, store: wasmtime.Store, func: wasmtime.Func) -> None:
        self._func = func
        self._value = (ctypes.c_int32 * (_VALUE_BYTES // 4))()
        self._trap = ctypes.c_void_p()
        self._call = _prototype()
        context = store._context()  # noqa: SLF001 - see the module's docstring
        self._keep = (store, context)
        self._arguments = (
            ctypes.cast(context, ctypes.c_void_p),
            ctypes.c_void_p(ctypes.addressof(func._func)),  # noqa: SLF001
            ctypes.c_void_p(ctypes.addressof(self._value)),
            ctypes.c_size_t(1),
            ctypes.c_void_p(ctypes.addressof(self._trap)),
        )

    def __call__(self) -> int:
        """Call it; returns its i32 result, or 0 where it has none. Raises ``EngineError`` for a trap."""
        self._value[0] = 0
        error = self._call(*self._arguments)
        if error is not None or self._trap.value is not None:
            raise self._failure(error)
        return self._value[0]

    def _failure(self, error: int | None) -> EngineError:
        """The runtime's own words, in one line; what it allocated for them is freed."""
        if error is not None:
            pointer = ctypes.cast(error, ctypes.POINTER(ffi.wasmtime_error_t))
            return EngineError(runtime="wasm", detail=one_line(wasmtime.WasmtimeError._from_ptr(pointer)))  # noqa: SLF001
        trap = ctypes.cast(self._trap, ctypes.POINTER(ffi.wasm_trap_t))
        self._trap.value = None
        return EngineError(runtime="wasm", detail=one_line(wasmtime.Trap._from_ptr(trap)))  # noqa: SLF001


def export_named(store: wasmtime.Store, instance: wasmtime.Instance, name: str) -> wasmtime.Func | wasmtime.Memory:
    """One export. ``Instance.exports`` looks at all of them (6 us each), and there is one for each step."""
    item, text = ffi.wasmtime_extern_t(), name.encode()
    context, handle = store._context(), ctypes.byref(instance._instance)  # noqa: SLF001
    found = ffi.wasmtime_instance_export_get(context, handle, text, len(text), ctypes.byref(item))
    if not found:
        raise EngineError(runtime="wasm", detail=f"expected export {name!r}, got none")
    return cast(wasmtime.Func | wasmtime.Memory, wrap_extern(item))


def memory_view(store: wasmtime.Store, memory: wasmtime.Memory) -> memoryview:
    """All of a memory that never grows, writable. It must not be touched once the store is closed."""
    address = ctypes.addressof(memory.data_ptr(store).contents)
    return cast(memoryview, _view(address, memory.data_len(store), _WRITE))


def one_line(error: Exception) -> str:
    """A trap or error without its backtrace: the last lines of wasmtime's text say what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    cause = lines[lines.index("Caused by:") + 1 :] if "Caused by:" in lines else lines
    return " ".join(cause)


def _prototype() -> Any:
    """The C function, without ctypes' conversion of arguments: they are of its types already."""
    function = ffi.dll[_SYMBOL]
    function.restype = ctypes.c_void_p
    return function


def check_bindings() -> None:
    """Raise ``EngineError`` unless wasmtime's own bindings declare the call as this file makes it."""
    expected = [
        ctypes.POINTER(bindings.wasmtime_context_t),
        ctypes.POINTER(bindings.wasmtime_func_t),
        ctypes.POINTER(bindings.wasmtime_val_raw_t),
        ctypes.c_size_t,
        ctypes.POINTER(ctypes.POINTER(bindings.wasm_trap_t)),
    ]
    declared = getattr(bindings, f"_{_SYMBOL}", None)
    size = ctypes.sizeof(bindings.wasmtime_val_raw_t)
    if declared is None or list(declared.argtypes) != expected or size != _VALUE_BYTES:
        expected_call = f"{_SYMBOL} of five arguments, as in wasmtime 45 to 50"
        detail = f"wasmtime's bindings: expected {expected_call}, got another declaration"
        raise EngineError(runtime="wasm", detail=detail, advice=_ADVICE)


_WRITE = 0x200
"""``PyBUF_WRITE`` of CPython's ``memoryview`` C interface."""

_view = ctypes.pythonapi.PyMemoryView_FromMemory
_view.restype = ctypes.py_object
_view.argtypes = [ctypes.c_void_p, ctypes.c_ssize_t, ctypes.c_int]

check_bindings()
