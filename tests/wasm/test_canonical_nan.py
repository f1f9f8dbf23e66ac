"""NaNs of outputs have one form; outputs that cannot hold any cost nothing."""

from __future__ import annotations

import numpy as np
import pytest

from compiler.ir.graph import IrGraph, Node, ValueType
from compiler.wasm.canonical_nan import NAME
from compiler.wasm.compile import compile_graph
from compiler.wasm.options import WasmOptions
from compiler.wasm_tools.instance import run_module
from edge_bundle.tensor import DType

SOURCE = "sha256:" + "0" * 64


def graph(op: str, dtype: DType = DType.FP32) -> IrGraph:
    """One operator of one input, five elements."""
    return IrGraph(
        inputs=("x",), outputs=("y",), nodes=(Node(op=op, name="one", inputs=("x",), outputs=("y",)),),
        types={"x": ValueType(dtype, (5,)), "y": ValueType(dtype, (5,))}, constants={}, opset=17,
    )  # fmt: skip


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
    ],
)
def test_only_where_one_can_appear(one: IrGraph, steps: list[str]) -> None:
    module = compile_graph(one, WasmOptions(), source=SOURCE)
    assert [step.name for step in module.info.steps] == steps
