"""One model: LiteRT's variants beside those of other runtimes, and beside the graph that they came from."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.litert.steps import Steps, count_steps
from compiler.compilation import Compilation
from compiler.graph import Graph
from compiler.measuring.interleaved import race_inputs, time_in_turn
from compiler.measuring.variant_source import source_of_lowered
from compiler.metrics.agreement import sqnr_db
from compiler.passes import lower
from compiler.pipeline import PASSES, run_passes
from compiler.progress import Silent
from compiler.request import CompileRequest
from compiler.scheme import scheme_of
from compiler.sources import load_sources
from compiler.targets.target import Lowered
from compiler.tflite.write import make_model
from edge_bundle.keys import SigningKey
from edge_runtime.arrays import to_array
from edge_runtime.engine import Engine, EngineSource
from edge_runtime.factory import open_engine
from hardware_profiles.loader import load_profile

PROFILES = (
    "litert-fp32", "litert-int8", "litert-int16x8", "cpu-fp32", "cpu-int8", "openvino-fp32", "openvino-int8",
)  # fmt: skip
OWN = "litert"

STEP_SAMPLES = 4
"""Inputs whose every layer is computed exactly; MobileNetV2 takes 3 s for each."""

Rows = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Microseconds (median of interleaved turns) by profile; SQNR in dB of LiteRT's profiles; steps by kernels."""

    model: str
    p50_us: Mapping[str, float]
    against_graph_db: Mapping[str, float]
    against_float_db: Mapping[str, float]
    top1_as_graph: Mapping[str, float]
    steps: Mapping[str, Mapping[str, Steps]] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)


def measure(folder: Path, work: Path, *, rounds: int) -> Figures:
    """Compile every profile of one model, run all of them on the evaluation set, and time them in turn."""
    state = _lowered(folder, work)
    samples = race_inputs(state.sources.evaluation)
    with ExitStack() as stack:
        engines = {one.profile.name: stack.enter_context(open_engine(_source(state, one))) for one in state.lowered}
        times = time_in_turn(list(engines.values()), samples, rounds=rounds)
        found = {name: _outputs(engine, samples) for name, engine in engines.items()}
        graphs = {one.profile.name: _graph(state, one) for one in state.lowered if one.profile.runtime == OWN}
        exact = {}
        for name, graph in graphs.items():
            with open_engine(_onnx_source(state, graph)) as engine:
                exact[name] = _outputs(engine, samples)
    return Figures(
        model=folder.name,
        p50_us={name: statistics.median(one) for name, one in zip(engines, times, strict=True)},
        against_graph_db={name: _sqnr_db(exact[name], found[name]) for name in graphs},
        against_float_db={name: _sqnr_db(found["cpu-fp32"], found[name]) for name in graphs},
        top1_as_graph={name: float((exact[name].argmax(1) == found[name].argmax(1)).mean()) for name in graphs},
        steps=_steps(graphs, [{name: to_array(one) for name, one in row.items()} for row in samples[:STEP_SAMPLES]]),
        refused={one.profile.name: str(one.error) for one in state.refused},
    )


def _lowered(folder: Path, work: Path) -> Compilation:
    (model,) = folder.glob("*.onnx")
    calibration = folder / "calibration.npz"
    profiles = [load_profile(name) for name in PROFILES]
    request = CompileRequest(
        model_path=model,
        contract_path=folder / "contract.toml",
        calibration_path=calibration if calibration.exists() else None,
        evaluation_path=folder / "evaluation.npz",
        profiles=tuple(one for one in profiles if calibration.exists() or not one.precision.quantized),
        out_dir=work / "bundle",
        keys=(SigningKey.from_seed(bytes(32)),),  # a request needs one; nothing is signed here
    )
    passes = PASSES[: [step.name for step in PASSES].index(lower.NAME) + 1]
    return run_passes(Compilation(request=request, sources=load_sources(request)), Silent(), passes)


def _graph(state: Compilation, variant: Lowered) -> Graph:
    profile = variant.profile
    return state.quantized[scheme_of(profile)].graph if profile.precision.quantized else state.current


def _source(state: Compilation, variant: Lowered) -> EngineSource:
    return source_of_lowered(variant, state.sources.contract)


def _onnx_source(state: Compilation, graph: Graph) -> EngineSource:
    contract = state.sources.contract
    return EngineSource(
        runtime="onnxruntime",
        files={"model.onnx": graph.model},
        entrypoint="model.onnx",
        inputs=tuple(rule.spec for rule in contract.inputs),
        outputs=tuple(rule.spec for rule in contract.outputs),
    )


def _outputs(engine: Engine, samples: Sequence[Mapping[str, Any]]) -> Rows:
    """The first output of every sample, [samples, elements]."""
    name = engine.outputs[0].name
    return np.stack([to_array(engine.run(one)[name]).reshape(-1).astype(np.float64) for one in samples])


def _sqnr_db(wanted: Rows, found: Rows) -> float:
    ratio = sqnr_db(found, wanted)
    return math.inf if ratio is None else ratio


def _steps(graphs: Mapping[str, Graph], feeds: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, dict[str, Steps]]:
    """``profile, kernels`` -> operator -> steps, of quantized graphs."""
    return {
        f"{name}, {kernels}": count_steps(make_model(graph), feeds, kernels)
        for name, graph in graphs.items()
        if graph.quantized
        for kernels in ("xnnpack", "reference")
    }
