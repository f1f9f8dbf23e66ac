"""Run a lane function over an array: one loop in a module of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import wasmtime
from numpy.typing import NDArray

from compiler.wasm.kernels.loopnest import elementwise
from compiler.wasm.kernels.operand import Operand
from compiler.wasm.numerics.lanes import Lanes
from edge_bundle.tensor import DType
from wasm_emit.assemble import assemble
from wasm_emit.function import Function, Local
from wasm_emit.module import Module
from wasm_emit.types import Expr

Code = Callable[..., Expr]
"""``code(fn, lanes, *values)``."""

_PAGE = 65536
_DTYPES = {np.dtype(dtype.numpy_name): dtype for dtype in DType}


def apply(code: Code, *arrays: NDArray[Any], vector: bool, out: type | None = None) -> NDArray[Any]:
    """The result of ``code`` for every element of arrays of one length, by vectors or by scalars."""
    size, item = arrays[0].size, 8
    room = -(-(size * item + 64) // _PAGE) * _PAGE
    result = np.dtype(out or arrays[0].dtype)
    module = Module()
    module.memory_pages = room * (len(arrays) + 1) // _PAGE
    operands = [
        Operand(address=room * place, dtype=_DTYPES[dtype], strides=(1,))
        for place, dtype in enumerate([result, *(array.dtype for array in arrays)])
    ]

    def body(fn: Function, lanes: Lanes, values: Sequence[Local]) -> Expr:
        return code(fn, lanes, *values)

    run = module.function("run", export="run")
    elementwise(run, (size,), operands[0], operands[1:], body, vector=vector, cheap=False)
    engine = wasmtime.Engine()
    store = wasmtime.Store(engine)
    exports = wasmtime.Instance(store, wasmtime.Module(engine, assemble(module.wat())), []).exports(store)
    memory, function = exports["memory"], exports["run"]
    assert isinstance(memory, wasmtime.Memory)
    assert isinstance(function, wasmtime.Func)
    for place, array in enumerate(arrays, 1):
        memory.write(store, array.tobytes(), room * place)
    function(store)
    return np.frombuffer(bytes(memory.read(store, 0, size * result.itemsize)), result)
