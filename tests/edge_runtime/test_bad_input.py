"""Everything that can be wrong with a variant or a request: named by an EngineError, never a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto  # noqa: TID251 - broken models are made here

from edge_bundle.errors import EngineError
from edge_bundle.tensor import DType, Tensor, TensorSpec
from edge_runtime.arrays import to_tensor
from edge_runtime.engine import EngineSource
from edge_runtime.factory import open_engine
from tests.edge_runtime.models import (
    IMAGE,
    RUNTIMES,
    artifact,
    digits_images,
    digits_model,
    digits_source,
    one_node_model,
    one_node_source,
)

both = pytest.mark.parametrize("runtime", RUNTIMES)
X = TensorSpec(name="x", dtype=DType.FP32, shape=(-1, 4))
Y = TensorSpec(name="y", dtype=DType.FP32, shape=(-1, 4))


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"this is not a model", id="not-onnx"),
        pytest.param(bytes(range(256)) * 40, id="random-bytes"),
        pytest.param(digits_model()[:5000], id="truncated"),
        pytest.param(digits_model().replace(b"conv1.weight", b"conv9.weight", 1), id="dangling-input"),
    ],
)
def test_malformed_onnx(model: bytes) -> None:
    with pytest.raises(EngineError, match=r"runtime onnxruntime: cannot load: .{10,}"):
        open_engine(digits_source("onnxruntime", files={"model.onnx": model}))


def ir() -> dict[str, bytes]:
    return dict(artifact("openvino", digits_model())[1])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param({"model.xml": b""}, "cannot load: .{10,}", id="empty"),
        pytest.param({"model.xml": bytes(range(256)) * 40}, "cannot load: .{10,}", id="random-bytes"),
        pytest.param({"model.xml": b"<net/>"}, "cannot load: .{10,}", id="not-ir"),
        pytest.param({"model.xml": ir()["model.xml"][:900]}, "cannot load: .{10,}", id="short-xml"),
        pytest.param({"model.bin": ir()["model.bin"][:100]}, "weights", id="short-bin"),
        pytest.param({"model.bin": b""}, "cannot load: .{10,}", id="empty-bin"),
    ],
)
def test_malformed_ir(damage: dict[str, bytes], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        open_engine(digits_source("openvino", files=ir() | damage))


def test_ir_without_its_weights() -> None:
    with pytest.raises(EngineError, match=r"artifact: expected file 'model\.bin', got model\.xml"):
        open_engine(digits_source("openvino", files={"model.xml": ir()["model.xml"]}))


def external_data_model(location: str) -> bytes:
    """Multiplies by weights that are said to lie in a file."""
    tensor = TensorProto(dims=[4, 4], data_type=TensorProto.FLOAT, name="w", data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", "0"), ("length", "64")):
        tensor.external_data.add(key=key, value=value)
    model = ModelProto.FromString(one_node_model("MatMul", inputs=("x", "w")))
    del model.graph.input[1]
    model.graph.initializer.append(tensor)
    return bytes(model.SerializeToString())


@both
@pytest.mark.parametrize(
    "location",
    [
        pytest.param("{folder}/weights.bin", id="absolute"),
        pytest.param("weights.bin", id="in-the-working-folder"),
        pytest.param("../{name}/weights.bin", id="path-traversal"),
    ],
)
def test_weights_outside_the_artifact_are_never_read(
    runtime: str, location: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights.bin").write_bytes(bytes(64))
    monkeypatch.chdir(tmp_path)
    model = external_data_model(location.format(folder=tmp_path, name=tmp_path.name))
    with pytest.raises(
        EngineError, match=r"(?i)external data|/dev/null/none|expected OpenVINO IR|not a valid Flatbuffer"
    ):
        open_engine(EngineSource(runtime, {"m.onnx": model}, "m.onnx", (X,), (Y,)))


def test_an_unknown_onnx_operator_is_named() -> None:
    with pytest.raises(EngineError, match="Nonesuch") as caught:
        open_engine(one_node_source("onnxruntime", one_node_model("Nonesuch"), X))
    assert "\n" not in str(caught.value)


def test_an_unknown_ir_operator_is_named() -> None:
    files = ir() | {"model.xml": ir()["model.xml"].replace(b'type="MaxPool"', b'type="Nonesuch"')}
    with pytest.raises(EngineError, match="Nonesuch") as caught:
        open_engine(digits_source("openvino", files=files))
    assert "\n" not in str(caught.value)


def test_an_opset_too_new_is_named() -> None:
    with pytest.raises(EngineError, match=r"(?i)opset"):
        open_engine(one_node_source("onnxruntime", one_node_model("Relu", opset=99), X))


@both
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"entrypoint": "other.xml"}, r"artifact: expected file 'other\.xml', got (model|b1)\.", id="no-entrypoint"
        ),
        pytest.param({"files": {}}, r"expected file '(model\.(onnx|xml)|b1\.tflite)', got no files", id="no-files"),
        pytest.param({"options": {"speed": "high"}}, r"option: expected one of .*, got 'speed'", id="unknown-option"),
        pytest.param(
            {"inputs": (TensorSpec(name="picture", dtype=DType.FP32, shape=(-1, 1, 8, 8)),)},
            "model inputs: expected 'picture', got 'image'",
            id="input-name",
        ),
        pytest.param({"inputs": (IMAGE, X)}, "model inputs: expected 'image', 'x', got 'image'", id="input-too-many"),
        pytest.param(
            {"inputs": (TensorSpec(name="image", dtype=DType.UINT8, shape=(-1, 1, 8, 8)),)},
            r"model input 'image': expected UINT8 \[any, 1, 8, 8\], got FP32 \[any, 1, 8, 8\]",
            id="input-dtype",
        ),
        pytest.param(
            {"inputs": (TensorSpec(name="image", dtype=DType.FP32, shape=(-1, 1, 9, 9)),)},
            r"model input 'image': expected FP32 \[any, 1, 9, 9\], got FP32 \[any, 1, 8, 8\]",
            id="input-shape",
        ),
        pytest.param(
            {"inputs": (TensorSpec(name="image", dtype=DType.FP32, shape=(-1, 64)),)},
            "model input 'image'",
            id="input-rank",
        ),
        pytest.param(
            {"outputs": (TensorSpec(name="scores", dtype=DType.FP32, shape=(-1, 10)),)},
            "model outputs: expected one named 'scores', got 'probabilities'",
            id="output-name",
        ),
        pytest.param(
            {"outputs": (TensorSpec(name="probabilities", dtype=DType.FP32, shape=(-1, 12)),)},
            r"model output 'probabilities': expected FP32 \[any, 12\], got FP32 \[any, 10\]",
            id="output-shape",
        ),
    ],
)
def test_a_variant_at_odds_with_its_specs(runtime: str, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(EngineError, match=message):
        open_engine(digits_source(runtime, **changes))


@both
def test_a_model_of_fixed_batch_cannot_serve_any_batch(runtime: str) -> None:
    with pytest.raises(EngineError, match=r"expected FP32 \[any, 4\], got FP32 \[2, 4\]|for batch size 1, got 2"):
        open_engine(one_node_source(runtime, one_node_model("Relu", shape=(2, 4)), X))


@both
def test_a_fixed_batch_may_be_asked_of_a_model_of_any_batch(runtime: str) -> None:
    source = digits_source(
        runtime,
        inputs=(TensorSpec(name="image", dtype=DType.FP32, shape=(1, 1, 8, 8)),),
        outputs=(TensorSpec(name="probabilities", dtype=DType.FP32, shape=(1, 10)),),
    )
    with open_engine(source) as engine:
        assert engine.run({"image": to_tensor(digits_images()[:1])})["probabilities"].shape == (1, 10)
        with pytest.raises(EngineError, match=r"expected FP32 \[1, 1, 8, 8\], got FP32 \[2, 1, 8, 8\]"):
            engine.run({"image": to_tensor(digits_images()[:2])})


@pytest.mark.parametrize(
    ("runtime", "option"), [pytest.param("onnxruntime", "spinning"), pytest.param("openvino", "pinning")]
)
def test_options(runtime: str, option: str) -> None:
    for value in ("on", "off"):
        open_engine(digits_source(runtime, options={option: value})).close()
    with pytest.raises(EngineError, match=f"option '{option}': expected one of off, on, got 'maybe'"):
        open_engine(digits_source(runtime, options={option: "maybe"}))


ONE = digits_images()[:1]


@both
@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        pytest.param({}, "inputs: expected 'image', got none", id="none"),
        pytest.param({"picture": to_tensor(ONE)}, "inputs: expected 'image', got 'picture'", id="wrong-name"),
        pytest.param(
            {"image": to_tensor(ONE), "more": to_tensor(ONE)}, "expected 'image', got 'image', 'more'", id="one-more"
        ),
        pytest.param(
            {"image": to_tensor(ONE.astype(np.float64))},
            r"input 'image': expected FP32 \[any, 1, 8, 8\], got FP64 \[1, 1, 8, 8\]",
            id="dtype",
        ),
        pytest.param({"image": to_tensor(ONE.reshape(1, 64))}, r"got FP32 \[1, 64\]", id="rank"),
        pytest.param({"image": to_tensor(ONE[:, :, :7])}, r"got FP32 \[1, 1, 7, 8\]", id="size"),
        pytest.param({"image": to_tensor(ONE[:0])}, r"got FP32 \[0, 1, 8, 8\]", id="empty-batch"),
        pytest.param({"image": Tensor(DType.FP32, (4097, 1, 8, 8), b"")}, "4097", id="batch-beyond-the-limit"),
        pytest.param({"image": Tensor(DType.FP32, (1, 1, 8, 8), bytes(255))}, "256 bytes, got 255", id="too-short"),
        pytest.param({"image": Tensor(DType.FP32, (1, 1, 8, 8), bytes(257))}, "256 bytes, got 257", id="too-long"),
    ],
)
def test_a_request_at_odds_with_the_specs(runtime: str, inputs: dict[str, Tensor], message: str) -> None:
    with open_engine(digits_source(runtime)) as engine:
        with pytest.raises(EngineError, match=message):
            engine.run(inputs)
        assert engine.run({"image": to_tensor(ONE)})["probabilities"].shape == (1, 10), "the engine still works"


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])  # LiteRT's models have no open sizes
def test_shapes_that_only_meet_inside_the_model(runtime: str) -> None:
    """ONNX Runtime finds out when it runs, OpenVINO when it loads; neither answers."""
    model = one_node_model("Add", shape=("N", "M"), inputs=("a", "b"))
    specs = [TensorSpec(name=name, dtype=DType.FP32, shape=(-1, size)) for name, size in (("a", 3), ("b", 4))]
    feed = {name: to_tensor(np.zeros((1, size), np.float32)) for name, size in (("a", 3), ("b", 4))}
    failure = r"(inference failed|cannot load): .*Add"
    with pytest.raises(EngineError, match=failure), open_engine(one_node_source(runtime, model, *specs)) as engine:
        engine.run(feed)
