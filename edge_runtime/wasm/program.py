"""One module ready to run: the compiled code of one batch size, and its instances."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import wasmtime

from edge_bundle.errors import EngineError
from edge_runtime.wasm.abi import Feature, ModuleInfo
from edge_runtime.wasm.call import one_line
from edge_runtime.wasm.compiled import CompiledCache, entry_key
from edge_runtime.wasm.instance import Instance
from edge_runtime.wasm.module import CheckedModule, check_length
from edge_runtime.wasm.pool import Pool
from edge_runtime.wasm.runtime import wasmtime_engine

Buffer = bytes | memoryview


class Program:
    """A compiled module. ``run`` may be called from several threads; each call has an instance to itself."""

    def __init__(self, module: wasmtime.Module, engine: wasmtime.Engine, info: ModuleInfo, *, instances: int) -> None:
        self.info = info
        self.batch = info.batch
        self._pool = Pool(lambda: Instance(module, engine, info), instances)

    @property
    def instances(self) -> int:
        """Instances alive now."""
        return self._pool.made

    def run(self, inputs: Mapping[str, Buffer], outputs: Sequence[str]) -> list[bytes]:
        """The outputs' bytes, in the order asked for. Every input is given, with the bytes that its place takes.

        Raises ``EngineError`` for a trap, a status other than 0, or an instance that cannot start, and
        ``AlreadyClosedError`` after ``close``.
        """
        instance = self._pool.take()
        try:
            for name, view in instance.inputs.items():
                view[:] = inputs[name]
            instance.run()
            results = [bytes(instance.outputs[name]) for name in outputs]
        except BaseException:
            self._pool.drop(instance)
            raise
        self._pool.give(instance)
        return results

    def warm(self) -> None:
        """Have one instance ready, so that the first run does not wait for it. Raises ``EngineError``."""
        self._pool.give(self._pool.take())

    def close(self) -> None:
        """Free the code, and the instances as soon as none is in use."""
        self._pool.close()


def load_program(
    module: CheckedModule, side_file: bytes | None, cache: CompiledCache | None, *, relaxed_simd: bool, instances: int
) -> Program:
    """Take the compiled code from the node's cache, or compile and keep it.

    A module found in the cache was compiled with weights of the declared digest, so that ``side_file`` is not read
    again. Raises ``EngineError`` for what wasmtime refuses, ``FormatError`` or ``DigestMismatchError`` for weights
    that are not those declared.
    """
    engine = wasmtime_engine(relaxed_simd=relaxed_simd)
    if side_file is not None:
        check_length(module.info, side_file)
    if cache is None:
        compiled = _compile(engine, module.assembled(side_file))
    else:
        key = entry_key(module.seal, module.info.weights.digest, relaxed_simd=relaxed_simd)
        found = cache.load(engine, key)
        compiled = found or _compile(engine, module.assembled(side_file))
        if found is None:
            cache.store(key, compiled)
    return Program(compiled, engine, module.info, instances=instances)


def allowed_features(*, relaxed_simd: bool) -> tuple[Feature, ...]:
    """The features that a module may ask for."""
    return (Feature.SIMD128, Feature.RELAXED_SIMD) if relaxed_simd else (Feature.SIMD128,)


def _compile(engine: wasmtime.Engine, module: bytes) -> wasmtime.Module:
    try:
        return wasmtime.Module(engine, module)
    except wasmtime.WasmtimeError as error:
        raise EngineError(runtime="wasm", detail=f"cannot load: {one_line(error)}") from None
