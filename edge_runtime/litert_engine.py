"""LiteRT (TensorFlow Lite) on the CPU. Artifact: ``b<batch>.tflite`` for each batch size.

A single model of any other name is taken as well. Shapes are static: XNNPACK refuses to resize models with a
``RESHAPE`` in them, so that rows are split over the batch sizes at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from edge_bundle.errors import AlreadyClosedError, EngineError
from edge_bundle.proof import PlacementProof
from edge_bundle.tensor import Tensor, TensorSpec
from edge_runtime.arrays import joined_rows, row_slice, to_array, to_tensor
from edge_runtime.checks import ModelTensor, check_inputs, check_model, choose_options, companion_file, entry_file
from edge_runtime.engine import EngineSource
from edge_runtime.litert_files import batch_of
from edge_runtime.litert_interpreter import VERSION
from edge_runtime.litert_program import KERNELS, LiteRtProgram
from edge_runtime.one_line import one_line
from edge_runtime.rows import check_batches, common_rows, open_names, split_rows

OPTIONS = {"kernels": tuple(KERNELS)}
"""``kernels``: XNNPACK's with LiteRT's own where that has none, or the reference ones, which are slow."""


@dataclass(frozen=True)
class _Sized:
    batch: int
    program: LiteRtProgram


class LiteRtEngine:
    """The models of one variant, each in an interpreter. Satisfies ``Engine``."""

    def __init__(self, source: EngineSource) -> None:
        options = choose_options(source, OPTIONS)
        self._runtime = source.runtime
        self.inputs: tuple[TensorSpec, ...] = source.inputs
        self.outputs: tuple[TensorSpec, ...] = source.outputs
        self.runtime_version: str = VERSION
        self.placement: PlacementProof | None = None
        self._open = open_names(source.inputs)
        self._names = [spec.name for spec in source.outputs]
        self._closed = False
        found = [self._load(source, name, options["kernels"]) for name in _model_files(source)]
        self._programs = sorted(found, key=lambda one: one.batch, reverse=True)
        check_batches(source, self._programs[-1].batch)

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One inference (see ``Engine.run``). Rows are split over the batch sizes at hand, the largest first."""
        if self._closed:
            raise AlreadyClosedError(what="the litert engine")
        check_inputs(self._runtime, self.inputs, inputs)
        feed = {name: to_array(tensor) for name, tensor in inputs.items()}
        try:
            if not self._open:
                arrays = self._programs[-1].program.run(feed, self._names)
            else:
                rows = common_rows(self._runtime, (len(feed[name]) for name in self._open))
                parts = [
                    one.program.run(row_slice(feed, self._open, start, one.batch), self._names)
                    for one, start in split_rows(self._programs, rows)
                ]
                arrays = joined_rows(parts)
        except (RuntimeError, ValueError) as error:
            raise EngineError(runtime=self._runtime, detail=f"inference failed: {one_line(error)}") from None
        return {name: to_tensor(array) for name, array in zip(self._names, arrays, strict=True)}

    def close(self) -> None:
        """Free the interpreters. Closing again does nothing."""
        self._closed = True
        self._programs = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _load(self, source: EngineSource, name: str, kernels: str) -> _Sized:
        model = companion_file(source, name)
        try:
            program = LiteRtProgram(model, threads=source.threads, kernels=kernels)
        except (RuntimeError, ValueError) as error:
            detail = f"cannot load {name}: {one_line(error)}"
            raise EngineError(runtime=source.runtime, detail=detail) from None
        batch = self._batch(program.inputs)
        check_model(source, _opened(source.inputs, program.inputs), _opened(source.outputs, program.outputs))
        named = batch_of(name)
        if self._open and named not in (None, batch):
            detail = f"{name}: expected a model for batch size {named}, got {batch}"
            raise EngineError(runtime=source.runtime, detail=detail)
        return _Sized(batch, program)

    def _batch(self, tensors: list[ModelTensor]) -> int:
        sizes = {one.shape[0] for one in tensors if one.name in self._open and one.shape}
        return next((size for size in sizes if size), 1) if len(sizes) == 1 else 1


def _model_files(source: EngineSource) -> list[str]:
    """The models to load: every batch size where the specs leave it open, else the entrypoint alone."""
    entry_file(source)
    if batch_of(source.entrypoint) is None or not open_names(source.inputs):
        return [source.entrypoint]
    return sorted(name for name in source.files if batch_of(name) is not None)


def _opened(specs: tuple[TensorSpec, ...], tensors: list[ModelTensor]) -> list[ModelTensor]:
    """The model's tensors; the leading size is open where its spec leaves it open."""
    names = open_names(specs)
    return [replace(one, shape=(None, *one.shape[1:])) if one.name in names and one.shape else one for one in tensors]
