"""What is measured: one model in one precision, compiled where the compiler takes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.wasm.engines import EngineName
from benchmarks.wasm.inputs import Inputs
from benchmarks.wasm.models import MODELS, SPEED, Model, Precision, graph, inputs
from benchmarks.wasm.module_figures import Compiled, compile_timed
from edge_bundle.errors import CompileError


@dataclass(frozen=True, kw_only=True)
class Job:
    """``compiled`` is missing where the compiler refused the model."""

    model: Model
    precision: Precision
    onnx: bytes = field(repr=False)
    rows: Sequence[Inputs] = field(repr=False)
    compiled: Compiled | None

    @property
    def name(self) -> str:
        """Part of row names."""
        return f"{self.model.name}/{self.precision.value}"

    @property
    def peer_rows(self) -> list[Inputs]:
        """The inputs with those that are constants of our module."""
        return [{**row, **self.model.bind} for row in self.rows]

    def engines(self, wanted: Sequence[EngineName]) -> list[EngineName]:
        """Those of the wanted engines that can take it. TensorFlow.js has neither int8 nor recurrent models."""
        lacking = set()
        if self.compiled is None:
            lacking |= {EngineName.SKERRY_NODE, EngineName.SKERRY_WASMTIME}
        if self.precision is Precision.INT8 or self.model.name not in SPEED:
            lacking.add(EngineName.TFJS)
        return [engine for engine in wanted if engine not in lacking]


def make_jobs(
    models: Path, *, only: Sequence[str], precisions: Sequence[str], say: Callable[[str], None]
) -> Iterator[Job]:
    """The jobs of the chosen models and precisions, all where nothing is chosen.

    ``say`` is told of models that are not there, and of what the compiler refuses.
    """
    for model in MODELS:
        if only and model.name not in only:
            continue
        if not model.path(models).is_file():
            say(f"{model.name}: skipped, there is no {model.path(models)}")
            continue
        for precision in model.precisions:
            if not precisions or precision.value in precisions:
                yield _job(model, precision, models, say)


def _job(model: Model, precision: Precision, models: Path, say: Callable[[str], None]) -> Job:
    onnx, compiled = graph(model.name, precision, models), None
    try:
        compiled = compile_timed(model, onnx)
    except CompileError as error:
        say(f"{model.name}/{precision.value}: {error}")
    return Job(model=model, precision=precision, onnx=onnx, rows=inputs(model.name, models), compiled=compiled)
