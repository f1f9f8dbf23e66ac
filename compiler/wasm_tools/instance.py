"""A module under wasmtime with every export in reach: for tools, benchmarks and tests.

The agent runs modules by ``edge_runtime.wasm.engine``, which checks, caches and pools; this does none of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
import wasmtime
from numpy.typing import NDArray

from compiler.wasm.compile import WasmModule
from edge_bundle.errors import EngineError
from edge_runtime.wasm.abi import Feature, ModuleInfo, TensorPlace
from edge_runtime.wasm.call import Export, memory_view, one_line
from edge_runtime.wasm.runtime import wasmtime_engine

Arrays = Mapping[str, NDArray[Any]]


def run_module(module: WasmModule, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """The outputs of a compiled module in an instance of its own; raises as ``Instance`` does."""
    with Instance(module.standalone(), module.info) as instance:
        return instance.run(inputs)


class Instance:
    """One instance of a stand-alone module, its ``init`` already called. A context manager: it frees the memory.

    Raises ``EngineError`` for what wasmtime refuses, and for a trap.
    """

    def __init__(self, code: bytes, info: ModuleInfo) -> None:
        engine = wasmtime_engine(relaxed_simd=Feature.RELAXED_SIMD in info.features)
        self._store = wasmtime.Store(engine)
        try:
            self._exports = wasmtime.Instance(self._store, wasmtime.Module(engine, code), []).exports(self._store)
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            self._store.close()
            raise EngineError(runtime="wasm", detail=one_line(error)) from None
        self.info = info
        self._memory = memory_view(self._store, cast(wasmtime.Memory, self._exports["memory"]))
        self._run = self.function("run")
        self.function("init")()

    def function(self, name: str) -> Export:
        """An exported function without parameters."""
        return Export(self._store, cast(wasmtime.Func, self._exports[name]))

    def feed(self, inputs: Arrays) -> None:
        """Copy the inputs in; ``ValueError`` where a shape or dtype is not the module's."""
        for place in self.info.inputs:
            given, view = np.asarray(inputs[place.name]), self._view(place)
            if (given.shape, given.dtype) != (view.shape, view.dtype):
                raise ValueError(
                    f"{place.name!r}: expected {view.dtype}{list(view.shape)}, got {given.dtype}{list(given.shape)}"
                )
            view[...] = given

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Feed, run, and copy the outputs out; ``EngineError`` if ``run`` reports a status."""
        self.feed(inputs)
        if (status := self._run()) != 0:
            raise EngineError(runtime="wasm", detail=f"run: expected status 0, got {status}")
        return {place.name: self._view(place).copy() for place in self.info.outputs}

    def _view(self, place: TensorPlace) -> NDArray[Any]:
        """An input or output in the module's memory."""
        flat = np.frombuffer(self._memory[place.offset : place.offset + place.nbytes], np.dtype(place.dtype.numpy_name))
        return flat.reshape(place.shape)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._memory.release()
        self._store.close()
