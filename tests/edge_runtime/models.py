"""Models to open: the digits example, the real models where they are, and small hand-made ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, helper  # noqa: TID251 - broken models are made here, never by the package

from compiler.importer.summary import summarise
from compiler.tflite.write import write_tflite
from edge_bundle.tensor import DType, TensorSpec
from edge_runtime.engine import EngineSource
from edge_runtime.quiet_import import import_quietly

ROOT = Path(__file__).resolve().parents[2]
DIGITS = ROOT / "examples" / "digits"
REAL_MODELS = ROOT.parent / "shared" / "models"

RUNTIMES = ("litert", "onnxruntime", "openvino")
IMAGE = TensorSpec(name="image", dtype=DType.FP32, shape=(-1, 1, 8, 8))
PROBABILITIES = TensorSpec(name="probabilities", dtype=DType.FP32, shape=(-1, 10))


@cache
def digits_model() -> bytes:
    return (DIGITS / "digits.onnx").read_bytes()


@cache
def digits_images() -> NDArray[np.float32]:
    with np.load(DIGITS / "evaluation.npz", allow_pickle=False) as data:
        return np.asarray(data["image"])


@cache
def digits_labels() -> NDArray[np.int64]:
    with np.load(DIGITS / "evaluation.npz", allow_pickle=False) as data:
        return np.asarray(data["labels"])


@cache
def artifact(runtime: str, model: bytes) -> tuple[str, Mapping[str, bytes]]:
    """Entrypoint and files: the ONNX file itself, or OpenVINO IR or TFLite made of it."""
    if runtime == "litert":
        return "b1.tflite", {"b1.tflite": write_tflite(summarise(model, stage="test"))}
    if runtime != "openvino":
        return "model.onnx", {"model.onnx": model}
    openvino = import_quietly("openvino")
    with TemporaryDirectory() as folder:
        files = {name: Path(folder) / name for name in ("model.xml", "model.bin")}
        openvino.save_model(openvino.Core().read_model(model), files["model.xml"], compress_to_fp16=False)
        return "model.xml", {name: file.read_bytes() for name, file in files.items()}


def digits_source(runtime: str, **changes: Any) -> EngineSource:
    """The digits model for a runtime; ``changes`` replace fields."""
    entrypoint, files = artifact(runtime, digits_model())
    fields: dict[str, Any] = {
        "files": files,
        "entrypoint": entrypoint,
        "inputs": (IMAGE,),
        "outputs": (PROBABILITIES,),
    }
    return EngineSource(runtime, **(fields | changes))


def one_node_model(
    kind: str,
    *,
    dtype: int = TensorProto.FLOAT,
    shape: Sequence[int | str] = ("N", 4),
    opset: int = 17,
    inputs: Sequence[str] = ("x",),
    output: int | None = None,
    **attributes: Any,
) -> bytes:
    """A model of one node from ``inputs`` to ``y``, all of one shape."""
    graph = helper.make_graph(
        [helper.make_node(kind, list(inputs), ["y"], name="the-node", **attributes)],
        "one-node",
        [helper.make_tensor_value_info(name, dtype, shape) for name in inputs],
        [helper.make_tensor_value_info("y", dtype if output is None else output, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    return bytes(model.SerializeToString())


def one_node_source(runtime: str, model: bytes, *specs: TensorSpec) -> EngineSource:
    """Open a one-node model with the given inputs and an output like the first of them."""
    output = TensorSpec(name="y", dtype=specs[0].dtype, shape=specs[0].shape)
    entrypoint, files = artifact(runtime, model)
    return EngineSource(runtime, files, entrypoint, specs, (output,))
