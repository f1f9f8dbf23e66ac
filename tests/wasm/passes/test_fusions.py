"""What the passes make of small float graphs: the operators that are left, and the same results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, helper  # noqa: TID251 - models are made here

from compiler.importer.read_graph import read_graph
from compiler.ir.graph import IrGraph, Node
from compiler.wasm.options import WasmOptions
from compiler.wasm.pipeline import run_passes
from compiler.wasm.specs import Activation, ActivationKind
from edge_runtime.quiet_import import import_quietly
from tests.compiler.models import model
from tests.wasm.interpret import interpret

CONV, GEMM, POOL, GLOBAL = "skerry.conv2d", "skerry.gemm", "skerry.pool2d", "skerry.global_pool"
IMAGE = (2, 4, 6, 5)
RNG = np.random.default_rng(5)


def real(*shape: int) -> NDArray[np.float32]:
    """Normal numbers."""
    return RNG.normal(size=shape).astype(np.float32)


def positive(*shape: int) -> NDArray[np.float32]:
    """Numbers from a half to two."""
    return RNG.uniform(0.5, 2, shape).astype(np.float32)


def ints(*values: int) -> NDArray[np.int64]:
    """A vector of indices."""
    return np.array(values, dtype=np.int64)


CONSTANTS: Mapping[str, NDArray[Any]] = {
    "w": real(4, 4, 3, 3), "w1": real(4, 4, 1, 1), "w8": real(4, 8, 1, 1), "line": real(3, 4, 3), "bias": real(4),
    "scale": positive(4), "shift": real(4), "mean": real(4), "variance": positive(4), "channels": real(4, 1, 1),
    "low": np.zeros((), np.float32), "high": np.full((), 6, np.float32), "dense": real(4, 3), "turned": real(3, 4), "row": real(3),
    "flat": real(4 * 6 * 5, 3), "pads": ints(0, 0, 1, 2, 0, 0, 0, 1), "axes": ints(2, 3), "wide": real(5, 7),
    "wide_row": real(7), "table": real(2, 3),
}  # fmt: skip


def n(op: str, inputs: str, output: str, **attrs: Any) -> NodeProto:
    """A node; ``inputs`` with spaces between."""
    return helper.make_node(op, inputs.split(" "), [output], **attrs)


@dataclass(frozen=True)
class Case:
    """Nodes from ``x`` (of ``shape``) to ``y``, the operators that are left, and the first fused activation."""

    nodes: Sequence[NodeProto]
    left: Sequence[str]
    shape: tuple[int, ...] = IMAGE
    activation: ActivationKind = ActivationKind.NONE
    residuals: int = 0
    more: Mapping[str, Any] = field(default_factory=dict)


NORM = "scale shift mean variance"
SAME = {"pads": [1, 1, 1, 1]}
CASES = {
    "batch norm and relu": Case(
        [n("Conv", "x w", "a", **SAME), n("BatchNormalization", f"a {NORM}", "b"), n("Relu", "b", "y")],
        ["Transpose", CONV, "Transpose"],
        activation=ActivationKind.RELU,
    ),
    "a batch norm alone": Case([n("BatchNormalization", f"x {NORM}", "y")], ["Mul", "Add"]),
    "constants per channel": Case(
        [n("Conv", "x w bias", "a"), n("Mul", "a channels", "b"), n("Add", "channels b", "c"), n("Sub", "c channels", "y")],
        ["Transpose", CONV, "Transpose"],
    ),
    "clip": Case(
        [n("Conv", "x w", "a"), n("Clip", "a low high", "y")],
        ["Transpose", CONV, "Transpose"],
        activation=ActivationKind.CLIP,
    ),
    "residual, then relu": Case(
        [n("Conv", "x w", "a", **SAME), n("Conv", "a w1", "b"), n("Add", "a b", "c"), n("Relu", "c", "y")],
        ["Transpose", CONV, CONV, "Transpose"],
        residuals=1,
    ),
    "two convolutions added": Case(
        [n("Conv", "x w1", "a"), n("Conv", "x w1 bias", "b"), n("Add", "a b", "y")],
        ["Transpose", CONV, CONV, "Transpose"],
        residuals=1,
    ),
    "nothing is added behind an activation": Case(
        [n("Conv", "x w1", "a"), n("Relu", "a", "b"), n("Add", "b x", "y")],
        ["Transpose", CONV, "Add", "Transpose"],
        activation=ActivationKind.RELU,
    ),
    "a sum read twice is one": Case(
        [n("Conv", "x w1", "a"), n("Relu", "a", "b"), n("Add", "a b", "y")],
        ["Transpose", CONV, "Relu", "Add", "Transpose"],
    ),
    "silu": Case(
        [n("Conv", "x w1", "a"), n("Sigmoid", "a", "b"), n("Mul", "b a", "y")],
        ["Transpose", CONV, "Transpose"],
        activation=ActivationKind.SILU,
    ),
    "pad": Case([n("Pad", "x pads", "a"), n("Conv", "a w", "y", pads=[0, 1, 1, 0])], ["Transpose", CONV, "Transpose"]),
    "same upper": Case([n("Conv", "x w", "y", auto_pad="SAME_UPPER", strides=[2, 2])], ["Transpose", CONV, "Transpose"]),
    "pools stay between": Case(
        [n("Conv", "x w1", "a"), n("MaxPool", "a", "b", kernel_shape=[2, 2], ceil_mode=1), n("Conv", "b w1", "y")],
        ["Transpose", CONV, POOL, CONV, "Transpose"],
    ),
    "concat and softmax with channels last": Case(
        [n("Concat", "x x", "a", axis=1), n("Conv", "x w1", "b"), n("Concat", "b x", "c", axis=1),
         n("Conv", "c w8", "d"), n("Softmax", "d", "y", axis=1)],
        ["Transpose", CONV, "Concat", CONV, "Softmax", "Transpose"],
    ),
    "a mean over positions, then a product": Case(
        [n("Conv", "x w1", "a"), n("ReduceMean", "a axes", "b", keepdims=0), n("MatMul", "b dense", "c"),
         n("Add", "c row", "d"), n("Relu", "d", "y")],
        ["Transpose", CONV, GLOBAL, "Reshape", GEMM],
    ),
    "flattened images": Case(
        [n("Conv", "x w1", "a"), n("Flatten", "a", "b"), n("Gemm", "b flat row", "y")],
        ["Transpose", CONV, "Reshape", GEMM],
    ),
    "gemm in all its forms": Case(
        [n("Gemm", "x turned table", "y", transA=1, transB=1, alpha=0.5)],
        ["Transpose", GEMM],
        shape=(4, 2),
        residuals=1,
    ),
    "a product of three dimensions": Case(
        [n("MatMul", "x wide", "a"), n("Add", "a wide_row", "b"), n("Relu", "b", "y")],
        ["Reshape", GEMM, "Reshape"],
        shape=(2, 3, 5),
        activation=ActivationKind.RELU,
    ),
    "lines": Case(
        [n("Conv", "x line", "a"), n("Relu", "a", "b"), n("GlobalAveragePool", "b", "y")],
        ["Transpose", "Reshape", CONV, GLOBAL, "Reshape"],
        shape=(2, 4, 9),
        activation=ActivationKind.RELU,
    ),
    "images that come with channels last": Case(
        [n("Transpose", "x", "a", perm=[0, 3, 1, 2]), n("Conv", "a w1", "b"), n("Transpose", "b", "y", perm=[0, 2, 3, 1])],
        [CONV, "Identity"],
        shape=(2, 6, 5, 4),
    ),
    "one channel needs no transpose": Case(
        [n("MaxPool", "x", "y", kernel_shape=[2, 2])], ["Reshape", POOL, "Reshape"], shape=(2, 1, 6, 5)
    ),
    "views of views, and nothing": Case(
        [n("Identity", "x", "a"), n("Flatten", "a", "b"), n("Unsqueeze", "b one", "c"), n("Dropout", "c", "d"),
         n("Abs", "d", "y")],
        ["Abs", "Reshape"],
        more={"one": ints(1)},
    ),
}  # fmt: skip


def built(case: Case) -> tuple[bytes, IrGraph]:
    """The model, and its graph after all passes."""
    used = {name for node in case.nodes for name in node.input}
    constants = {name: array for name, array in {**CONSTANTS, **case.more}.items() if name in used}
    made = model(case.nodes, inputs={"x": case.shape}, outputs={"y": ()}, constants=constants, opset=18)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    data = made.SerializeToString()
    return data, run_passes(read_graph(data, batch=1, dims={}, bind={}, stage="test"), WasmOptions())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_left(case: Case) -> None:
    _, graph = built(case)
    assert [node.op for node in graph.nodes] == list(case.left)
    fused = [node for node in graph.nodes if node.op in (CONV, GEMM)]
    assert sum(bool(node.input(3)) for node in fused) == case.residuals
    if case.activation is not ActivationKind.NONE:
        assert _activation(fused[0]).kind is case.activation


def _activation(node: Node) -> Activation:
    found = node.attrs["spec"].activation
    assert isinstance(found, Activation)
    return found


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_it_means_the_same(case: Case) -> None:
    data, graph = built(case)
    x = real(*case.shape)
    options = import_quietly("onnxruntime").SessionOptions()
    options.log_severity_level = 3
    session = import_quietly("onnxruntime").InferenceSession(data, options)
    np.testing.assert_allclose(interpret(graph, {"x": x})["y"], session.run(None, {"x": x})[0], rtol=1e-4, atol=1e-5)
