"""The engines that are compared, each with one model loaded: three in Node processes, two in this one."""

from __future__ import annotations

import base64
import enum
import importlib.metadata
import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np

from benchmarks.child import LineProcess
from benchmarks.node import node_binary
from benchmarks.rounds import Sample
from benchmarks.wasm.inputs import Inputs
from compiler.ort_rewrite import open_session, session_options
from compiler.wasm.compile import WasmModule
from edge_runtime.arrays import to_tensor
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine

PEERS = Path(__file__).parent / "peers"

BATCH_S = 1e-4
"""Shortest time between two looks at the clock, as in ``peers/segment.js``."""

MIN_BATCHES = 3
"""Batches in a segment at least, as in ``peers/segment.js``."""


class EngineName(enum.StrEnum):
    """Where a model runs. The names stand in rows."""

    SKERRY_NODE = "skerry-node"
    ORT_WEB = "ort-web"
    TFJS = "tfjs"
    SKERRY_WASMTIME = "skerry-wasmtime"
    NATIVE = "native"


class Measured(Protocol):
    """A loaded engine. ``segment`` runs for so many seconds; ``outputs`` gives raw bytes by name for one input."""

    @property
    def version(self) -> str:
        """Name and version of the runtime."""

    def segment(self, seconds: float) -> Sample:
        """``wall_us``: the shortest run (mean of a batch of at least ``BATCH_S``); ``cpu_us``: mean of all runs."""

    def outputs(self, index: int) -> dict[str, bytes]:
        """The answer to one input."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class NodeEngine(LineProcess):
    """A script of ``peers/`` in a Node process of its own, with a folder that ``case.py`` wrote."""

    def __init__(self, script: str, folder: Path) -> None:
        super().__init__(node_binary(), str(PEERS / script), str(folder))
        hello = json.loads(self.read_line())
        self.version = f"{hello['engine']}, Node {hello['node']}"

    def segment(self, seconds: float) -> Sample:
        """See ``Measured``."""
        found = self._ask({"seconds": seconds})
        return Sample(wall_us=found["best_us"], cpu_us=found["cpu_us"])

    def outputs(self, index: int) -> dict[str, bytes]:
        """See ``Measured``."""
        return {name: base64.b64decode(data) for name, data in self._ask({"outputs": index}).items()}

    def _ask(self, order: Mapping[str, object]) -> dict[str, Any]:
        self.write_line(json.dumps(order).encode())
        answer: dict[str, Any] = json.loads(self.read_line())
        return answer


class PythonEngine:
    """A call in this process: ``run(index)`` computes the outputs of one input."""

    def __init__(
        self, version: str, run: Callable[[int], dict[str, bytes]], call: Callable[[int], object], count: int
    ) -> None:
        self.version = version
        self.outputs = run
        self._call, self._count = call, count

    def segment(self, seconds: float) -> Sample:
        """See ``Measured``."""
        call, count = self._call, self._count
        best, runs, size, batches = float("inf"), 0, 1, 0
        cpu, started = time.process_time(), time.perf_counter()
        now = started
        while now - started < seconds or batches < MIN_BATCHES:
            before = time.perf_counter()
            for _ in range(size):
                call(runs % count)
                runs += 1
            now = time.perf_counter()
            best = min(best, (now - before) / size)
            batches += 1
            if now - before < BATCH_S:
                size *= 2
        return Sample(wall_us=best * 1e6, cpu_us=(time.process_time() - cpu) / runs * 1e6)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass


def wasmtime_source(module: WasmModule, *, cache_dir: Path | None = None) -> EngineSource:
    """How the agent would open a stand-alone module."""
    return EngineSource(
        runtime="wasm",
        files={"model.wasm": module.standalone()},
        entrypoint="model.wasm",
        inputs=tuple(place.spec for place in module.info.inputs),
        outputs=tuple(place.spec for place in module.info.outputs),
        cache_dir=cache_dir,
    )


def wasmtime_engine(module: WasmModule, rows: Sequence[Inputs]) -> PythonEngine:
    """The agent's engine, with tensors as a request brings them."""
    engine = open_engine(wasmtime_source(module))
    given = [{name: to_tensor(array) for name, array in row.items()} for row in rows]

    def outputs(index: int) -> dict[str, bytes]:
        return {name: bytes(tensor.data) for name, tensor in engine.run(given[index]).items()}

    version = f"wasmtime {engine.runtime_version}"
    return PythonEngine(version, outputs, lambda index: engine.run(given[index]), len(given))


def native_engine(model: bytes, rows: Sequence[Inputs]) -> PythonEngine:
    """ONNX Runtime on one thread that never spins; the bare call, arrays in and out."""
    options = session_options()
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = open_session(model, options, stage="benchmark")
    names = [value.name for value in session.get_outputs()]

    def outputs(index: int) -> dict[str, bytes]:
        values = session.run(None, rows[index])
        return {name: np.ascontiguousarray(value).tobytes() for name, value in zip(names, values, strict=True)}

    version = f"onnxruntime {importlib.metadata.version('onnxruntime')}"
    return PythonEngine(version, outputs, lambda index: session.run(None, rows[index]), len(rows))
