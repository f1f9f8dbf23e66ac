"""One instance of a module: its own memory, with a view on each tensor in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import cast

import wasmtime

from edge_bundle.errors import EngineError
from edge_runtime.wasm.abi import PAGE_BYTES, ModuleInfo, TensorPlace
from edge_runtime.wasm.call import Export, export_named, memory_view, one_line


class Instance:
    """An instance, initialised. One thread at a time; ``inputs`` and ``outputs`` are views of its memory by name."""

    def __init__(self, module: wasmtime.Module, engine: wasmtime.Engine, info: ModuleInfo) -> None:
        """Raises ``EngineError`` if there is not enough memory, or ``init`` traps."""
        self._store = wasmtime.Store(engine)
        try:
            self._store.set_limits(memory_size=info.memory.pages * PAGE_BYTES, instances=1, tables=0, memories=1)
            instance = wasmtime.Instance(self._store, module, [])
            # Kinds and types of the exports are known (module.py, rule 4).
            start, run, memory = (export_named(self._store, instance, name) for name in ("init", "run", "memory"))
            Export(self._store, cast(wasmtime.Func, start))()
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            self._store.close()
            raise EngineError(runtime="wasm", detail=f"cannot start: {one_line(error)}") from None
        except EngineError:
            self._store.close()
            raise
        self._run = Export(self._store, cast(wasmtime.Func, run))
        self._memory = memory_view(self._store, cast(wasmtime.Memory, memory))
        self.inputs = self._views(info.inputs)
        self.outputs = self._views(info.outputs)

    def run(self) -> None:
        """Compute the outputs from the inputs. Raises ``EngineError`` for a trap or a status other than 0."""
        status = self._run()
        if status:
            raise EngineError(runtime="wasm", detail=f"run: expected status 0, got {status}")

    def close(self) -> None:
        """Free the memory. The views are released first: nothing may look at it any more."""
        for view in (*self.inputs.values(), *self.outputs.values(), self._memory):
            view.release()
        self._store.close()

    def _views(self, places: Iterable[TensorPlace]) -> Mapping[str, memoryview]:
        return {place.name: self._memory[place.offset : place.offset + place.nbytes] for place in places}
