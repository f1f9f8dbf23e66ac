"""What is left of small quantized graphs: integer operators where the rules hold, float between where they do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper  # noqa: TID251 - models are made here

from compiler.importer.read_graph import read_graph
from compiler.ir.graph import IrGraph
from compiler.wasm.compile import compile_module
from compiler.wasm.options import WasmOptions
from compiler.wasm.pipeline import run_passes
from compiler.wasm_tools.instance import run_module
from edge_runtime.quiet_import import import_quietly
from tests.compiler.models import model

RNG = np.random.default_rng(9)
SHAPE = (1, 4, 6, 5)
Q, DQ = "QuantizeLinear", "DequantizeLinear"
QCONV, QGEMM, QADD, QMUL, QPOOL, QTABLE = (
    f"skerry.{name}" for name in ("qconv2d", "qgemm", "qadd", "qmul", "qpool", "qtable")
)


def ints(low: int, high: int, *shape: int, dtype: Any = np.int8) -> NDArray[Any]:
    """Random integers."""
    return RNG.integers(low, high, shape).astype(dtype)


W_SCALES = RNG.uniform(0.004, 0.01, 4).astype(np.float32)
CONSTANTS: Mapping[str, NDArray[Any]] = {
    "s": np.array(0.02, np.float32), "z": np.array(100, np.uint8),
    "s2": np.array(0.031, np.float32), "z2": np.array(120, np.uint8), "z0": np.array(0, np.uint8),
    "w": ints(-127, 128, 4, 4, 3, 3), "ws": W_SCALES, "wz": np.zeros(4, np.int8),
    "wu": ints(0, 256, 4, 4, 3, 3, dtype=np.uint8), "wus": np.array(0.007, np.float32), "wuz": np.array(128, np.uint8),
    "wodd": np.array(127, np.uint8), "half": np.array(0.5, np.float32),
    "b": ints(-900, 900, 4, dtype=np.int32), "bs": (np.float32(0.02) * W_SCALES).astype(np.float32),
    "bz": np.zeros(4, np.int32), "bfloat": RNG.normal(size=4).astype(np.float32),
    "dense": ints(-127, 128, 120, 4), "six": np.array(6, np.float32), "zero": np.array(0, np.float32),
    "pads": np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64), "perm": np.array([0], np.int64),
    "start": np.array([1], np.int64), "end": np.array([4], np.int64), "axis": np.array([2], np.int64),
}  # fmt: skip


def n(op: str, inputs: str, output: str, **attrs: Any) -> NodeProto:
    """A node; ``inputs`` with spaces between, ``_`` for one that is left out."""
    names = ["" if name == "_" else name for name in inputs.split(" ")]
    return helper.make_node(op, names, [output], **attrs)


def q(source: str, output: str, scale: str = "s", zero: str = "z") -> NodeProto:
    """Quantize."""
    return n(Q, f"{source} {scale} {zero}", output)


def dq(source: str, output: str, scale: str = "s", zero: str = "z", **attrs: Any) -> NodeProto:
    """Dequantize."""
    return n(DQ, f"{source} {scale} {zero}", output, **attrs)


X = [q("x", "xq"), dq("xq", "xf")]
WEIGHTS = dq("w", "wf", "ws", "wz", axis=0)
BIAS = dq("b", "bf", "bs", "bz", axis=0)
CONV = n("Conv", "xf wf bf", "c", pads=[1, 1, 1, 1])
OUT = [q("r", "rq", "s2", "z2"), dq("rq", "y", "s2", "z2")]


def conv(*middle: NodeProto) -> list[NodeProto]:
    """Quantized input, convolution to ``c``, what is given, ``r`` quantized to ``y``."""
    return [*X, WEIGHTS, BIAS, CONV, *middle, *OUT]


def between(*middle: NodeProto) -> list[NodeProto]:
    """Quantized input ``xf``, what is given, ``r`` quantized to ``y``."""
    return [*X, *middle, *OUT]


@dataclass(frozen=True)
class Case:
    """Nodes from ``x`` to ``y``; operators left between the first and the last; limits of the first integer operator."""

    nodes: Sequence[NodeProto]
    left: Sequence[str]
    limits: tuple[int, int] | None = None
    more: Mapping[str, NDArray[Any]] = field(default_factory=dict)


TURN, BACK = "Transpose", "Transpose"
IMAGE_OUT = (DQ, BACK)
"""The result is dequantized, then turned."""

CASES: Mapping[str, Case] = {
    "convolution": Case(conv(n("Identity", "c", "r")), [TURN, QCONV, *IMAGE_OUT], (0, 255)),
    "relu and clip are limits": Case(
        conv(n("Relu", "c", "a"), n("Clip", "a zero six", "r")), [TURN, QCONV, *IMAGE_OUT], (120, 255)
    ),
    "an upper limit": Case(conv(n("Clip", "c _ half", "r")), [TURN, QCONV, *IMAGE_OUT], (0, 136)),
    "unsigned weights around 128": Case(
        between(dq("wu", "wf", "wus", "wuz"), n("Conv", "xf wf", "r")), [TURN, QCONV, *IMAGE_OUT]
    ),
    "unsigned weights around another number": Case(
        between(dq("wu", "wf", "wus", "wodd"), n("Conv", "xf wf", "r")),
        [DQ, TURN, "skerry.conv2d", Q, *IMAGE_OUT],
    ),
    "a bias in float": Case(
        between(WEIGHTS, n("Conv", "xf wf bfloat", "r")), [DQ, TURN, "skerry.conv2d", Q, *IMAGE_OUT]
    ),
    "residual": Case(
        conv(q("c", "cq"), dq("cq", "cf"), n("Add", "cf xf", "a"), n("Relu", "a", "r")), [TURN, QCONV, *IMAGE_OUT]
    ),
    "a result that is read twice": Case(
        conv(n("Relu", "c", "a"), n("Add", "c a", "r")), [DQ, TURN, "skerry.conv2d", "Relu", "Add", Q, *IMAGE_OUT]
    ),
    "sum": Case(between(q("xf", "tq", "s2", "z2"), dq("tq", "tf", "s2", "z2"), n("Add", "xf tf", "r")), [QTABLE, QADD, DQ]),
    "product, spread out": Case(
        between(n("GlobalAveragePool", "xf", "g"), q("g", "gq"), dq("gq", "gf"), n("Mul", "xf gf", "r")),
        [TURN, QPOOL, "Expand", QMUL, *IMAGE_OUT],
    ),
    "a sum with a number": Case(between(n("Add", "half xf", "r")), [QTABLE, DQ]),
    "pools": Case(
        between(n("MaxPool", "xf", "m", kernel_shape=[2, 2]), q("m", "mq"), dq("mq", "mf"),
                n("AveragePool", "mf", "r", kernel_shape=[2, 2])),
        [TURN, QPOOL, QPOOL, *IMAGE_OUT],
    ),
    "an average under a clip": Case(
        between(n("AveragePool", "xf", "a", kernel_shape=[2, 2]), n("Relu", "a", "r")), [TURN, QPOOL, QTABLE, *IMAGE_OUT]
    ),
    "functions of one value": Case(between(n("Sigmoid", "xf", "a"), n("Mul", "a xf", "r")), [QTABLE, DQ]),
    "moves keep the stored values": Case(
        [*X, n("Pad", "xf pads", "a"), q("a", "aq"), dq("aq", "af"), n("Slice", "af start end axis", "cut"), q("cut", "bq"),
         dq("bq", "cf"), n("Transpose", "cf", "r", perm=[0, 2, 3, 1]), q("r", "rq"), dq("rq", "y")],
        ["Pad", "Slice", "Transpose", DQ],
    ),
    "a move to another scale": Case(between(n("Transpose", "xf", "r", perm=[0, 2, 1, 3])), ["Transpose", QTABLE, DQ]),
    "concat of two scales": Case(
        between(q("xf", "tq", "s2", "z2"), dq("tq", "tf", "s2", "z2"), n("Concat", "xf tf", "r", axis=1)),
        [QTABLE, QTABLE, "Concat", DQ],
    ),
    "a product that stays float": Case(
        [*X, n("Flatten", "xf", "a"), q("a", "aq"), dq("aq", "af"), dq("dense", "wf", "ws", "wz", axis=1),
         n("MatMul", "af wf", "y")],
        ["Reshape", QGEMM],
    ),
    "a product": Case(
        [*X, n("Flatten", "xf", "a"), dq("dense", "wf", "ws", "wz", axis=1), n("Gemm", "a wf bf", "r"), BIAS, *OUT],
        ["Reshape", QGEMM, DQ],
    ),
    "nothing between": Case([q("x", "xq"), dq("xq", "a"), q("a", "bq"), dq("bq", "y")], [DQ]),
}  # fmt: skip


def built(case: Case) -> tuple[bytes, IrGraph]:
    """The model, and its graph after all passes."""
    used = {name for node in case.nodes for name in node.input}
    constants = {name: array for name, array in CONSTANTS.items() if name in used}
    ordered = sorted(case.nodes, key=lambda node: node.op_type != DQ or node.input[0] not in constants)
    made = model(ordered, inputs={"x": SHAPE}, outputs={"y": ()}, constants=constants, opset=18)
    made.graph.output[0].type.tensor_type.ClearField("shape")
    made.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    data = made.SerializeToString()
    return data, run_passes(read_graph(data, batch=1, dims={}, bind={}, stage="test"), WasmOptions())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_left(case: Case) -> None:
    _, graph = built(case)
    operators = [node.op for node in graph.nodes]
    assert operators[0] == Q
    assert operators[1:] == list(case.left)
    if case.limits is not None:
        spec = next(node.attrs["spec"] for node in graph.nodes if "spec" in node.attrs)
        assert (spec.low, spec.high) == case.limits


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_stored_values_are_those_of_onnxruntime(case: Case) -> None:
    data, _ = built(case)
    module = compile_module(data)
    runtime = import_quietly("onnxruntime")
    options = runtime.SessionOptions()
    options.log_severity_level = 3
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    for scale in (0.4, 1.0, 50.0):
        x = (RNG.normal(size=SHAPE) * scale).astype(np.float32)
        (got,) = run_module(module, {"x": x}).values()
        np.testing.assert_allclose(got, session.run(None, {"x": x})[0], rtol=1e-5, atol=1e-5)
