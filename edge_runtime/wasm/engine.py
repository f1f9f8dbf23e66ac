"""WebAssembly under wasmtime. Artifact: ``b<batch>.wasm`` for each batch size, their weights in ``weights.bin``.

A single module of any other name, with its weights inside, is taken as well. ``threads`` is how many runs may be under
way at once; each is computed by one thread, and its result depends on nothing but its inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from edge_bundle.errors import (
    AlreadyClosedError,
    DigestMismatchError,
    EngineError,
    FormatError,
    LimitExceededError,
)
from edge_bundle.proof import PlacementProof
from edge_bundle.tensor import Tensor, TensorSpec
from edge_runtime.checks import ModelTensor, check_inputs, check_model, choose_options, entry_file
from edge_runtime.engine import EngineSource
from edge_runtime.rows import check_batches, common_rows, open_names, split_rows
from edge_runtime.wasm.abi import ModuleInfo, TensorPlace
from edge_runtime.wasm.compiled import open_cache
from edge_runtime.wasm.files import WEIGHTS_FILE, batch_of
from edge_runtime.wasm.module import CheckedModule, read_module
from edge_runtime.wasm.program import Buffer, Program, allowed_features, load_program
from edge_runtime.wasm.runtime import WASMTIME_VERSION

OPTIONS = {"relaxed-simd": ("off", "on")}
"""``relaxed-simd``: instructions whose results differ between CPUs, for variants of class ``host-exact``."""


class WasmEngine:
    """The modules of one variant. Satisfies ``Engine``; unlike others, ``run`` may be called from several threads."""

    def __init__(self, source: EngineSource) -> None:
        options = choose_options(source, OPTIONS)
        self._relaxed = options["relaxed-simd"] == "on"
        self._runtime = source.runtime
        self.inputs: tuple[TensorSpec, ...] = source.inputs
        self.outputs: tuple[TensorSpec, ...] = source.outputs
        self.runtime_version: str = WASMTIME_VERSION
        self.placement: PlacementProof | None = None
        self._names = [spec.name for spec in source.outputs]
        self._open = open_names(source.inputs)
        self._closed = False
        self._programs: list[Program] = []
        try:
            self._load(source)
        except BaseException:
            self.close()
            raise

    @property
    def instances(self) -> int:
        """Instances alive now, over all batch sizes."""
        return sum(program.instances for program in self._programs)

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One inference (see ``Engine.run``). Rows are split over the batch sizes at hand, the largest first."""
        if self._closed:
            raise AlreadyClosedError(what="the wasm engine")
        check_inputs(self._runtime, self.inputs, inputs)
        buffers = {name: _flat(tensor.data) for name, tensor in inputs.items()}
        if not self._open:
            return self._tensors(self._programs[-1].run(buffers, self._names), 0)
        rows = common_rows(self._runtime, (inputs[name].shape[0] for name in self._open))
        for program in self._programs:
            if program.batch == rows:
                return self._tensors(program.run(buffers, self._names), rows)
        return self._run_in_parts(buffers, rows)

    def close(self) -> None:
        """Free code and memory; runs under way in other threads end first. Closing again does nothing."""
        self._closed = True
        for program in self._programs:
            program.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self, source: EngineSource) -> None:
        """Read and check every module, then compile them or take them from the node's cache."""
        modules = [self._read(source, name) for name in _module_files(source)]
        check_batches(source, min(module.info.batch for module in modules))
        cache = open_cache(source.cache_dir)
        side_file = source.files.get(WEIGHTS_FILE)
        for module in sorted(modules, key=lambda module: module.info.batch, reverse=True):
            with_weights = side_file if module.weights is None and module.info.weights.bytes else None
            try:
                program = load_program(
                    module, with_weights, cache, relaxed_simd=self._relaxed, instances=source.threads
                )
            except (FormatError, DigestMismatchError) as error:
                raise EngineError(runtime=source.runtime, detail=str(error), advice=error.advice) from error
            self._programs.append(program)
        self._programs[-1].warm()

    def _read(self, source: EngineSource, name: str) -> CheckedModule:
        try:
            module = read_module(source.files[name], features=allowed_features(relaxed_simd=self._relaxed))
        except (FormatError, LimitExceededError) as error:
            detail = f"cannot load {name}: {error}"
            raise EngineError(runtime=source.runtime, detail=detail, advice=error.advice) from error
        info = module.info
        check_model(source, _declared(source.inputs, info, info.inputs), _declared(source.outputs, info, info.outputs))
        named = batch_of(name)
        if named not in (None, info.batch):
            raise self._refuse(name, f"a module for batch size {named}", info.batch)
        return module

    def _run_in_parts(self, buffers: Mapping[str, Buffer], rows: int) -> dict[str, Tensor]:
        """Each part is as large as a batch size allows; the rows of the answers follow each other in C order."""
        parts = []
        for program, start in split_rows(self._programs, rows):
            chunk = dict(buffers)
            for name in self._open:
                row_bytes = len(buffers[name]) // rows
                chunk[name] = memoryview(buffers[name])[start * row_bytes : (start + program.batch) * row_bytes]
            parts.append(program.run(chunk, self._names))
        return self._tensors([b"".join(pieces) for pieces in zip(*parts, strict=True)], rows)

    def _tensors(self, results: Sequence[bytes], rows: int) -> dict[str, Tensor]:
        return {
            spec.name: Tensor(spec.dtype, (rows, *spec.shape[1:]) if rows else spec.shape, data)
            for spec, data in zip(self.outputs, results, strict=True)
        }

    def _refuse(self, what: str, expected: str, got: int) -> EngineError:
        return EngineError(runtime=self._runtime, detail=f"{what}: expected {expected}, got {got}")


def _module_files(source: EngineSource) -> list[str]:
    """The modules to load: every batch size where the specs leave it open, else the entrypoint alone."""
    entry_file(source)
    if batch_of(source.entrypoint) is None or not open_names(source.inputs):
        return [source.entrypoint]
    return [name for name in source.files if batch_of(name) is not None]


def _declared(specs: Sequence[TensorSpec], info: ModuleInfo, places: Sequence[TensorPlace]) -> list[ModelTensor]:
    """The module's tensors; a leading dimension of the batch size is open where its spec leaves it open."""
    dynamic = open_names(specs)
    return [
        ModelTensor(
            name=place.name,
            dtype=place.dtype,
            shape=(None, *place.shape[1:])
            if place.name in dynamic and place.shape[:1] == (info.batch,)
            else place.shape,
        )
        for place in places
    ]


def _flat(data: bytes | memoryview) -> Buffer:
    """The bytes as memory takes them; a view may have come with elements of several bytes."""
    return data if isinstance(data, bytes) or data.format == "B" else data.cast("B")
