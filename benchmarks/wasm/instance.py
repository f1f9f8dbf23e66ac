"""A module under plain wasmtime with every export in reach, for tools that time steps or look at memory.

The agent runs modules by ``edge_runtime.wasm``; this is the same call without its checks, caches and pools.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import wasmtime
from numpy.typing import NDArray

from edge_runtime.wasm.abi import PAGE_BYTES, ModuleInfo, TensorPlace


@functools.cache
def shared_engine() -> wasmtime.Engine:
    """Wasmtime's defaults: SIMD, bulk memory, guard pages instead of bounds checks."""
    return wasmtime.Engine(wasmtime.Config())


class Instance:
    """One instance of a stand-alone module, its ``init`` already called.

    Raises ``wasmtime.WasmtimeError`` if the bytes are not a valid module.
    """

    def __init__(self, code: bytes, info: ModuleInfo) -> None:
        self._store = wasmtime.Store(shared_engine())
        instance = wasmtime.Instance(self._store, wasmtime.Module(shared_engine(), code), [])
        self._exports = instance.exports(self._store)
        self.info = info
        memory = self._exports["memory"]
        if not isinstance(memory, wasmtime.Memory):
            raise TypeError(f"expected the export 'memory' to be a memory, got {type(memory).__name__}")
        size = info.memory.pages * PAGE_BYTES
        address = ctypes.addressof(memory.data_ptr(self._store).contents)
        self.memory: NDArray[np.uint8] = np.frombuffer(
            memoryview((ctypes.c_ubyte * size).from_address(address)).cast("B"), dtype=np.uint8
        )
        self._run = self.function("run")
        self.function("init")()

    def function(self, name: str) -> Callable[[], Any]:
        """An exported function without arguments."""
        found = self._exports[name]
        if not isinstance(found, wasmtime.Func):
            raise TypeError(f"expected the export {name!r} to be a function, got {type(found).__name__}")
        return functools.partial(found, self._store)

    def view(self, place: TensorPlace) -> NDArray[Any]:
        """An input or output in the module's memory: writing to it feeds the next run."""
        dtype = np.dtype(place.dtype.numpy_name)
        count = int(np.prod(place.shape, dtype=np.int64))
        flat = np.frombuffer(self.memory.data, dtype=dtype, count=count, offset=place.offset)
        return flat.reshape(place.shape)

    def feed(self, inputs: Mapping[str, NDArray[Any]]) -> None:
        """Copy the inputs in; ``ValueError`` where a shape or dtype is not the module's."""
        for place in self.info.inputs:
            given, view = inputs[place.name], self.view(place)
            if (given.shape, given.dtype) != (view.shape, view.dtype):
                raise ValueError(
                    f"{place.name!r}: expected {view.dtype}{list(view.shape)}, got {given.dtype}{list(given.shape)}"
                )
            view[...] = given

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Feed, run, and copy the outputs out; ``RuntimeError`` if ``run`` reports a status."""
        self.feed(inputs)
        if (status := self._run()) != 0:
            raise RuntimeError(f"expected run to return 0, got {status}")
        return {place.name: self.view(place).copy() for place in self.info.outputs}
