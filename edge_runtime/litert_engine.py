"""LiteRT (TensorFlow Lite) on the CPU. Artifact: ``b<batch>.tflite`` for each batch size.

A single model of any other name is taken as well. Shapes are static: XNNPACK refuses to resize models with a
``RESHAPE`` in them, so that rows are split over the batch sizes at hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edge_bundle.errors import AlreadyClosedError, EngineError
from edge_bundle.proof import PlacementProof
from edge_bundle.tensor import DYNAMIC, Tensor, TensorSpec
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.checks import ModelTensor, check_inputs, check_model, choose_options, companion_file, entry_file
from edge_runtime.engine import EngineSource
from edge_runtime.litert_files import batch_of
from edge_runtime.litert_interpreter import VERSION
from edge_runtime.litert_program import KERNELS, LiteRtProgram

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
        self._open = [spec.name for spec in source.inputs if _is_open(spec)]
        self._names = [spec.name for spec in source.outputs]
        self._closed = False
        found = [self._load(source, name, options["kernels"]) for name in _model_files(source)]
        self._programs = sorted(found, key=lambda one: one.batch, reverse=True)
        _check_batches(source, self._programs[-1].batch)

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
                parts = [one.program.run(part, self._names) for one, part in self._parts(feed)]
                arrays = parts[0] if len(parts) == 1 else [np.concatenate(one) for one in zip(*parts, strict=True)]
        except (RuntimeError, ValueError) as error:
            raise EngineError(runtime=self._runtime, detail=f"inference failed: {_text(error)}") from None
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
            detail = f"cannot load {name}: {_text(error)}"
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

    def _parts(self, feed: Mapping[str, NDArray[Any]]) -> Iterator[tuple[_Sized, dict[str, NDArray[Any]]]]:
        """Which program takes which rows; the smallest has batch size 1, so that nothing is left over."""
        counts = {len(feed[name]) for name in self._open}
        if len(counts) != 1:
            got = ", ".join(map(str, sorted(counts)))
            raise EngineError(runtime=self._runtime, detail=f"inputs: expected as many rows in each, got {got}")
        start, rows = 0, counts.pop()
        for one in self._programs:
            while rows - start >= one.batch:
                stop = start + one.batch
                yield one, {name: array[start:stop] if name in self._open else array for name, array in feed.items()}
                start = stop


def _model_files(source: EngineSource) -> list[str]:
    """The models to load: every batch size where the specs leave it open, else the entrypoint alone."""
    entry_file(source)
    if batch_of(source.entrypoint) is None or not any(map(_is_open, source.inputs)):
        return [source.entrypoint]
    return sorted(name for name in source.files if batch_of(name) is not None)


def _check_batches(source: EngineSource, smallest: int) -> None:
    """Any number of rows can be served only if one row can, and if the outputs have rows at all."""
    dynamic = any(map(_is_open, source.inputs))
    for spec in source.outputs:
        if dynamic != _is_open(spec):
            expected = "an open batch size, as the inputs have" if dynamic else "a fixed shape, as the inputs have"
            detail = f"output {spec.name!r}: expected {expected}, got {list(spec.shape)}"
            raise EngineError(runtime=source.runtime, detail=detail)
    if dynamic and smallest != 1:
        detail = f"batch sizes: expected a model for batch size 1, got {smallest} as the smallest"
        raise EngineError(runtime=source.runtime, detail=detail)


def _opened(specs: tuple[TensorSpec, ...], tensors: list[ModelTensor]) -> list[ModelTensor]:
    """The model's tensors; the leading size is open where its spec leaves it open."""
    names = {spec.name for spec in specs if _is_open(spec)}
    return [replace(one, shape=(None, *one.shape[1:])) if one.name in names and one.shape else one for one in tensors]


def _is_open(spec: TensorSpec) -> bool:
    return spec.shape[:1] == (DYNAMIC,)


def _text(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
