"""The engine on hand-written modules: rows split over batch sizes, traps, options, closing."""

from __future__ import annotations

import gc
import struct
from typing import Any, cast

import pytest

from edge_bundle.errors import AlreadyClosedError, EngineError
from edge_bundle.tensor import DType, Tensor, TensorSpec
from edge_runtime.engine import Engine
from edge_runtime.factory import open_engine
from edge_runtime.wasm.engine import WasmEngine
from edge_runtime.wasm.runtime import WASMTIME_VERSION
from tests.edge_runtime.wasm.modules import (
    RUN,
    WEIGHTS,
    X,
    Y,
    artifact,
    expected,
    module,
    rows,
    source,
    standalone,
)

FIXED_X, FIXED_Y = (TensorSpec(name=name, dtype=DType.FP32, shape=(2, 4)) for name in ("x", "y"))


def open_wasm(*batches: int, **changes: Any) -> WasmEngine:
    engine: Engine = open_engine(source(artifact(*batches), **changes))
    assert isinstance(engine, WasmEngine)
    return engine


@pytest.mark.parametrize("batches", [(1,), (1, 2), (1, 4, 16)], ids=str)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 16, 23, 100])
def test_rows_are_split_and_joined(batches: tuple[int, ...], count: int) -> None:
    with open_wasm(*batches) as engine:
        assert engine.run({"x": rows(count)}) == {"y": expected(rows(count))}


def test_it_says_what_it_is() -> None:
    with open_wasm(1) as engine:
        assert (engine.inputs, engine.outputs, engine.runtime_version) == ((X,), (Y,), WASMTIME_VERSION)
        assert WASMTIME_VERSION


def test_a_stand_alone_module() -> None:
    with open_engine(source({"scale.wasm": standalone()})) as engine:
        assert engine.run({"x": rows(3)}) == {"y": expected(rows(3))}


def test_a_model_of_fixed_shape_runs_as_it_is() -> None:
    files = {"b2.wasm": module(2), "weights.bin": WEIGHTS}
    with open_engine(source(files, inputs=(FIXED_X,), outputs=(FIXED_Y,))) as engine:
        assert engine.run({"x": rows(2)}) == {"y": expected(rows(2))}
        with pytest.raises(EngineError, match=r"expected FP32 \[2, 4\], got FP32 \[1, 4\]"):
            engine.run({"x": rows(1)})


def test_views_of_any_element_size_are_taken_and_answers_own_their_bytes() -> None:
    wide = memoryview(struct.pack("<8f", *range(8))).cast("f")
    x = Tensor(DType.FP32, (2, 4), cast(memoryview, wide))
    with open_wasm(1, 2) as engine:
        first = engine.run({"x": x})["y"]
        kept = bytes(first.data)
        engine.run({"x": rows(2, first=100.0)})
    assert type(first.data) is bytes
    assert first.data == kept
    assert first == expected(Tensor(DType.FP32, (2, 4), bytes(wide)))


def test_special_values_pass_through() -> None:
    x = Tensor(DType.FP32, (1, 4), struct.pack("<4f", float("inf"), 0.0, -0.0, float("-inf")))
    with open_wasm(1) as engine:
        assert struct.unpack("<4f", engine.run({"x": x})["y"].data) == (float("inf"), -0.0, 0.0, float("-inf"))


@pytest.mark.parametrize(
    ("run", "message"),
    [
        pytest.param("unreachable", "wasm trap: wasm `unreachable` instruction executed", id="unreachable"),
        pytest.param("(i32.load (i32.const -4))", "wasm trap: out of bounds memory access", id="out-of-bounds"),
        pytest.param(
            "(i32.div_s (i32.const 1) (i32.const 0))", "wasm trap: integer divide by zero", id="divide-by-zero"
        ),
        pytest.param("(i32.trunc_f32_s (f32.const nan))", "invalid conversion to integer", id="conversion"),
        pytest.param("(call 2)", "wasm trap: call stack exhausted", id="endless-recursion"),
        pytest.param("(i32.const 7)", "run: expected status 0, got 7", id="status"),
        pytest.param("(memory.grow (i32.const 1))", "run: expected status 0, got -1", id="more-memory"),
    ],
)
def test_a_failed_run_is_an_error_and_not_the_last_one(run: str, message: str) -> None:
    """It fails only for an input that begins with 13, so that the same engine can be asked again."""
    guarded = f"(if (f32.eq (f32.load (i32.const 1024)) (f32.const 13)) (then (return {run}))) {RUN}"
    with open_engine(source(artifact(1, run=guarded))) as engine:
        for _ in range(3):
            with pytest.raises(EngineError, match=message) as caught:
                engine.run({"x": rows(1, first=13.0)})
            assert "\n" not in str(caught.value)
            assert engine.run({"x": rows(1)}) == {"y": expected(rows(1))}


