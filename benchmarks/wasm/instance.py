"""A module under wasmtime with every export in reach, for tools that time steps or look at memory.

The agent runs modules by ``edge_runtime.wasm.engine``; this is the same code without its checks, caches and pools.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import wasmtime
from numpy.typing import NDArray

from edge_runtime.wasm.abi import Feature, ModuleInfo, TensorPlace
from edge_runtime.wasm.call import Export, memory_view
from edge_runtime.wasm.runtime import wasmtime_engine


class Instance:
    """One instance of a stand-alone module, its ``init`` already called.

    Raises ``wasmtime.WasmtimeError`` if the bytes are not a valid module.
    """

    def __init__(self, code: bytes, info: ModuleInfo) -> None:
        engine = wasmtime_engine(relaxed_simd=Feature.RELAXED_SIMD in info.features)
        self._store = wasmtime.Store(engine)
        self._exports = wasmtime.Instance(self._store, wasmtime.Module(engine, code), []).exports(self._store)
        self.info = info
        memory = self._exports["memory"]
        if not isinstance(memory, wasmtime.Memory):
            raise TypeError(f"expected the export 'memory' to be a memory, got {type(memory).__name__}")
        self._memory = memory_view(self._store, memory)
        self._run = self.function("run")
        self.function("init")()

    def function(self, name: str) -> Export:
        """An exported function without arguments; calling it raises ``EngineError`` for a trap."""
        found = self._exports[name]
        if not isinstance(found, wasmtime.Func):
            raise TypeError(f"expected the export {name!r} to be a function, got {type(found).__name__}")
        return Export(self._store, found)

    def view(self, place: TensorPlace) -> NDArray[Any]:
        """An input or output in the module's memory: writing to it feeds the next run."""
        flat = np.frombuffer(self._memory[place.offset : place.offset + place.nbytes], np.dtype(place.dtype.numpy_name))
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
