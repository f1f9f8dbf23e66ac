"""Bytes of TFLite models: deterministic, aligned, and what the schema's own reader finds in them."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from compiler.graph import Graph
from compiler.tflite.flatbuffer import BUFFER_ALIGNMENT, IDENTIFIER, to_bytes
from compiler.tflite.model import Operation, Options, Tensor, TfliteModel
from compiler.tflite.schema import member, schema
from compiler.tflite.write import make_model, write_tflite
from edge_bundle.tensor import DType
from tests.compiler.tflite.integers import chain
from tests.compiler.tflite.running import operators

ROOT = Path(__file__).resolve().parents[3]

OTHER_PROCESS = """
import hashlib
from compiler.tflite.write import write_tflite
from tests.compiler.tflite.integers import chain
print(hashlib.sha256(write_tflite(chain("int8"))).hexdigest())
"""


@pytest.fixture(scope="module")
def graph() -> Graph:
    """A quantized graph."""
    return chain("int8")


def test_the_same_bytes_twice_and_in_another_process(graph: Graph) -> None:
    data = write_tflite(graph)
    assert write_tflite(graph) == data
    made = subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS], capture_output=True, text=True, check=True, cwd=ROOT, timeout=60,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert made.stdout.strip() == hashlib.sha256(data).hexdigest()


def test_buffers_are_aligned(graph: Graph) -> None:
    data = write_tflite(graph)
    model = schema().Model.GetRootAs(data)
    for index in range(1, model.BuffersLength()):
        held = model.Buffers(index).DataAsNumpy()
        assert np.frombuffer(data, np.uint8).ctypes.data % BUFFER_ALIGNMENT == held.ctypes.data % BUFFER_ALIGNMENT


def test_what_a_reader_finds(graph: Graph) -> None:
    data, made = write_tflite(graph), make_model(graph)
    model = schema().ModelT.InitFromObj(schema().Model.GetRootAs(data))
    part = model.subgraphs[0]
    assert data[4:8] == IDENTIFIER
    assert model.version == 3
    assert len(part.operators) == len(made.operations)
    names = [part.tensors[place].name.decode() for place in (*part.inputs, *part.outputs)]
    assert names == ["x", "y"]
    weights = part.tensors[next(op.inputs[1] for op in made.operations if op.op == "CONV_2D")]
    assert weights.type == member("TensorType", "INT8")
    assert (weights.quantization.quantizedDimension, len(weights.quantization.scale)) == (0, 6)
    assert not weights.quantization.zeroPoint.any()


def test_equal_constants_are_stored_once() -> None:
    same = np.arange(4, dtype=np.float32)
    tensors = tuple(
        Tensor(name=name, dtype=DType.FP32, shape=(4,), data=data)
        for name, data in (("a", same), ("b", same.copy()), ("c", None))
    )
    add = Operation(op="ADD", inputs=(0, 1), outputs=(2,), options=Options(table="AddOptions"))
    data = to_bytes(TfliteModel(tensors=tensors, operations=(add,), inputs=(), outputs=(2,)))
    assert schema().Model.GetRootAs(data).BuffersLength() == 2  # the empty one, and one of data


def test_an_unknown_option_is_a_fault() -> None:
    tensor = Tensor(name="a", dtype=DType.FP32, shape=(4,))
    operation = Operation(op="ABS", inputs=(0,), outputs=(0,), options=Options(table="AbsOptions", values={"warp": 1}))
    with pytest.raises(AttributeError, match="warp"):
        to_bytes(TfliteModel(tensors=(tensor,), operations=(operation,), inputs=(0,), outputs=(0,)))


def test_layout_changes_only_at_the_edges(graph: Graph) -> None:
    assert operators(make_model(graph)).count("TRANSPOSE") == 1  # the input; the output has no height and width
