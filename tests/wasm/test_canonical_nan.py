"""NaNs of outputs have one form; outputs that cannot hold any cost nothing."""

from __future__ import annotations

import math

import numpy as np
import pytest

from compiler.ir.graph import IrGraph, Node, ValueType, constant_type
from compiler.wasm.canonical_nan import NAME
from compiler.wasm.compile import compile_graph
from compiler.wasm.options import WasmOptions
from compiler.wasm.specs import QGemm, Quant
from compiler.wasm_tools.instance import run_module
from edge_bundle.tensor import DType

SOURCE = "sha256:" + "0" * 64


def graph(op: str, dtype: DType = DType.FP32) -> IrGraph:
    """One operator of one input, five elements."""
    return IrGraph(
        inputs=("x",), outputs=("y",), nodes=(Node(op=op, name="one", inputs=("x",), outputs=("y",)),),
        types={"x": ValueType(dtype, (5,)), "y": ValueType(dtype, (5,))}, constants={}, opset=17,
    )  # fmt: skip


def product(x_scale: float, w_scale: float) -> IrGraph:
    """An integer product of one row and one column that stays float32."""
    weights = np.array([[0], [0]], dtype=np.int8)
    spec = QGemm(
        x=Quant(x_scale, 0, DType.UINT8), w_scales=np.array([w_scale], dtype=np.float32), y=None, low=0, high=0
    )
    node = Node(op="skerry.qgemm", name="one", inputs=("x", "w", ""), outputs=("y",), attrs={"spec": spec})
    types = {"x": ValueType(DType.UINT8, (1, 2)), "y": ValueType(DType.FP32, (1, 1)), "w": constant_type(weights)}
    return IrGraph(inputs=("x",), outputs=("y",), nodes=(node,), types=types, constants={"w": weights}, opset=17)


def test_every_nan_has_the_canonical_bits() -> None:
    bits = np.array([0x7FC00001, 0xFFC00000, 0x3F800000, 0x7F800000, 0xFF812345], dtype=np.uint32)
    module = compile_graph(graph("Neg"), WasmOptions(), source=SOURCE)
    (y,) = run_module(module, {"x": bits.view(np.float32)}).values()
    assert y.view(np.uint32).tolist() == [0x7FC00000, 0x7FC00000, 0xBF800000, 0xFF800000, 0x7FC00000]


@pytest.mark.parametrize(
    ("one", "steps"),
    [
        pytest.param(graph("Neg"), ["one", NAME], id="arithmetic"),
        pytest.param(graph("Identity"), ["one"], id="a copy of the input"),
        pytest.param(graph("Neg", DType.INT32), ["one"], id="integers"),
        pytest.param(product(0.5, 0.25), ["one"], id="an integer product"),
        pytest.param(product(math.inf, 0.25), ["one", NAME], id="one of an infinite scale"),
        pytest.param(product(0.5, math.nan), ["one", NAME], id="one of a scale that is no number"),
        pytest.param(product(3e38, 3e38), ["one", NAME], id="one of scales whose product is infinite"),
    ],
)
def test_only_where_one_can_appear(one: IrGraph, steps: list[str]) -> None:
    module = compile_graph(one, WasmOptions(), source=SOURCE)
    assert [step.name for step in module.info.steps] == steps


def test_zero_times_infinity_is_canonical_too() -> None:
    module = compile_graph(product(math.inf, 0.25), WasmOptions(), source=SOURCE)
    (y,) = run_module(module, {"x": np.array([[1, 2]], dtype=np.uint8)}).values()
    assert y.view(np.uint32).tolist() == [[0x7FC00000]]
