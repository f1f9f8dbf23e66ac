"""Rockchip's NPU simulator as an engine. Artifact: one ONNX file in QDQ form with static shapes.

The simulator computes what the vendor's compiler made of the graph, in floats rounded to the graph's integers. It
says nothing of the chip's speed, and it is not the chip: a proof made with it says ``simulator``.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from edge_bundle.errors import AlreadyClosedError, EngineError
from edge_bundle.proof import PlacementProof
from edge_bundle.tensor import DYNAMIC, Tensor, TensorSpec
from edge_runtime.checks import check_inputs, choose_options, entry_file
from edge_runtime.engine import EngineSource
from edge_runtime.rockchip.child import Child
from edge_runtime.rockchip.job import PLATFORMS, one_row, worker_command, write_job
from edge_runtime.rows import common_rows, is_open, open_names
from edge_runtime.toolchains.place import python_of
from edge_runtime.toolchains.recipe import RKNN

RUNTIME = "rockchip-simulator"

OPTIONS = {"platform": PLATFORMS}
"""``platform``: the chip that the graph is compiled for before it is simulated."""

START_TIMEOUT_S = 300.0
"""Longest that loading and building may take, in seconds; MobileNetV2 takes 5."""

RUN_TIMEOUT_S = 120.0
"""Longest that one row may take, in seconds; MobileNetV2 takes 0.5."""


class RockchipSimulatorEngine:
    """The vendor's toolkit in a process of its own. Satisfies ``Engine``. A larger batch is run row by row."""

    def __init__(self, source: EngineSource) -> None:
        options, model = choose_options(source, OPTIONS), entry_file(source)
        python = python_of(RKNN, runtime=source.runtime)
        self.inputs: tuple[TensorSpec, ...] = source.inputs
        self.outputs: tuple[TensorSpec, ...] = source.outputs
        self.runtime_version: str = RKNN.version
        self.placement: PlacementProof | None = None
        self._runtime = source.runtime
        self._folder = tempfile.TemporaryDirectory(prefix="skerry-")
        folder = Path(self._folder.name)
        write_job(folder, model, options["platform"], self.inputs, self.outputs)
        self._child: Child | None = Child(source.runtime, worker_command(python, folder, "serve"), folder)
        try:
            self._child.receive(1, START_TIMEOUT_S)
        except EngineError:
            self.close()
            raise

    def run(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """One inference (see ``Engine.run``)."""
        if self._child is None:
            raise AlreadyClosedError(what="the rockchip simulator")
        check_inputs(self._runtime, self.inputs, inputs)
        names = open_names(self.inputs)
        rows = common_rows(self._runtime, (inputs[name].shape[0] for name in names)) if names else 1
        answers = [self._run_row(self._child, inputs, row) for row in range(rows)]
        return {
            spec.name: Tensor(spec.dtype, _shape(spec, rows), b"".join(answer[place] for answer in answers))
            for place, spec in enumerate(self.outputs)
        }

    def close(self) -> None:
        """End the process. Closing again does nothing."""
        child, self._child = self._child, None
        if child is not None:
            child.close()
            self._folder.cleanup()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run_row(self, child: Child, inputs: Mapping[str, Tensor], row: int) -> list[bytes]:
        for spec in self.inputs:
            data, size = memoryview(inputs[spec.name].data).cast("B"), _row_bytes(spec)
            start = row * size if is_open(spec) else 0
            child.send(data[start : start + size], RUN_TIMEOUT_S)
        child.receive(1, RUN_TIMEOUT_S)
        return [child.receive(_row_bytes(spec), RUN_TIMEOUT_S) for spec in self.outputs]


def _row_bytes(spec: TensorSpec) -> int:
    return spec.dtype.itemsize * math.prod(one_row(spec))


def _shape(spec: TensorSpec, rows: int) -> tuple[int, ...]:
    return tuple(rows if size == DYNAMIC else size for size in spec.shape)
