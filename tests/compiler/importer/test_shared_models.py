"""The real models become static graphs; quantized forms of them keep their integer weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from compiler.importer.read_graph import read_graph
from compiler.ir.check import check_graph
from compiler.ir.graph import IrGraph
from edge_bundle.errors import CompileError
from tests.compiler.models import REAL_MODELS

SR = np.array(16000, np.int64)
VAD = {"input:1": 576, "state:1": 1}
NAMED = {"sequence": 576}

MODELS: dict[str, tuple[str, dict[str, int], dict[str, NDArray[Any]], dict[str, int]]] = {
    "kws": ("kws_dscnn/kws_fp32.onnx", {}, {}, {"Conv": 9, "Gemm": 1}),
    "kws with batch norms": ("kws_dscnn/kws_fp32_bn.onnx", {}, {}, {"Conv": 9, "BatchNormalization": 9}),
    "ic": ("ic_resnet8/ic_fp32.onnx", {}, {}, {"Conv": 9, "Add": 3}),
    "ad": ("ad_autoencoder/ad_fp32.onnx", {}, {}, {"Gemm": 10}),
    "mobilenetv2": ("mobilenetv2/mobilenet_v2_fp32.onnx", {}, {}, {"Conv": 53, "Clip": 35}),
    "vad of one rate": ("silero_vad/silero_vad.onnx", VAD, {"sr": SR}, {"If": 0, "LSTM": 1, "Conv": 6}),
    "vad 16k": ("silero_vad/silero_vad_16k_op15.onnx", NAMED, {}, {"If": 0, "LSTM": 1, "Conv": 6}),
    "vad without Ifs": ("silero_vad/silero_vad_op18_ifless.onnx", NAMED, {}, {"If": 1, "Conv": 12}),
    "vad without Ifs, one rate": ("silero_vad/silero_vad_op18_ifless.onnx", NAMED, {"sr": SR}, {"If": 0, "Conv": 6}),
}
"""File, sizes, constants, and how often some operators are left."""


def _data(file: str) -> bytes:
    path = REAL_MODELS / file
    if not path.is_file():
        pytest.skip(f"no real models at {path}")
    return path.read_bytes()


def _read(data: bytes, dims: Mapping[str, int], bind: Mapping[str, NDArray[Any]], *, batch: int = 1) -> IrGraph:
    found = read_graph(data, batch=batch, dims=dims, bind=bind, stage="test")
    check_graph(found, stage="test")
    return found


@pytest.mark.parametrize("name", MODELS)
def test_is_static(name: str) -> None:
    file, dims, bind, counts = MODELS[name]
    found = _read(_data(file), dims, bind)
    operators = [node.op for node in found.walk()]
    assert {op: operators.count(op) for op in counts} == counts
    assert not {"Shape", "Constant", "Identity", "ConstantOfShape", "Size"} & set(operators)


def test_a_batch_reaches_every_value_of_mobilenetv2() -> None:
    data = _data("mobilenetv2/mobilenet_v2_fp32.onnx")
    one, four = (_read(data, {}, {}, batch=batch) for batch in (1, 4))
    made = [name for node in one.nodes for name in node.outputs]
    assert all(four.types[name].shape == (4, *one.types[name].shape[1:]) for name in made)


def test_a_branch_that_does_not_fit_says_how_to_leave_it_out() -> None:
    """At 8 kHz the detector takes frames of half the length: that branch has no shapes for 576 samples."""
    with pytest.raises(CompileError, match="else_branch") as caught:
        _read(_data("silero_vad/silero_vad.onnx"), VAD, {})
    assert "constants" in caught.value.advice