def test_init_may_trap_too() -> None:
    files = artifact(1)
    files["b1.wasm"] = module(1, init="unreachable")
    with pytest.raises(EngineError, match="runtime wasm: wasm trap: wasm `unreachable` instruction executed"):
        open_engine(source(files))


def test_closing() -> None:
    engine = open_wasm(1, 4)
    engine.run({"x": rows(5)})
    assert engine.instances == 2
    engine.close()
    engine.close()
    assert engine.instances == 0
    with pytest.raises(AlreadyClosedError, match="the wasm engine is already closed"):
        engine.run({"x": rows(1)})
    del engine
    gc.collect()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"entrypoint": "b3.wasm"}, r"expected file 'b3\.wasm', got b1\.wasm, weights\.bin", id="no-entry"),
        pytest.param({"options": {"speed": "high"}}, "option: expected one of relaxed-simd, got 'speed'", id="option"),
        pytest.param(
            {"options": {"relaxed-simd": "yes"}}, "option 'relaxed-simd': expected one of off, on", id="option-value"
        ),
        pytest.param({"inputs": (FIXED_X,)}, r"model input 'x': expected FP32 \[2, 4\], got FP32 \[1, 4\]", id="shape"),
        pytest.param(
            {"inputs": (TensorSpec(name="x", dtype=DType.INT8, shape=(-1, 4)),)}, "expected INT8", id="input-dtype"
        ),
        pytest.param(
            {"inputs": (TensorSpec(name="z", dtype=DType.FP32, shape=(-1, 4)),)},
            "model inputs: expected 'z', got 'x'",
            id="input-name",
        ),
        pytest.param(
            {"outputs": (TensorSpec(name="y", dtype=DType.FP32, shape=(-1, 5)),)},
            r"model output 'y': expected FP32 \[any, 5\], got FP32 \[any, 4\]",
            id="output-shape",
        ),
        pytest.param(
            {"outputs": (TensorSpec(name="y", dtype=DType.FP32, shape=(1, 4)),)},
            "output 'y': expected an open batch size, as the inputs have",
            id="output-without-rows",
        ),
        pytest.param(
            {"files": artifact(2), "entrypoint": "b2.wasm"},
            "batch sizes: expected 1 among them, got 2 as the smallest",
            id="no-batch-of-one",
        ),
        pytest.param(
            {"files": {"b1.wasm": module(2), "weights.bin": WEIGHTS}},
            r"b1\.wasm: expected a module for batch size 1, got 2",
            id="misnamed-batch",
        ),
        pytest.param(
            {"files": {"b1.wasm": module()}},
            "weights: expected 16 bytes, inside or beside it, got none",
            id="no-weights",
        ),
        pytest.param(
            {"files": {"b1.wasm": module(), "weights.bin": WEIGHTS[:-1]}},
            "weights: expected 16 bytes, got 15",
            id="short-weights",
        ),
        pytest.param(
            {"files": {"b1.wasm": module(), "weights.bin": bytes(16)}}, "weights: expected sha256:", id="other-weights"
        ),
    ],
)
def test_a_variant_at_odds_with_its_specs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        open_engine(source(**changes))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        pytest.param({}, "inputs: expected 'x', got none", id="none"),
        pytest.param({"x": rows(1), "z": rows(1)}, "expected 'x', got 'x', 'z'", id="one-more"),
        pytest.param({"x": Tensor(DType.FP32, (0, 4), b"")}, r"got FP32 \[0, 4\]", id="empty-batch"),
        pytest.param({"x": Tensor(DType.FP32, (1, 4), bytes(15))}, "expected 16 bytes, got 15", id="too-short"),
        pytest.param({"x": Tensor(DType.FP32, (1, 4), bytes(17))}, "expected 16 bytes, got 17", id="too-long"),
        pytest.param({"x": Tensor(DType.FP32, (4097, 4), b"")}, "4097", id="batch-beyond-the-limit"),
    ],
)
def test_a_request_at_odds_with_the_specs(inputs: dict[str, Tensor], message: str) -> None:
    with open_wasm(1, 4) as engine:
        with pytest.raises(EngineError, match=message):
            engine.run(inputs)
        assert engine.run({"x": rows(1)}) == {"y": expected(rows(1))}, "the engine still works"
