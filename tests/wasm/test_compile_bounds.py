"""What a compile refuses because of its size: runs that hardly end, tables that no machine holds."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import ModelProto, NodeProto, TensorProto, helper  # noqa: TID251

from compiler.wasm.compile import MAX_OPERATIONS, compile_module
from edge_bundle.errors import CompileError, LimitExceededError
from tests.wasm.against_ort import graph, model, value

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def nested(depth: int, op: str) -> ModelProto:
    """Loops inside loops of a million turns each."""
    nodes: list[NodeProto] = [helper.make_node(op, ["v"], ["w"])]
    for _ in range(depth):
        body = helper.make_graph(
            [*nodes, helper.make_node("Identity", ["go"], ["on"])], "body",
            [value("i", INT64), value("go", BOOL), value("v", FLOAT, [2, 2])],
            [value("on", BOOL), value("w", FLOAT, [2, 2])],
        )  # fmt: skip
        nodes = [helper.make_node("Loop", ["n", "true", "v"], ["w"], body=body)]
    constants = {"n": np.array(10**6), "true": np.array(True)}
    return model(graph(nodes, [value("v", FLOAT, [2, 2])], [value("w", FLOAT, [2, 2])], constants))


@pytest.mark.parametrize("op", ["Neg", "Transpose"])
def test_loops_that_hardly_end(op: str) -> None:
    compile_module(nested(1, op).SerializeToString())
    with pytest.raises(LimitExceededError, match=f"one run: expected at most {MAX_OPERATIONS} operations"):
        compile_module(nested(3, op).SerializeToString())


def test_a_product_that_hardly_ends() -> None:
    equation = "ab,bc,cd,de,ef,fg,gh,hi->ai"
    node = helper.make_node("Einsum", ["x"] * 8, ["y"], equation=equation)
    made = model(graph([node], [value("x", FLOAT, [64, 64])], [value("y", FLOAT, [64, 64])]))
    with pytest.raises(LimitExceededError, match="one run"):
        compile_module(made.SerializeToString())


def test_a_table_that_no_machine_holds() -> None:
    node = helper.make_node("DFT", ["x", "length"], ["y"])
    constants = {"length": np.array(1 << 24)}
    made = model(graph([node], [value("x", FLOAT, [1, 4096, 1])], [value("y", FLOAT, None)], constants), opset=20)
    with pytest.raises(CompileError):
        compile_module(made.SerializeToString())
