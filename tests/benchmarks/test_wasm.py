"""The WebAssembly benchmark's own parts, on a small module and a small model."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.rounds import Sample
from benchmarks.rows import Row
from benchmarks.wasm.case import write_inputs
from benchmarks.wasm.engines import EngineName, NodeEngine, PythonEngine, native_engine, wasmtime_engine
from benchmarks.wasm.host_call import host_call_us, idle_module
from benchmarks.wasm.jobs import Job
from benchmarks.wasm.latency import Latency, WrongAnswerError, check_answers
from benchmarks.wasm.models import MODELS, SPEED, Model, Precision, find_model
from benchmarks.wasm.report import comparison_rows, latency_rows
from edge_bundle.tensor import DType

X = np.array([[1.0, 2.0, 3.0, 4.0]], dtype=np.float32)


def test_engines_agree_on_the_idle_module(tmp_path: Path) -> None:
    module = idle_module()
    rows = [{"input": np.full((1, 1, 49, 10), value, dtype=np.float32)} for value in (1, 2)]
    write_inputs(tmp_path, rows)
    (tmp_path / "module.wasm").write_bytes(module.standalone())
    with NodeEngine("skerry.js", tmp_path) as node, wasmtime_engine(module, rows) as here:
        for index in range(2):
            assert node.outputs(index) == here.outputs(index) == {"output": bytes(48)}
        for engine in (node, here):
            sample = engine.segment(0.01)
            assert 0 < sample.wall_us < 1e6
            assert sample.cpu_us > 0
        assert node.version.startswith("skerry, Node v")


def test_disagreement_is_an_error() -> None:
    def answering(*values: float) -> PythonEngine:
        return PythonEngine("", lambda _: {"y": np.array(values, dtype="<f4").tobytes()}, lambda _: None, 1)

    native = {EngineName.NATIVE: answering(1, 10)}
    for off, precision in ((1e-4, Precision.FP32), (0.5, Precision.INT8)):
        check_answers({EngineName.TFJS: answering(1 + off, 10), **native}, precision)
        for wrong in (1 + 20 * off, float("nan")):
            with pytest.raises(WrongAnswerError, match="tfjs: output 'y' is off"):
                check_answers({EngineName.TFJS: answering(wrong, 10), **native}, precision)


def test_a_call_has_a_cost() -> None:
    assert host_call_us(0.01) > 0


def test_native_takes_bound_inputs() -> None:
    model = find_model("kws")
    if not model.path().is_file():
        pytest.skip(f"there is no {model.path()}")
    row = {"input": np.zeros((1, 1, 49, 10), dtype=np.float32)}
    with native_engine(model.path().read_bytes(), [row]) as engine:
        assert isinstance(engine, PythonEngine)
        assert len(engine.outputs(0)["output"]) == 12 * DType.FP32.itemsize


def test_unknown_model() -> None:
    with pytest.raises(LookupError, match="got 'resnet'"):
        find_model("resnet")


def _latency(name: str, precision: Precision, **us: tuple[float, ...]) -> Latency:
    job = Job(model=find_model(name), precision=precision, onnx=b"", rows=(), compiled=None)
    samples = {
        EngineName(engine.replace("_", "-")): tuple(Sample(wall_us=value, cpu_us=value) for value in values)
        for engine, values in us.items()
    }
    return Latency(job=job, versions={}, samples=samples)


def test_comparisons_are_geometric_means_of_the_shortest_runs() -> None:
    ratios = dict(zip(SPEED, (0.1, 0.2, 0.4, 0.8), strict=True))
    found = [
        _latency(name, Precision.FP32, skerry_node=(9.0, ratio, 2 * ratio), ort_web=(1.0, 2.0, 1.5))
        for name, ratio in ratios.items()
    ]
    rows = {row.name: row for row in comparison_rows(found)}
    assert rows["vs_onnxruntime_web_fp32"] == Row(
        name="vs_onnxruntime_web_fp32", value=0.2828, unit="ratio", target=0.38, ok=True
    )
    assert rows["vs_tfjs_fp32"] == Row(
        name="vs_tfjs_fp32",
        value=None,
        unit="not measured: no ratio for kws, ic, ad, mobilenetv2",
        target=0.5,
        ok=False,
    )


def test_latency_rows_name_model_precision_and_engine() -> None:
    found = [_latency("kws", Precision.INT8, skerry_wasmtime=(50.0, 70.0), native=(20.0, 20.0))]
    assert {row.name: row.value for row in latency_rows(found)} == {
        "latency_ms/kws/int8/skerry-wasmtime": 0.05,
        "latency_ms/kws/int8/native": 0.02,
        "wasmtime_vs_native_int8/kws": 2.5,
    }


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_jobs_leave_out_what_an_engine_cannot_take(model: Model) -> None:
    job = Job(model=model, precision=Precision.INT8, onnx=b"", rows=(), compiled=None)
    assert job.engines(list(EngineName)) == [EngineName.ORT_WEB, EngineName.NATIVE]


def test_the_case_on_disk(tmp_path: Path) -> None:
    write_inputs(tmp_path, [{"x": X}, {"x": X, "n": np.array(7, dtype=np.int64)}])
    assert json.loads((tmp_path / "case.json").read_text())["inputs"] == [
        {"x": {"dtype": "FP32", "shape": [1, 4], "offset": 0, "bytes": 16}},
        {
            "x": {"dtype": "FP32", "shape": [1, 4], "offset": 16, "bytes": 16},
            "n": {"dtype": "INT64", "shape": [], "offset": 32, "bytes": 8},
        },
    ]
    assert (tmp_path / "inputs.bin").read_bytes() == X.tobytes() * 2 + np.array(7, dtype="<i8").tobytes()
