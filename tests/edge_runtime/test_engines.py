"""Both engines on the digits model: right answers, the same bytes every time, and a clean end."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx  # noqa: TID251 - reads the weights for the numpy reference
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper  # noqa: TID251

from edge_bundle.errors import AlreadyClosedError, EngineError
from edge_bundle.tensor import DType, Tensor, TensorSpec
from edge_runtime.arrays import to_array, to_tensor
from edge_runtime.engine import Engine
from edge_runtime.factory import open_engine
from examples.digits.network import probabilities
from tests.edge_runtime.models import (
    DIGITS,
    RUNTIMES,
    digits_images,
    digits_labels,
    digits_source,
    one_node_model,
    one_node_source,
)

both = pytest.mark.parametrize("runtime", RUNTIMES)


def answers(engine: Engine, images: NDArray[np.float32]) -> NDArray[np.float32]:
    return to_array(engine.run({"image": to_tensor(images)})["probabilities"])


@pytest.fixture(scope="module")
def reference() -> NDArray[np.float64]:
    """The network of the training script, in float64, with the weights of the ONNX file."""
    model = onnx.load(DIGITS / "digits.onnx")
    weights = {tensor.name: numpy_helper.to_array(tensor).astype(np.float64) for tensor in model.graph.initializer}
    weights["conv1.weight"] *= 16
    return probabilities(weights, digits_images().astype(np.float64) / 16)


@both
def test_answers_agree_with_the_numpy_reference(runtime: str, reference: NDArray[np.float64]) -> None:
    with open_engine(digits_source(runtime)) as engine:
        got = answers(engine, digits_images())
    assert np.abs(got - reference).max() < 1e-4
    assert np.array_equal(got.argmax(1), reference.argmax(1))


@both
def test_describes_itself(runtime: str) -> None:
    source = digits_source(runtime)
    with open_engine(source) as engine:
        assert engine.inputs == source.inputs
        assert engine.outputs == source.outputs
        assert engine.runtime_version[0].isdigit()


@both
@pytest.mark.parametrize("threads", [1, 2])
def test_same_bytes_over_fifty_runs(runtime: str, threads: int) -> None:
    if len(os.sched_getaffinity(0)) < threads:
        pytest.skip(f"needs {threads} cores: OpenVINO starts no more threads than there are")
    one, many = to_tensor(digits_images()[:1]), to_tensor(digits_images()[:33])
    with open_engine(digits_source(runtime, threads=threads)) as engine:
        seen = set()
        for _ in range(50):  # two batch sizes in turn, so that neither can lean on warm buffers
            seen.add(
                (engine.run({"image": one})["probabilities"].data, engine.run({"image": many})["probabilities"].data)
            )
    assert len(seen) == 1


@both
def test_two_engines_give_the_same_bytes(runtime: str) -> None:
    image = {"image": to_tensor(digits_images()[:8])}
    with open_engine(digits_source(runtime)) as first, open_engine(digits_source(runtime)) as second:
        assert first.run(image) == second.run(image)


@both
def test_outputs_outlive_later_runs_and_the_engine(runtime: str) -> None:
    with open_engine(digits_source(runtime)) as engine:
        kept = engine.run({"image": to_tensor(digits_images()[:2])})["probabilities"]
        copy = bytes(kept.data)
        engine.run({"image": to_tensor(digits_images()[2:4])})
    assert isinstance(kept.data, bytes)
    assert kept.data == copy


@both
def test_inputs_may_be_views_at_any_offset(runtime: str) -> None:
    image = digits_images()[:1].tobytes()
    shifted = memoryview(b"\0" + image)[1:]
    with open_engine(digits_source(runtime)) as engine:
        assert engine.run({"image": Tensor(DType.FP32, (1, 1, 8, 8), shifted)}) == engine.run(
            {"image": Tensor(DType.FP32, (1, 1, 8, 8), image)}
        )


@both
def test_use_after_close_is_refused(runtime: str) -> None:
    engine = open_engine(digits_source(runtime))
    engine.close()
    engine.close()
    with pytest.raises(AlreadyClosedError, match=f"the {runtime} engine is already closed"):
        engine.run({"image": to_tensor(digits_images()[:1])})


@both
@pytest.mark.parametrize(
    ("dtype", "onnx_type"),
    [
        pytest.param(DType.BOOL, onnx.TensorProto.BOOL, id="bool"),
        pytest.param(DType.UINT8, onnx.TensorProto.UINT8, id="uint8"),
        pytest.param(DType.INT32, onnx.TensorProto.INT32, id="int32"),
        pytest.param(DType.INT64, onnx.TensorProto.INT64, id="int64"),
        pytest.param(DType.FP16, onnx.TensorProto.FLOAT16, id="fp16"),
        pytest.param(DType.FP64, onnx.TensorProto.DOUBLE, id="fp64"),
    ],
)
def test_dtypes_come_back_as_they_went_in(runtime: str, dtype: DType, onnx_type: int) -> None:
    spec = TensorSpec(name="x", dtype=dtype, shape=(-1, 4))
    value = to_tensor(np.array([[0, 1, 1, 0]], dtype.numpy_name))
    with open_engine(one_node_source(runtime, one_node_model("Identity", dtype=onnx_type), spec)) as engine:
        assert engine.run({"x": value})["y"] == value


def worker_threads() -> int:
    return len(list(Path("/proc/self/task").iterdir()))


def test_onnxruntime_starts_as_many_threads_as_asked() -> None:
    before = worker_threads()
    with open_engine(digits_source("onnxruntime", threads=1)):
        assert worker_threads() == before
    with open_engine(digits_source("onnxruntime", threads=3)):
        assert worker_threads() == before + 2, "the caller is the third"
    assert worker_threads() == before


def test_openvino_refuses_more_threads_than_it_would_use() -> None:
    with pytest.raises(EngineError, match=r"expected INFERENCE_NUM_THREADS 256, got \d+"):
        open_engine(digits_source("openvino", threads=256))


def test_openvino_computes_in_float32() -> None:
    """Sums of 4,096 products: bf16, the default where the CPU has it, would be off by about 1e-2."""
    spec = TensorSpec(name="a", dtype=DType.FP32, shape=(64, 64))
    model = one_node_model("MatMul", shape=(64, 64), inputs=("a", "b"))
    source = one_node_source("openvino", model, spec, TensorSpec(name="b", dtype=DType.FP32, shape=(64, 64)))
    random = np.random.default_rng(1)
    a, b = random.random((64, 64), np.float32), random.random((64, 64), np.float32)
    with open_engine(source) as engine:
        got = to_array(engine.run({"a": to_tensor(a), "b": to_tensor(b)})["y"])
    exact = a.astype(np.float64) @ b.astype(np.float64)
    assert np.abs(got / exact - 1).max() < 1e-5


@both
def test_accuracy_in_batches_equals_accuracy_one_by_one(runtime: str) -> None:
    images, labels = digits_images()[:100], digits_labels()[:100]
    with open_engine(digits_source(runtime)) as engine:
        one_by_one = np.concatenate([answers(engine, images[i : i + 1]) for i in range(100)])
        assert np.array_equal(one_by_one.argmax(1), answers(engine, images).argmax(1))
    assert (one_by_one.argmax(1) == labels).mean() >= 0.97
