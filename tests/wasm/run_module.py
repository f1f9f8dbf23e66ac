"""Run a compiled module under plain wasmtime: one fresh instance a call, no engine of ours in between."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import wasmtime
from numpy.typing import NDArray

from compiler.wasm.compile import WasmModule

_ENGINE = wasmtime.Engine()


def run_module(module: WasmModule, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The outputs by name. Asserts that inputs have the declared dtypes and shapes and that ``run`` gives 0."""
    store = wasmtime.Store(_ENGINE)
    instance = wasmtime.Instance(store, wasmtime.Module(_ENGINE, module.standalone()), [])
    exports = instance.exports(store)
    memory, init, run = exports["memory"], exports["init"], exports["run"]
    assert isinstance(memory, wasmtime.Memory)
    assert isinstance(init, wasmtime.Func)
    assert isinstance(run, wasmtime.Func)
    init(store)
    for place in module.info.inputs:
        array = np.asarray(inputs[place.name])
        assert array.shape == place.shape, f"{place.name}: expected {place.shape}, got {array.shape}"
        assert array.dtype == np.dtype(place.dtype.numpy_name), f"{place.name}: got {array.dtype}"
        memory.write(store, array.tobytes(), place.offset)
    assert run(store) == 0
    results = {}
    for place in module.info.outputs:
        dtype = np.dtype(place.dtype.numpy_name)
        nbytes = int(np.prod(place.shape, dtype=np.int64)) * dtype.itemsize
        raw = memory.read(store, place.offset, place.offset + nbytes)
        results[place.name] = np.frombuffer(bytes(raw), dtype).reshape(place.shape).copy()
    return results
